"""The tokens of a GGUF file, as llama.cpp reads them."""

import ctypes
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np

from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.llamacpp.context import LlamaContext
from alignatt4llm.translators.vocabulary import Vocabulary

_ROOM = 256
"""Bytes for a token; longer ones are asked for again."""


class GgufVocabulary(Vocabulary):
    """The tokeniser inside a GGUF file.

    Parameters
    ----------
    context
        The model.

    Attributes
    ----------
    edges
        The tokens before and after a text; -1 where there is none.
    """

    def __init__(self, context: LlamaContext) -> None:
        self._call, self._handle = context.library.call, context.words
        handle = self._handle
        self.edges = self._call.llama_vocab_bos(handle), self._call.llama_vocab_eos(handle)
        self._wants_start = bool(self._call.llama_vocab_get_add_bos(handle))
        self.count: int = self._call.llama_vocab_n_tokens(handle)
        self._bytes = cache(self._read_bytes)

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return token ids and the characters each covers; see `Vocabulary.encode`."""
        said = text.encode()
        ids = self._ids(said)
        offsets = _spans(said, [self._bytes(token) for token in ids])
        start, _ = self.edges
        if self._wants_start and ids[:1] != [start]:
            return [start, *ids], [(0, 0), *offsets]
        return ids, offsets

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of tokens."""
        return b"".join(map(self._bytes, ids)).decode("utf-8", "replace")

    def piece(self, token: int) -> str:
        """Return a token as the tokeniser writes it."""
        if not 0 <= token < self.count:
            return ""
        written: bytes = self._call.llama_vocab_get_text(self._handle, token) or b""
        return written.decode("utf-8", "replace")

    def is_special(self, token: int) -> bool:
        """Whether a token ends a text, or is no text at all."""
        call = self._call
        return bool(
            call.llama_vocab_is_eog(self._handle, token)
            or call.llama_vocab_is_control(self._handle, token)
        )

    def _ids(self, said: bytes) -> list[int]:
        """Return the tokens of a text, special ones where they are written out."""
        room = len(said) + 8
        found = (ctypes.c_int32 * room)()
        count = self._call.llama_tokenize(self._handle, said, len(said), found, room, False, True)
        if count < 0:
            raise AlignattError("The model's tokeniser cannot read the prompt.")
        return list(found[:count])

    def _read_bytes(self, token: int) -> bytes:
        """Return what a token stands for; a special one its name."""
        for room in (_ROOM, 1 << 16):
            buffer = ctypes.create_string_buffer(room)
            count = self._call.llama_token_to_piece(self._handle, token, buffer, room, 0, True)
            if count >= 0:
                return buffer.raw[:count]
        raise AlignattError(f"The model's token {token} cannot be read.")


def _spans(said: bytes, pieces: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return the characters of a text that each piece covers, wholly or in part.

    A tokeniser may put a space before the text; it belongs to no character.

    Raises
    ------
    AlignattError
        If the pieces are not the text.
    """
    whole = b"".join(pieces)
    added = len(whole) - len(said)
    if added not in (0, 1) or whole[added:] != said or whole[:added].strip():
        raise AlignattError(
            "This model's tokeniser alters the text, so that source words cannot be found in it."
        )
    starts = np.frombuffer(said, np.uint8) & 0xC0 != 0x80
    number = np.cumsum(starts) - 1  # of the character each byte belongs to
    ends = [max(0, end - added) for end in accumulate(map(len, pieces))]
    return [
        (int(number[begin]), int(number[end - 1]) + 1) if end > begin else (0, 0)
        for begin, end in zip([0, *ends], ends, strict=False)
    ]
