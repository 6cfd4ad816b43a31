"""The language model, wherever in the cluster it is."""

import secrets
from collections.abc import Sequence
from typing import Any, Protocol

from alignatt4llm.cluster.drafts import Ask, Lane
from alignatt4llm.draft import Draft, Judge
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.prompt import Prompt, PromptForm
from alignatt4llm.text.languages import Pair


class Asked(Protocol):
    """Who answers; see `calls.Engines`."""

    def ask(self, method: str, *arguments: object, stream: str = "") -> Any:
        """Call a method of some replica, best of the one that keeps the stream."""
        ...

    def tell(self, method: str, *arguments: object, stream: str = "") -> None:
        """Call a method and wait for nothing."""
        ...


class ClusterTranslator:
    """A `Translator` whose drafts are made by engine replicas.

    Parameters
    ----------
    engines
        The replicas.
    """

    def __init__(self, engines: Asked) -> None:
        self._engines = engines
        self._forms: dict[tuple[Pair, str], PromptForm] = {}

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return the prompt that suits the model; it is asked for once."""
        key = (pair, form)
        if key not in self._forms:
            self._forms[key] = self._engines.ask("prompt_form", pair, form)
        return self._forms[key]

    def open(self, pair: Pair, heads: HeadSet, beginning: str = "") -> "ClusterDrafter":
        """Start drafting for one stream; see `Translator.open`."""
        lane = Lane(secrets.token_urlsafe(12), pair, heads.bare, beginning)
        self._engines.ask("open", lane, stream=lane.stream)
        return ClusterDrafter(self._engines, lane)


class ClusterDrafter:
    """Drafts for one stream, by whatever replica answers."""

    def __init__(self, engines: Asked, lane: Lane) -> None:
        self._engines = engines
        self._lane = lane

    def draft(
        self,
        prompt: Prompt,
        budget: int,
        judge: Judge | None = None,
        guess: Sequence[int] = (),
    ) -> Draft:
        """Continue the prompt; see `Drafter.draft`."""
        ask = Ask(self._lane, prompt, budget, judge, tuple(guess))
        draft: Draft = self._engines.ask("draft", ask, stream=self._lane.stream)
        return draft

    def close(self) -> None:
        """Let the replica free what it keeps for this stream."""
        self._engines.tell("close", self._lane.stream, stream=self._lane.stream)
