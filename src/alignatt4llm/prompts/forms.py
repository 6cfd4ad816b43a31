"""How models want to be asked: with examples, by their chat template, in the words they know."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.prompts.examples import examples
from alignatt4llm.prompts.prompt import Closed, Prompt, PromptForm
from alignatt4llm.text.languages import Pair


@dataclass(frozen=True, slots=True)
class FewShotPrompt:
    """The raw form for models without a chat template: a header, pairs, then the source.

    Attributes
    ----------
    pair
        Translation direction.
    header
        First line; ``{source}`` and ``{target}`` stand for the languages' names. None if empty.
    shots
        How many parallel examples are shown. With any, languages are called by their own names:
        both keep a base model from copying the source. A model made for translation needs none.
    """

    pair: Pair
    header: str = "Translation of speech from {source} to {target}."
    shots: int = 4

    def __call__(
        self,
        words: Sequence[str],
        accepted: str = "",
        history: Sequence[Closed] = (),
        context: str = "",
    ) -> Prompt:
        """Build the prompt; closed utterances follow the examples as further pairs.

        The context stands before the examples, so that the source still follows a pair: a base
        model continues what it sees last.
        """
        source, target = self.pair.source, self.pair.target
        asks, answers = (
            (source.own_name, target.own_name) if self.shots else (source.name, target.name)
        )
        shown = "".join(
            f"{asks}: {pair.source}\n{answers}: {pair.target}\n\n"
            for pair in (*_shown(self.pair, self.shots), *history)
        )
        header = self.header.format(source=source.name, target=target.name)
        gap = "\n" if shown or context else ""
        first = f"{header}\n{gap}" if header else ""
        return Prompt(
            prefix=f"{first}{_block(context)}{shown}{asks}: ",
            words=tuple(words),
            suffix=f"\n{answers}:",
            accepted=f" {accepted}" if accepted else "",
            separator=source.separator,
        )


SOURCE_MARK = "\u2402source\u2403"
"""Stands in the place of the source while a chat is rendered."""


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """How a chat model is asked; ``{source}`` and ``{target}`` stand for the languages' names.

    Attributes
    ----------
    first
        What opens the conversation.
    ask
        Each user's turn, with the text to translate as ``{text}``, nothing of the source after it
        but the end of the turn if possible.
    shots
        How many parallel examples are shown as earlier turns.
    """

    first: str = ""
    ask: str = "{text}"
    shots: int = 0


STYLES = {
    "chat": ChatStyle(
        "You interpret live speech from {source} into {target}. "
        "Answer with the {target} translation only. The speech may stop in the middle "
        "of a sentence: translate what is there, add nothing, keep names as they are.\n\n",
        shots=3,
    ),
    "hy-mt": ChatStyle(
        ask="Translate the following segment into {target}, without additional explanation.\n\n"
        "{text}"
    ),
    "tower": ChatStyle(
        ask="Translate the following text from {source} into {target}.\n{source}: {text}\n{target}:"
    ),
}
"""Chat styles by name; a model made for translation wants the words it was trained with."""


class ChatPrompt:
    """The chat form: the model's own template, the source last in the user's turn.

    Parameters
    ----------
    pair
        Translation direction.
    tokenizer
        A Hugging Face tokeniser with a chat template.
    style
        How the model is asked.

    Raises
    ------
    AlignattError
        If there is no template, or it alters, repeats or drops the source: its span would be
        wrong.
    """

    def __init__(self, pair: Pair, tokenizer: Any, style: ChatStyle = STYLES["chat"]) -> None:
        if not tokenizer.chat_template:
            raise AlignattError("This model has no chat template; use --prompt few-shot instead.")
        self.pair = pair
        self._tokenizer = tokenizer
        self._style = style
        self._render((), "")

    def __call__(
        self,
        words: Sequence[str],
        accepted: str = "",
        history: Sequence[Closed] = (),
        context: str = "",
    ) -> Prompt:
        """Build the prompt; closed utterances are earlier turns of the conversation."""
        prefix, suffix = self._render(tuple(history), context)
        return Prompt(prefix, tuple(words), suffix, accepted, self.pair.source.separator)

    def _render(self, history: Sequence[Closed], context: str) -> tuple[str, str]:
        text: str = self._tokenizer.apply_chat_template(
            messages(self.pair, self._style, history, context),
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        prefix, found, suffix = text.partition(SOURCE_MARK)
        if not found or SOURCE_MARK in suffix:
            raise AlignattError(
                "This model's chat template does not keep the source text in one place; "
                "use the few-shot prompt instead (--prompt few-shot)."
            )
        return prefix, suffix


def messages(
    pair: Pair, style: ChatStyle, history: Sequence[Closed] = (), context: str = ""
) -> list[dict[str, str]]:
    """Return the conversation, a mark in the place of the source; the context is beside it."""
    names = {"source": pair.source.name, "target": pair.target.name}
    turns = [*_shown(pair, style.shots), *history, Closed(SOURCE_MARK, "")]
    said = []
    for index, turn in enumerate(turns):
        first = style.first.format(**names) if index == 0 else ""
        before = _block(context) if turn.source == SOURCE_MARK else ""
        asked = first + before + style.ask.format(text=turn.source, **names)
        said.append({"role": "user", "content": asked})
        if turn.target:
            said.append({"role": "assistant", "content": turn.target})
    return said


def _shown(pair: Pair, shots: int) -> list[Closed]:
    return [Closed(*example) for example in examples(pair)[-shots:]] if shots else []


def _block(context: str) -> str:
    return f"[Context]\n{context}\n\n" if context else ""


RAW = {"milmmt": "Translate this from {source} to {target}:", "taught": ""}
"""Headers of prompts without examples, by name; ``taught`` is that of ``alignatt adapt``."""

FORMS = ("auto", "few-shot", *RAW, *STYLES)
"""Names of prompts."""


def prompt_form(tokenizer: Any, pair: Pair, form: str = "auto") -> PromptForm:
    """Return the prompt of a name; ``auto`` is chat where the model has a template, else few-shot.

    Raises
    ------
    UsageError
        If no prompt has the name.
    """
    if form not in FORMS:
        raise UsageError(f"There is no prompt '{form}'; choose {', '.join(FORMS)}.")
    if form == "auto":
        form = "chat" if tokenizer.chat_template else "few-shot"
    if form == "few-shot":
        return FewShotPrompt(pair)
    if form in RAW:
        return FewShotPrompt(pair, RAW[form], shots=0)
    return ChatPrompt(pair, tokenizer, STYLES[form])
