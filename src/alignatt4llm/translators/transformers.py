"""Drafts by any decoder-only model that transformers can load."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from alignatt4llm.attention.half_linear import widen
from alignatt4llm.attention.packed import Feed, PackedModel, Stream
from alignatt4llm.draft import Rows
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import Head, HeadSet, Layout
from alignatt4llm.machine.device import Device
from alignatt4llm.machine.threads import best_threads
from alignatt4llm.prompts.forms import prompt_form
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.prefix import common_prefix
from alignatt4llm.translators.base import Asked, Loaded, Passed
from alignatt4llm.translators.drafter import ForcingDrafter
from alignatt4llm.translators.drafting import Choice, Choices, Chooser, Needed
from alignatt4llm.translators.merging import merge
from alignatt4llm.translators.stepper import Stepper
from alignatt4llm.translators.vocabulary import HubVocabulary
from alignatt4llm.weights.adapters import Adapter
from alignatt4llm.weights.models import resolve_llm

BEGINNINGS = 8
"""Prompts' beginnings of which the keys and values are kept for the next stream."""


class TransformersTranslator:
    """One model in memory, shared by any number of drafters.

    Parameters
    ----------
    location
        A local folder, or a hub id.
    revision
        Hub revision.
    threads
        CPU threads for the model; 0 measures which number suits it.
    dtype
        Weight type; the device's by default.
    device
        Where it runs; the best there is by default.
    adapter
        What it was taught; added to its weights.

    Raises
    ------
    AlignattError
        If the model cannot be loaded.
    """

    def __init__(
        self,
        location: str | Path,
        *,
        revision: str | None = None,
        threads: int = 0,
        dtype: str | torch.dtype | None = None,
        device: Device | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        device = device or Device.best()
        logging.disable_progress_bar()
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(str(location), revision=revision)
            self.model = AutoModelForCausalLM.from_pretrained(
                str(location), revision=revision, dtype=dtype or "auto"
            )
        except (OSError, ValueError) as problem:
            reason = str(problem).strip().splitlines()[0]
            raise AlignattError(f"The model '{location}' cannot be loaded: {reason}") from problem
        self._prompt = adapter.prompt if adapter else "auto"
        if adapter:
            self.model = merge(self.model, adapter)
        if dtype is None and device.dtype == "float32":
            widen(self.model, device)
        self.model.to(device.name).eval().requires_grad_(False)
        width = self.model.config.get_text_config().hidden_size
        self.threads = threads or best_threads(width)
        torch.set_num_threads(self.threads)
        self.vocabulary = HubVocabulary(self.tokenizer, self.model.generation_config)
        self.packed = PackedModel(self.model)
        self.stepper = Stepper(self.packed.run)
        self._read = lru_cache(BEGINNINGS)(self._read_once)

    @property
    def context(self) -> int:
        """Longest prompt and draft together, in tokens."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    @property
    def layout(self) -> Layout:
        """The grid of the model's heads."""
        return Layout.of(self.model.config)

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return the prompt of a name, by default what it was taught; see `prompts.prompt_form`."""
        return prompt_form(self.tokenizer, pair, self._prompt if form == "auto" else form)

    def open(self, pair: Pair, heads: HeadSet, beginning: str = "") -> "TransformersDrafter":
        """Start drafting for one stream, its prompts' beginning already read.

        Raises
        ------
        AlignattError
            If the head set does not fit the model.
        """
        drafter = TransformersDrafter(self, pair, heads)
        if beginning:
            drafter.begin(self._read(beginning))
        return drafter

    def forcer(self, pair: Pair, heads: HeadSet) -> "TransformersDrafter":
        """Start saying given translations; see `Forcing.forcer`."""
        return self.open(pair, heads)

    def lane(self, heads: Sequence[Head]) -> "_Lane":
        """Start bare passes of one stream; see `Stepping.lane`."""
        self.packed.check(heads)
        return _Lane(self, Stream(heads))

    def _read_once(self, text: str) -> Stream:
        """Return a stream that holds a text."""
        stream = Stream()
        self.stepper.step(Feed(stream, self.vocabulary.encode(text)[0]))
        return stream


class TransformersDrafter(ForcingDrafter):
    """Greedy drafts for one stream, reusing what the last draft computed.

    Successive prompts share most of their tokens. The keys and values of the common beginning
    stay; the tokens that were drafted but not accepted ride along with the new ones in a single
    pass and are kept as far as greedy decoding agrees with them, so the draft is the same as
    from scratch. Memory is bounded by the model's context.
    """

    def __init__(self, translator: TransformersTranslator, pair: Pair, heads: HeadSet) -> None:
        translator.packed.check(heads.heads)
        super().__init__(translator.vocabulary, translator.context, pair, heads)
        self._translator = translator
        self._stream = Stream(heads.heads)

    @contextmanager
    def _choosing(self, columns: NDArray[np.int64], longest: int) -> Iterator[Chooser]:
        """Step this stream beside those of others."""
        stepper, device = self._translator.stepper, self._translator.model.device
        with stepper.drafting():
            yield _StreamChooser(stepper, self._stream, torch.from_numpy(columns).to(device))

    def _read(self, ids: Sequence[int], wanted: int) -> Rows:
        kept = common_prefix(self._stream.ids, ids[:-wanted])
        self._stream.keep(kept)
        every = torch.arange(len(ids), device=self._translator.model.device)
        feed = Feed(self._stream, ids[kept:], wanted, every, needed=lambda rows: 1)
        self._translator.stepper.step(feed)
        read: Rows = feed.rows.cpu().numpy()
        return read

    def begin(self, read: Stream) -> None:
        """Take over what another stream has read."""
        self._stream.begin(read)

    def close(self) -> None:
        """Free the keys and values of this stream."""
        self._stream.clear()


class _StreamChooser:
    """Feeds a stream what it has not seen yet."""

    def __init__(self, stepper: Stepper[Feed], stream: Stream, columns: Tensor) -> None:
        self._stepper, self._stream, self._columns = stepper, stream, columns

    def choose(self, known: Sequence[int], guess: Sequence[int], needed: Needed) -> Choices:
        """Feed in one pass and choose after the last known token and all of the guess."""
        fed = [*known, *guess]
        self._stream.keep(common_prefix(self._stream.ids, known[:-1]))
        feed = Feed(
            self._stream,
            fed[len(self._stream.ids) :],
            1 + len(guess),
            self._columns,
            lambda rows: needed(rows.cpu().numpy()),
        )
        self._stepper.step(feed)
        self._logits = feed.logits.float()  # [N, vocabulary]
        logits, best = self._logits.max(-1)
        logprobs = logits - self._logits.logsumexp(-1)
        tokens = list(zip(best.tolist(), logprobs.tolist(), strict=True))
        return Choices(tokens, feed.rows.cpu().numpy())

    def likeliest(self, known: Sequence[int], count: int) -> Sequence[Choice]:
        """Return the likeliest tokens after what was known in the last pass."""
        logits = self._logits[0]
        found = (logits - logits.logsumexp(-1)).topk(min(count, len(logits)))
        return list(zip(found.indices.tolist(), found.values.tolist(), strict=True))


class _Lane:
    """Bare passes of one stream; see `Lane`."""

    def __init__(self, translator: TransformersTranslator, stream: Stream) -> None:
        self._translator, self._stream = translator, stream

    def feed(
        self, ids: Sequence[int], wanted: int = 1, columns: NDArray[np.int64] | None = None
    ) -> Passed:
        """Compute tokens in one pass."""
        device, held = self._translator.model.device, self._stream.ids
        self.keep(min(common_prefix(held, ids), len(ids) - wanted))
        places = None if columns is None else torch.from_numpy(columns).to(device)
        feed = Feed(self._stream, ids[len(held) :], wanted, places)
        self._translator.stepper.step(feed)
        rows = None if columns is None else feed.rows.cpu().numpy()
        return Passed(int(feed.logits[-1].argmax()), rows)

    def keep(self, count: int) -> None:
        """Forget all but the first ``count`` tokens."""
        self._stream.keep(count)

    def close(self) -> None:
        """Free the keys and values of this stream."""
        self._stream.clear()


def load(asked: Asked) -> Loaded:
    """Load a model into this process.

    Whole sentences are computed in float32 on a CPU, several times faster there than in the
    16-bit types.
    """
    weights = resolve_llm(asked.model, asked.tell)
    dtype = torch.float32 if asked.sentences and not torch.cuda.is_available() else None
    taught = asked.adapter
    translator = TransformersTranslator(
        weights.location, revision=weights.revision, dtype=dtype, adapter=taught
    )
    return Loaded(
        taught.name if taught else weights.name,
        weights.location,
        translator,
        weights.revision,
        pairs=taught.pairs if taught else (),
        adapter=taught,
        threads=translator.threads,
    )
