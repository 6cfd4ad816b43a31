"""The seam between a session and the LLM engines that draft its target."""

from collections.abc import Sequence
from typing import Protocol

from alignatt4llm.draft import Draft, Judge
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.prompt import Prompt, PromptForm
from alignatt4llm.text.languages import Pair


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
