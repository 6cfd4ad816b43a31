"""Prompts with an explicit source span, and the way from token columns back to source words."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import AlignattError
from alignatt4llm.languages import Pair

Spans = Sequence[tuple[int, int]]
"""Half-open character spans."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed utterance kept as context."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """prefix + source span + suffix + accepted target; the draft continues it.

    Attributes
    ----------
    prefix, suffix
        Text before and after the source span; ``prefix`` may hold special tokens as text.
    words
        The source words; the source span is these joined by the source language's separator.
    separator
        What joins the words.
    accepted
        The accepted target with the white space that stands before it, or an empty string.
    """

    prefix: str
    words: tuple[str, ...]
    suffix: str
    accepted: str = ""
    separator: str = " "

    @property
    def text(self) -> str:
        """The whole prompt."""
        return self.prefix + self.separator.join(self.words) + self.suffix + self.accepted

    @property
    def word_spans(self) -> list[tuple[int, int]]:
        """Characters of each source word in ``text``; punctuation belongs to the word before it."""
        spans, start = [], len(self.prefix)
        for word in self.words:
            spans.append((start, start + len(word)))
            start += len(word) + len(self.separator)
        return spans


def source_columns(prompt: Prompt, offsets: Spans) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the token columns of the source span and the word of each.

    A token belongs to the word in which its last character lies; the pieces of a character that
    is split over several tokens all carry that character's span, so they stay together.

    Parameters
    ----------
    prompt
        The prompt that was tokenised.
    offsets
        Character span of every prompt token in ``prompt.text``; empty for special tokens.

    Returns
    -------
    positions
        Prompt positions of the source tokens, shape [S].
    words
        Index of each one's source word, non-decreasing, shape [S].

    Raises
    ------
    AlignattError
        If the source has no token: the tokeniser's offsets do not describe this text.
    """
    starts = [start for start, _ in prompt.word_spans]
    first, last = len(prompt.prefix), len(prompt.text) - len(prompt.suffix + prompt.accepted)
    positions, words = [], []
    for position, (start, end) in enumerate(offsets):
        if end > start and end > first and start < last:
            positions.append(position)
            words.append(max(0, bisect_right(starts, min(end, last) - 1) - 1))
    if prompt.words and not positions:
        raise AlignattError("The source span was not found among the prompt's tokens.")
    return np.array(positions, np.int64), np.array(words, np.int64)


class PromptForm(Protocol):
    """How a model wants to be asked."""

    def __call__(self, words: Sequence[str], accepted: str, history: Sequence[Closed]) -> Prompt:
        """Build the prompt for the open utterance."""
        ...


EXAMPLES: tuple[dict[str, str], ...] = (
    {
        "en": "Good morning, everyone, and thank you for coming.",
        "de": "Guten Morgen zusammen und danke, dass Sie gekommen sind.",
        "it": "Buongiorno a tutti e grazie per essere venuti.",
        "zh": "大家早上好，感谢各位的到来。",
        "cs": "Dobré ráno všem a děkuji, že jste přišli.",
        "es": "Buenos días a todos y gracias por venir.",
        "fr": "Bonjour à tous et merci d'être venus.",
        "ja": "皆さん、おはようございます。お越しいただきありがとうございます。",
        "pt": "Bom dia a todos e obrigado por terem vindo.",
    },
    {
        "en": "The first train leaves the station at seven in the morning.",
        "de": "Der erste Zug verlässt den Bahnhof um sieben Uhr morgens.",
        "it": "Il primo treno lascia la stazione alle sette del mattino.",
        "zh": "第一班火车早上七点离开车站。",
        "cs": "První vlak odjíždí z nádraží v sedm hodin ráno.",
        "es": "El primer tren sale de la estación a las siete de la mañana.",
        "fr": "Le premier train quitte la gare à sept heures du matin.",
        "ja": "始発列車は朝七時に駅を出ます。",
        "pt": "O primeiro trem sai da estação às sete da manhã.",
    },
    {
        "en": "We found that the new method is faster, but it needs more memory.",
        "de": "Wir haben festgestellt, dass die neue Methode schneller ist, aber mehr Speicher braucht.",
        "it": "Abbiamo scoperto che il nuovo metodo è più veloce, ma richiede più memoria.",
        "zh": "我们发现新方法更快，但需要更多内存。",
        "cs": "Zjistili jsme, že nová metoda je rychlejší, ale potřebuje více paměti.",
        "es": "Descubrimos que el nuevo método es más rápido, pero necesita más memoria.",
        "fr": "Nous avons constaté que la nouvelle méthode est plus rapide, mais qu'elle demande plus de mémoire.",
        "ja": "新しい手法はより速いが、より多くのメモリを必要とすることが分かりました。",
        "pt": "Descobrimos que o novo método é mais rápido, mas precisa de mais memória.",
    },
)
"""Parallel sentences that show a base model what is asked; written for this purpose."""


@dataclass(frozen=True, slots=True)
class FewShotPrompt:
    """The raw form for base models: a header, parallel examples, history, then the source."""

    pair: Pair

    def __call__(
        self, words: Sequence[str], accepted: str = "", history: Sequence[Closed] = ()
    ) -> Prompt:
        """Build the prompt; closed utterances follow the examples as further pairs."""
        source, target = self.pair.source, self.pair.target
        pairs = [Closed(example[source.code], example[target.code]) for example in EXAMPLES]
        shown = "".join(
            f"{source.name}: {pair.source}\n{target.name}: {pair.target}\n\n"
            for pair in (*pairs, *history)
        )
        return Prompt(
            prefix=f"Translation of speech from {source.name} to {target.name}.\n\n"
            f"{shown}{source.name}: ",
            words=tuple(words),
            suffix=f"\n{target.name}:",
            accepted=f" {accepted}" if accepted else "",
            separator=source.separator,
        )


_SENTINEL = "\u2402source\u2403"


class ChatPrompt:
    """The chat form: the model's own template, the source last in the user's turn.

    Parameters
    ----------
    pair
        Translation direction.
    tokenizer
        A Hugging Face tokeniser with a chat template.

    Raises
    ------
    AlignattError
        If there is no template, or it alters, repeats or drops the source: its span would be
        wrong.
    """

    def __init__(self, pair: Pair, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise AlignattError("This model has no chat template; use --prompt few-shot instead.")
        self.pair = pair
        self._tokenizer = tokenizer
        self._render(())

    def __call__(
        self, words: Sequence[str], accepted: str = "", history: Sequence[Closed] = ()
    ) -> Prompt:
        """Build the prompt; closed utterances are earlier turns of the conversation."""
        prefix, suffix = self._render(tuple(history))
        return Prompt(prefix, tuple(words), suffix, accepted, self.pair.source.separator)

    def _render(self, history: Sequence[Closed]) -> tuple[str, str]:
        source, target = self.pair.source, self.pair.target
        instruction = (
            f"You interpret live speech from {source.name} into {target.name}. "
            f"Answer with the {target.name} translation only. The speech may stop in the middle "
            "of a sentence: translate what is there, add nothing, keep names as they are."
        )
        examples = [Closed(example[source.code], example[target.code]) for example in EXAMPLES]
        turns = [*examples, *history, Closed(_SENTINEL, "")]
        messages = []
        for index, turn in enumerate(turns):
            asked = f"{instruction}\n\n{turn.source}" if index == 0 else turn.source
            messages.append({"role": "user", "content": asked})
            if turn.target:
                messages.append({"role": "assistant", "content": turn.target})
        text: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        prefix, found, suffix = text.partition(_SENTINEL)
        if not found or _SENTINEL in suffix:
            raise AlignattError(
                "This model's chat template does not keep the source text in one place; "
                "use the few-shot prompt instead (--prompt few-shot)."
            )
        return prefix, suffix


def prompt_form(tokenizer: Any, pair: Pair, form: str = "auto") -> PromptForm:
    """Return the prompt that suits a model: chat where its tokeniser has a template."""
    if form == "chat" or (form == "auto" and tokenizer.chat_template):
        return ChatPrompt(pair, tokenizer)
    return FewShotPrompt(pair)
