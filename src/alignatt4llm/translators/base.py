"""The seam between a session and the LLM engines that draft its target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Draft, Forced, Judge, Rows
from alignatt4llm.errors import Tell, silent
from alignatt4llm.heads.headset import Head, HeadSet, Layout
from alignatt4llm.prompts.prompt import Prompt, PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.adapters import Adapter, identity_of

if TYPE_CHECKING:
    from alignatt4llm.translators.stepper import Stepper
    from alignatt4llm.translators.vllm.steps import Engine
    from alignatt4llm.translators.vocabulary import Vocabulary


class Drafter(Protocol):
    """Drafts for one stream; it may keep what it computed between drafts."""

    def draft(
        self,
        prompt: Prompt,
        budget: int,
        judge: Judge | None = None,
        guess: Sequence[int] = (),
    ) -> Draft:
        """Continue the prompt greedily by at most ``budget`` tokens.

        Decoding stops early after the first token that ``judge`` holds. ``guess`` is what the
        draft will probably begin with, such as what is held of the last one; it makes drafting
        faster and changes nothing.

        Raises
        ------
        PromptTooLong
            If prompt and budget do not fit the model's context.
        """
        ...

    def close(self) -> None:
        """Free what is kept for this stream; nothing is drafted after it."""
        ...


class Translator(Protocol):
    """An LLM in memory, shared by any number of streams, which may run in threads of their own."""

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return the prompt that suits the model: ``auto``, ``chat`` or ``few-shot``."""
        ...

    def open(self, pair: Pair, heads: HeadSet, beginning: str = "") -> Drafter:
        """Start drafting for one stream.

        Parameters
        ----------
        pair, heads
            Translation direction, and the heads whose rows its drafts carry.
        beginning
            What prompts of all such streams begin with; it may be read already now, and kept.

        Raises
        ------
        AlignattError
            If the head set does not fit the model.
        """
        ...


class Forcer(Protocol):
    """Reads the rows of given translations."""

    def force(self, prompt: Prompt) -> Forced:
        """Say the prompt's accepted text and return where each head looked."""
        ...

    def close(self) -> None:
        """Free what is kept for it; nothing is said after it."""
        ...


@runtime_checkable
class Forcing(Translator, Protocol):
    """A translator that also says given translations, any of its heads watched."""

    @property
    def layout(self) -> Layout:
        """The grid of its heads."""
        ...

    def forcer(self, pair: Pair, heads: HeadSet) -> Forcer:
        """Start saying given translations.

        Raises
        ------
        AlignattError
            If the head set does not fit the model.
        """
        ...


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass has computed.

    Attributes
    ----------
    best
        The likeliest token after the last one.
    rows
        Attention of each wanted token over the columns, shape [N, H, S]; none if none were asked.
    """

    best: int
    rows: Rows | None = None


class Lane(Protocol):
    """Bare passes of one stream, which holds nothing at first.

    Nothing is decided by them, so that they can be timed.
    """

    def feed(
        self, ids: Sequence[int], wanted: int = 1, columns: NDArray[np.int64] | None = None
    ) -> Passed:
        """Compute tokens in one pass.

        Parameters
        ----------
        ids
            Everything that the stream will hold; what it holds already is not computed again.
        wanted
            After how many of the last tokens it is wanted what follows, N; these are computed in
            any case.
        columns
            Positions over which rows are wanted, shape [S]; none for no rows.
        """
        ...

    def keep(self, count: int) -> None:
        """Forget all but the first ``count`` tokens."""
        ...

    def close(self) -> None:
        """Free what is kept for this stream."""
        ...


@runtime_checkable
class Stepping(Translator, Protocol):
    """A translator whose model is in this process and can be stepped pass by pass."""

    vocabulary: "Vocabulary"
    stepper: "Stepper[Any]"

    def lane(self, heads: Sequence[Head]) -> Lane:
        """Start bare passes of one stream, whose rows are those of the heads.

        Raises
        ------
        AlignattError
            If the model has no such heads.
        """
        ...


@runtime_checkable
class Serving(Translator, Protocol):
    """A translator whose model is served and takes whole requests."""

    engine: "Engine"
    vocabulary: "Vocabulary"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an engine is asked to load.

    Attributes
    ----------
    model
        As for ``--model``.
    address
        Where the engine is served, of one that is.
    adapter
        What the model was taught; found by itself where the model is named by its folder.
    heads
        A head set that is not shipped and will be used; some engines must know it now.
    streams
        How many streams will draft at once.
    gpu_layers
        How many layers a GPU computes, where the engine leaves that open; all that fit by default.
    sentences
        Whether whole sentences will be read at once, rather than drafted token by token.
    tell
        Is told what is being prepared, when that takes long.
    """

    model: str
    address: str = ""
    adapter: Adapter | None = None
    heads: HeadSet | None = None
    streams: int = 1
    gpu_layers: int | None = None
    sentences: bool = False
    tell: Tell = silent


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in an engine.

    Attributes
    ----------
    name
        As head sets know it.
    location
        Its folder, or the address of the engine that has it.
    translator
        The model.
    revision
        The hub revision that was asked for.
    heads
        A head set for every direction, of an engine that brings its own.
    pairs
        Directions that it translates with that, or was taught, as ``en-de``.
    adapter
        What it was taught.
    threads
        CPU threads with which it is fastest here; 0 if that was not measured.
    """

    name: str
    location: str
    translator: Translator
    revision: str | None = None
    heads: HeadSet | None = None
    pairs: tuple[str, ...] = ()
    adapter: Adapter | None = None
    threads: int = 0

    @property
    def weights(self) -> str:
        """Which weights they are; see `identity_of`."""
        return identity_of(self.location, self.adapter)
