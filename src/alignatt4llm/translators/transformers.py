"""Drafts and rows from any decoder-only model that Hugging Face transformers can load."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging

from alignatt4llm.attention.capture import Capture
from alignatt4llm.errors import AlignattError, PromptTooLong
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.languages import Pair
from alignatt4llm.prompts import ChatPrompt, FewShotPrompt, Prompt, PromptForm, source_columns
from alignatt4llm.translators.base import Draft, Forced, Stop, loop_length
from alignatt4llm.translators.vocabulary import Vocabulary

_CANDIDATES = 64
"""Likeliest tokens among which the first that starts a new word is sought."""


class TransformersTranslator:
    """One model in memory, shared by any number of drafters.

    Parameters
    ----------
    location
        A local folder, or a hub id.
    revision
        Hub revision.
    threads
        CPU threads for the model; 0 leaves torch's own choice.
    dtype
        Weight type, or ``auto`` for the type the weights are stored in.

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
        dtype: str | torch.dtype = "auto",
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        logging.disable_progress_bar()
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(str(location), revision=revision)
            self.model = AutoModelForCausalLM.from_pretrained(
                str(location), revision=revision, dtype=dtype
            )
        except (OSError, ValueError) as problem:
            reason = str(problem).strip().splitlines()[0]
            raise AlignattError(f"The model '{location}' cannot be loaded: {reason}") from problem
        if getattr(self.model.config.get_text_config(), "attn_logit_softcapping", None):
            self.model.set_attn_implementation("eager")  # sdpa leaves the softcap out
        self.model.to(device).eval().requires_grad_(False)
        self.vocabulary = Vocabulary(self.tokenizer, self.model.generation_config)
        self.lock = Lock()

    @property
    def context(self) -> int:
        """Longest prompt and draft together, in tokens."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return the prompt that suits the model: chat where it has a template, else few-shot."""
        if form == "chat" or (form == "auto" and self.tokenizer.chat_template):
            return ChatPrompt(pair, self.tokenizer)
        return FewShotPrompt(pair)

    def open(self, pair: Pair, heads: HeadSet) -> "TransformersDrafter":
        """Start drafting for one stream.

        Raises
        ------
        AlignattError
            If the head set does not fit the model.
        """
        return TransformersDrafter(self, pair, heads)


class TransformersDrafter:
    """Greedy drafts for one stream, reusing what the last draft computed.

    Successive prompts share most of their tokens. The keys and values of the common beginning
    stay; the tokens that were drafted but not accepted ride along with the new ones in a single
    pass and are kept as far as greedy decoding agrees with them, so the draft is the same as
    from scratch. Memory is bounded by the model's context.
    """

    def __init__(self, translator: TransformersTranslator, pair: Pair, heads: HeadSet) -> None:
        self._translator = translator
        self._capture = Capture(translator.model, heads.heads)
        self._own = heads.row == "own"
        self._spaced = not pair.target.by_character
        self._cache = DynamicCache()
        self._cached: list[int] = []
        self._last: tuple[str, Draft] = ("", _nothing())

    @torch.inference_mode()
    def draft(self, prompt: Prompt, budget: int, stop: Stop | None = None) -> Draft:
        """Continue the prompt greedily; see `Drafter.draft`."""
        ids, offsets = self._translator.vocabulary.encode(prompt.text)
        if len(ids) + budget > self._translator.context:
            raise PromptTooLong(
                f"The prompt has {len(ids)} tokens and the draft may take {budget}, but the "
                f"model's context is {self._translator.context}."
            )
        positions, words = source_columns(prompt, offsets)
        with self._translator.lock, self._capture.watching():
            drafting = _Drafting(self, ids, torch.from_numpy(positions), budget, prompt)
            draft = drafting.run(self._held(prompt.accepted, budget), stop, words)
        self._last = (prompt.accepted, draft)
        return draft

    def close(self) -> None:
        """Free the keys and values of this stream."""
        self._cache, self._cached = DynamicCache(), []

    @torch.inference_mode()
    def force(self, prompt: Prompt) -> Forced:
        """Read the rows of a given translation, the prompt's accepted text, in one pass."""
        ids, offsets = self._translator.vocabulary.encode(prompt.text)
        begin = len(prompt.text) - len(prompt.accepted)
        first = next(i for i, (_, end) in enumerate(offsets) if end > begin)
        positions, words = source_columns(prompt, offsets)
        with self._translator.lock, self._capture.watching():
            self.feed(ids, first - 1)
            rows = self._capture.rows(torch.arange(first - 1, len(ids)), torch.arange(len(ids)))
        spans = tuple((max(0, start - begin), end - begin) for start, end in offsets[first:])
        return Forced(spans, rows.cpu().numpy(), positions, words)

    def _held(self, accepted: str, budget: int) -> list[int]:
        """Return the tokens of the last draft that lie beyond the accepted text."""
        before, draft = self._last
        said = len(accepted) - len(before)
        if said < 0 or not (before + draft.text).startswith(accepted):
            return []
        if said == 0:
            return list(draft.ids[:budget])
        return list(draft.ids[draft.ends.index(said) + 1 :]) if said in draft.ends else []

    def feed(self, ids: Sequence[int], start: int) -> Tensor:
        """Bring the cache to exactly ``ids`` and return the logits from position ``start`` on.

        What the cache has in common with ``ids[:start]`` is not computed again. The logits have
        shape [len(ids) - start, vocabulary].
        """
        keep = 0
        while keep < min(start, len(self._cached)) and self._cached[keep] == ids[keep]:
            keep += 1
        self._cache.crop(keep - len(self._cached))
        self._cached = []  # nothing is known of the cache should the pass fail
        model = self._translator.model
        fresh = torch.tensor([list(ids[keep:])], device=model.device)
        logits: Tensor = model(
            input_ids=fresh,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=len(ids) - start,
        ).logits[0]
        self._cached = list(ids)
        return logits


