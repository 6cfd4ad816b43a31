"""What drafting needs to know of a tokeniser: offsets, ends, and text that never breaks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from alignatt4llm.errors import AlignattError

_REPLACEMENT = "\ufffd"
_SPACE_MARKS = ("▁", "Ġ", " ")
_CONTEXT = 8
"""Tokens decoded before a draft: enough to hold any character whole that ends the prompt."""


class Vocabulary(ABC):
    """A tokeniser seen from the drafter."""

    @abstractmethod
    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return token ids and the characters each covers.

        Special tokens written out in the text (a rendered chat template) become single tokens;
        a start token is added where the tokeniser wants one and the text has none.
        """

    @abstractmethod
    def text(self, ids: Sequence[int]) -> str:
        """Return the text of tokens; bytes that make no character become U+FFFD."""

    @abstractmethod
    def piece(self, token: int) -> str:
        """Return a token as the tokeniser writes it, a space perhaps as a mark; "" for none."""

    @abstractmethod
    def is_special(self, token: int) -> bool:
        """Whether a token ends a text, or is no text at all."""

    def ends(self, token: int) -> bool:
        """Whether a token ends a translation: an end or special token, or a line break."""
        return self.is_special(token) or "\n" in self.text([token])

    def says_something(self, token: int) -> bool:
        """Whether an ending token also carries text, as a full stop with its line break does."""
        return not self.is_special(token) and bool(self.text([token]).partition("\n")[0].strip())

    def is_punctuation(self, token: int) -> bool:
        """Whether a token says no letter and no digit."""
        return not any(map(str.isalnum, self.text([token])))

    def glues(self, token: int) -> bool:
        """Whether a token would grow letters onto the word before it."""
        if self.is_special(token) or self.piece(token).startswith(_SPACE_MARKS):
            return False
        first = self.text([token])[:1]
        return first.isalnum() or first in ("'", "’", "-", "_", _REPLACEMENT)

    def decode(self, before: Sequence[int], ids: Sequence[int]) -> tuple[str, list[int]]:
        """Return the text of ``ids`` after tokens ``before``, and its complete length per token.

        A character whose bytes are not all there is left out until they are, and so is what would
        change the text before it; a line break ends the text.
        """
        ends: list[int] = []
        text = ""
        context = list(before[-_CONTEXT:])
        base = len(self.text(context))
        for count in range(1, len(ids) + 1):
            whole = self.text([*context, *ids[:count]])[base:]
            if not whole.endswith(_REPLACEMENT) and whole.startswith(text):
                text = whole.partition("\n")[0]
            ends.append(len(text))
        return text, ends

    def read(self, before: Sequence[int], ids: Sequence[int]) -> str:
        """Return the text of ``ids`` after tokens ``before``, as far as characters are whole."""
        context = list(before[-_CONTEXT:])
        whole = self.text([*context, *ids])[len(self.text(context)) :]
        return whole.partition("\n")[0].rstrip(_REPLACEMENT)


class HubVocabulary(Vocabulary):
    """The tokens of a Hugging Face tokeniser.

    Parameters
    ----------
    tokenizer
        A fast Hugging Face tokeniser.
    generation
        The model's generation config, which names further end tokens.
    """

    def __init__(self, tokenizer: Any, generation: Any) -> None:
        if not tokenizer.is_fast:
            raise AlignattError("The model's tokeniser gives no character offsets (not 'fast').")
        self._tokenizer = tokenizer
        ends = generation.eos_token_id if generation is not None else None
        listed = ends if isinstance(ends, list) else [ends]
        self._special = {*tokenizer.all_special_ids, *(end for end in listed if end is not None)}

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return token ids and the characters each covers; see `Vocabulary.encode`."""
        start = self._tokenizer.bos_token
        encoded = self._tokenizer(
            text,
            add_special_tokens=not (start and text.startswith(start)),
            return_offsets_mapping=True,
        )
        ids, offsets = list(encoded["input_ids"]), list(encoded["offset_mapping"])
        while ids and ids[-1] == self._tokenizer.eos_token_id and offsets[-1] == (0, 0):
            ids.pop()
            offsets.pop()
        return ids, offsets

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of tokens."""
        text: str = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return text

    def piece(self, token: int) -> str:
        """Return a token as the tokeniser writes it; models may have more tokens than it."""
        return self._tokenizer.convert_ids_to_tokens(token) or ""

    def is_special(self, token: int) -> bool:
        """Whether a token ends a text, or is no text at all."""
        return token in self._special
