"""Drafts by a model in a GGUF file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Rows
from alignatt4llm.heads.headset import Head, HeadSet, Layout
from alignatt4llm.prompts.forms import prompt_form
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Asked, Loaded, Passed
from alignatt4llm.translators.drafter import ForcingDrafter
from alignatt4llm.translators.drafting import Choice, Choices, Chooser, Needed
from alignatt4llm.translators.llamacpp.context import CONTEXT, LlamaContext
from alignatt4llm.translators.llamacpp.feed import Feed
from alignatt4llm.translators.llamacpp.pace import fit
from alignatt4llm.translators.llamacpp.slots import Stream
from alignatt4llm.translators.llamacpp.template import ChatTemplate
from alignatt4llm.translators.llamacpp.vocabulary import GgufVocabulary
from alignatt4llm.translators.stepper import Stepper
from alignatt4llm.weights.merged import merged
from alignatt4llm.weights.models import resolve_gguf

STREAMS = 8
"""Streams for which memory is set aside, at most: some 100 MB each for a model of a billion."""


class LlamaTranslator:
    """One model in memory, shared by any number of drafters.

    Parameters
    ----------
    file
        The GGUF file, the first of a split one.
    streams
        How many drafters keep what they have read; more share these places.
    threads
        CPU threads; 0 measures which number suits the model.
    guess
        How many tokens of the last draft are verified in a pass at most; measured by default.
    context, gpu_layers, precise
        As for `LlamaContext`.
    prompt
        The prompt that the model was taught; its own by default.

    Attributes
    ----------
    inside
        The model as llama.cpp has it.
    pace
        How fast it is here.

    Raises
    ------
    AlignattError
        If the model cannot be loaded or used.
    """

    def __init__(
        self,
        file: Path,
        *,
        streams: int = 1,
        context: int = CONTEXT,
        threads: int = 0,
        guess: int | None = None,
        gpu_layers: int | None = None,
        precise: bool = False,
        prompt: str = "auto",
    ) -> None:
        self.inside = LlamaContext(
            file, streams=streams, context=context, gpu_layers=gpu_layers, precise=precise
        )
        self.vocabulary = GgufVocabulary(self.inside)
        self.pace = fit(self.inside, threads)
        self.guess = self.pace.guess if guess is None else guess
        self._prompt = prompt
        self.stepper = Stepper(self.inside.run)

    @property
    def context(self) -> int:
        """Longest prompt and draft together, in tokens."""
        longest: int = self.inside.context
        return longest

    @property
    def layout(self) -> Layout:
        """The grid of the model's heads."""
        return self.inside.layout

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return the prompt of a name, by default what it was taught; see `prompts.prompt_form`."""
        start, end = (self.vocabulary.piece(token) for token in self.vocabulary.edges)
        template = ChatTemplate(self.inside.template, start, end)
        return prompt_form(template, pair, self._prompt if form == "auto" else form)

    def open(self, pair: Pair, heads: HeadSet, beginning: str = "") -> "LlamaDrafter":
        """Start drafting for one stream, its prompts' beginning already read.

        Raises
        ------
        AlignattError
            If the head set does not fit the model.
        """
        drafter = LlamaDrafter(self, pair, heads)
        if beginning:
            drafter.begin(beginning)
        return drafter

    def forcer(self, pair: Pair, heads: HeadSet) -> "LlamaDrafter":
        """Start saying given translations; see `Forcing.forcer`."""
        return self.open(pair, heads)

    def lane(self, heads: Sequence[Head]) -> "_Lane":
        """Start bare passes of one stream; see `Stepping.lane`."""
        self.inside.check(heads)
        return _Lane(self, self.inside.stream(heads))

    def close(self) -> None:
        """Free the model."""
        self.inside.close()


class LlamaDrafter(ForcingDrafter):
    """Greedy drafts for one stream, reusing what the last draft computed.

    Keys and values of what successive prompts have in common stay in the context.
    """

    def __init__(self, translator: LlamaTranslator, pair: Pair, heads: HeadSet) -> None:
        translator.inside.check(heads.heads)
        super().__init__(translator.vocabulary, translator.context, pair, heads)
        self._translator = translator
        self._stream = translator.inside.stream(heads.heads)

    @contextmanager
    def _choosing(self, columns: NDArray[np.int64], longest: int) -> Iterator[Chooser]:
        """Step this stream beside those of others."""
        with self._translator.stepper.drafting():
            yield _StreamChooser(self._translator, self._stream, columns)

    def begin(self, text: str) -> None:
        """Read what prompts begin with, or take it over from a stream that has."""
        ids, _ = self._translator.vocabulary.encode(text)
        self._step(Feed(self._stream, ids[:-1], wanted=0))

    def _read(self, ids: Sequence[int], wanted: int) -> Rows:
        feed = Feed(self._stream, ids, wanted, np.arange(len(ids)), asks=False)
        self._step(feed)
        return feed.rows

    def close(self) -> None:
        """Give up the place of this stream."""
        self._translator.inside.free(self._stream)

    def _step(self, feed: Feed) -> None:
        with self._translator.stepper.drafting():
            self._translator.stepper.step(feed)


class _StreamChooser:
    """Feeds a stream what it has not seen yet."""

    def __init__(
        self, translator: LlamaTranslator, stream: Stream, columns: NDArray[np.int64]
    ) -> None:
        self._translator, self._stream, self._columns = translator, stream, columns

    def choose(self, known: Sequence[int], guess: Sequence[int], needed: Needed) -> Choices:
        """Feed in one pass and choose after the last known token and the first of the guess."""
        guess = guess[: self._translator.guess]
        feed = Feed(self._stream, [*known, *guess], 1 + len(guess), self._columns)
        self._translator.stepper.step(feed)
        count = needed(feed.rows)
        self._logits = feed.logits[:count]  # [N, vocabulary]
        best = self._logits.argmax(-1)
        return Choices([_choice(*each) for each in zip(self._logits, best, strict=True)], feed.rows)

    def likeliest(self, known: Sequence[int], count: int) -> Sequence[Choice]:
        """Return the likeliest tokens after what was known in the last pass."""
        logits = self._logits[0]
        count = min(count, len(logits))
        best = np.argpartition(-logits, count - 1)[:count]
        best = best[np.argsort(-logits[best], kind="stable")]
        return [_choice(logits, token) for token in best]


class _Lane:
    """Bare passes of one stream, which takes nothing over from others; see `Lane`."""

    def __init__(self, translator: LlamaTranslator, stream: Stream) -> None:
        self._translator, self._stream = translator, stream
        self.keep(0)

    def feed(
        self, ids: Sequence[int], wanted: int = 1, columns: NDArray[np.int64] | None = None
    ) -> Passed:
        """Compute tokens in one pass."""
        feed = Feed(self._stream, ids, wanted, columns)
        self._translator.stepper.step(feed)
        return Passed(int(feed.logits[-1].argmax()), None if columns is None else feed.rows)

    def keep(self, count: int) -> None:
        """Forget all but the first ``count`` tokens."""
        self._translator.inside.keep(self._stream, count)

    def close(self) -> None:
        """Give up the place of this stream."""
        self._translator.inside.free(self._stream)


def _choice(logits: NDArray[np.float32], token: np.int64) -> Choice:
    """Return a token and its log-probability."""
    high = logits.max()
    return int(token), float(logits[token] - high - np.log(np.exp(logits - high).sum()))


def load(asked: Asked) -> Loaded:
    """Load a GGUF file into this process, with what it was taught added.

    Every stream has keys and values set aside for it; beyond a number of them, streams share.
    """
    weights, taught = resolve_gguf(asked.model, asked.tell), asked.adapter
    file = Path(weights.location)
    translator = LlamaTranslator(
        merged(file, taught, asked.tell) if taught else file,
        streams=min(asked.streams, STREAMS),
        gpu_layers=asked.gpu_layers,
        prompt=taught.prompt if taught else "auto",
    )
    return Loaded(
        taught.name if taught else weights.name,
        weights.location,
        translator,
        weights.revision,
        pairs=taught.pairs if taught else (),
        adapter=taught,
        threads=translator.pace.threads,
    )