class _Drafting:
    """One draft in the making."""

    def __init__(
        self,
        drafter: TransformersDrafter,
        prompt_ids: list[int],
        columns: Tensor,
        budget: int,
        prompt: Prompt,
    ) -> None:
        self._drafter = drafter
        self._vocabulary = drafter._translator.vocabulary
        self._prompt_ids = prompt_ids
        self._columns = columns
        self._budget = budget
        self._unglued = drafter._spaced and prompt.accepted[-1:].isalnum()
        self.ids: list[int] = []
        self.rows: list[Tensor] = []  # each [H, S], by position from the last prompt token on
        self.logprobs: list[float] = []
        self._judged = 0

    def run(self, guess: list[int], stop: Stop | None, words: np.ndarray) -> Draft:
        """Verify the guess in one pass, then decode one by one until told to stop."""
        choices = self._choices(guess)
        while True:
            ended = self._take(guess, choices)
            if ended or self._is_done(stop, words):
                return self._finish(ended, words)
            guess = []
            choices = self._choices([])

    def _choices(self, guess: list[int]) -> list[int]:
        """Feed what is not cached and return the greedy token after each of the new positions."""
        known = len(self._prompt_ids) + len(self.ids)
        fed = [*self._prompt_ids, *self.ids, *guess]
        logits = self._drafter.feed(fed, known - 1)  # [1 + guess, V]
        if known == len(self._prompt_ids) and self._unglued:
            likely = [int(token) for token in logits[0].topk(_CANDIDATES).indices]
            unglued = next((t for t in likely if not self._vocabulary.glues(t)), likely[0])
            logits[0, unglued] = logits[0].max() + 1
        at = torch.arange(known - 1, len(fed))
        self._fresh_rows = list(self._drafter._capture.rows(at, self._columns))
        best = logits.argmax(-1)
        self._fresh_logprobs = logits.float().log_softmax(-1).gather(1, best[:, None])[:, 0]
        return [int(token) for token in best]

    def _take(self, guess: list[int], choices: list[int]) -> bool:
        """Append tokens while guess and greedy choice agree, and the choice after them."""
        for index, token in enumerate(choices):
            self.rows.append(self._fresh_rows[index])
            ends = self._vocabulary.ends(token)
            if not ends or self._vocabulary.says_something(token):
                self.ids.append(token)
                self.logprobs.append(float(self._fresh_logprobs[index]))
            if ends:
                return True
            if len(self.ids) >= self._budget or index >= len(guess) or guess[index] != token:
                return False
        return False

    def _is_done(self, stop: Stop | None, words: np.ndarray) -> bool:
        if len(self.ids) >= self._budget:
            return True
        repeated = loop_length(self.ids)
        if repeated:
            del self.ids[-repeated:]
            return True
        unjudged = range(self._judged, min(len(self.ids), len(self.rows) - int(self._drafter._own)))
        self._judged = unjudged.stop
        return stop is not None and any(stop(self._row(token), words) for token in unjudged)

    def _row(self, token: int) -> np.ndarray:
        row: np.ndarray = self.rows[token + int(self._drafter._own)].cpu().numpy()
        return row

    def _finish(self, ended: bool, words: np.ndarray) -> Draft:
        count = min(len(self.ids), len(self.rows) - int(self._drafter._own))
        ids = self.ids[:count]
        text, ends = self._vocabulary.decode(self._prompt_ids, ids)
        heads, width = len(self._drafter._capture.heads), len(self._columns)
        rows = np.stack([self._row(i) for i in range(count)]) if count else None
        return Draft(
            text=text,
            ids=tuple(ids),
            ends=tuple(ends),
            rows=np.zeros((0, heads, width), np.float32) if rows is None else rows,
            words=words,
            ended=ended and count == len(self.ids),
            logprobs=np.array(self.logprobs[:count], np.float32),
        )


def _nothing() -> Draft:
    row, words = np.zeros((0, 1, 0), np.float32), np.zeros(0, np.int64)
    return Draft("", (), (), row, words, False, np.zeros(0, np.float32))
