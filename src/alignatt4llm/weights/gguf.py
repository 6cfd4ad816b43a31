"""What a GGUF file says of itself, read from its header; no weights are loaded."""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.errors import AlignattError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""Versions that llama.cpp reads; they differ in byte order only."""

Value = str | int | float | bool

_NUMBERS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
_TEXT, _ARRAY = 8, 9
_ALIGNMENT = 32
"""Multiple of bytes at which tensors begin, unless the file says otherwise."""

_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
    41: (128, 18), 42: (64, 18),
}  # fmt: skip
"""Values in a block of each type of tensor that files hold, and bytes of a block."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself.

    Attributes
    ----------
    path
        The file.
    fields
        Every key that has one value, such as ``general.name``; lists are left out.
    tensors
        How many tensors it holds.
    begin
        Where the header ends, in bytes.
    length
        Bytes of the tensors together. Those of an unknown type are counted up to where they
        begin.
    """

    path: Path
    fields: dict[str, Value]
    tensors: int
    begin: int
    length: int

    @property
    def size(self) -> int:
        """Bytes of a whole file, at least."""
        padded = -(-self.begin // self.alignment) * self.alignment
        return padded + self.length if self.tensors else self.begin

    @property
    def architecture(self) -> str:
        """Architecture, as llama.cpp calls it; empty if none is named."""
        return self.text("general.architecture")

    @property
    def kind(self) -> str:
        """What the file holds: ``model``, ``adapter``, ``mmproj``, ``imatrix``."""
        projector = "mmproj" if self.architecture == "clip" else "model"
        return self.text("general.type") or projector

    @property
    def parts(self) -> int:
        """How many files the model is split into."""
        return self._count("split.count") or 1

    @property
    def has_tokenizer(self) -> bool:
        """Whether a tokeniser is inside."""
        return self.text("tokenizer.ggml.model") not in ("", "none", "no_vocab")

    def text(self, key: str) -> str:
        """Return a value as text; empty if there is none."""
        return str(self.fields.get(key, ""))

    def number(self, key: str) -> int:
        """Return a number of the architecture, such as ``block_count``; 0 if there is none."""
        return self._count(f"{self.architecture}.{key}")

    @property
    def alignment(self) -> int:
        """Multiple of bytes at which tensors begin."""
        return self._count("general.alignment") or _ALIGNMENT

    def _count(self, key: str) -> int:
        value = self.fields.get(key)
        return value if isinstance(value, int) else 0


def is_gguf_file(path: Path) -> bool:
    """Whether a file begins as a GGUF file does."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_header(path: Path) -> Header:
    """Read what a GGUF file says of itself.

    Raises
    ------
    AlignattError
        If it cannot be read, is no GGUF file, of a version or byte order that llama.cpp does not
        read, or cut off within its header.
    """
    try:
        with path.open("rb") as stream:
            _check_start(path, stream.read(16))
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(path, _Cursor(data))
    except OSError as problem:
        raise AlignattError(f"'{path}' cannot be read: {problem.strerror}.") from problem
    except (EOFError, struct.error) as problem:
        raise AlignattError(
            f"'{path}' is cut off within its header; download or copy it anew."
        ) from problem
    except _Damaged as problem:
        raise AlignattError(
            f"'{path}' has a damaged header: {problem}; download or copy it anew."
        ) from problem


class _Damaged(Exception):
    """The header says what no GGUF file can say."""


def _check_start(path: Path, start: bytes) -> None:
    if not start:
        raise AlignattError(f"'{path}' is empty; download or copy it anew.")
    if not start.startswith(MAGIC[: len(start)]):
        text = start.decode("ascii", "backslashreplace").strip()
        raise AlignattError(
            f"'{path}' is no GGUF file: it begins with {text!r}. Give a model in the GGUF format."
        )
    version = int.from_bytes(start[4:8], "little")
    if len(start) >= 8 and version not in VERSIONS:
        swapped = int.from_bytes(start[4:8], "big") in VERSIONS
        is_what = "for big-endian machines" if swapped else f"a GGUF file of version {version}"
        raise AlignattError(
            f"'{path}' is {is_what}; give a little-endian one of version {VERSIONS[0]} or "
            f"{VERSIONS[-1]}."
        )


class _Cursor:
    """Values of a file one after the other; EOFError or struct.error past its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def skip(self, size: int) -> int:
        """Pass over bytes and return where they began."""
        begin = self.at
        if size > len(self.data) - begin:
            raise EOFError
        self.at = begin + size
        return begin

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(code, self.data, self.skip(struct.calcsize(code)))
        return value  # type: ignore[no-any-return]

    def text(self) -> str:
        begin = self.skip(self.number("<Q"))
        return self.data[begin : self.at].decode("utf-8", "replace")

    def value(self, kind: int) -> Value | None:
        """Return a value of a type; None for a list, which is passed over."""
        if kind == _TEXT:
            return self.text()
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind != _ARRAY:
            raise _Damaged(f"there is no type {kind}")
        self._skip_array()
        return None

    def _skip_array(self) -> None:
        kind, count = self.number("<I"), self.number("<Q")
        if kind == _TEXT:
            self._skip_texts(count)
        elif kind in _NUMBERS:
            self.skip(count * struct.calcsize(_NUMBERS[kind]))
        else:
            raise _Damaged(f"there are no lists of type {kind}")

    def _skip_texts(self, count: int) -> None:
        """Pass over texts; vocabularies have hundreds of thousands."""
        at, end, length = self.at, len(self.data), struct.Struct("<Q").unpack_from
        for _ in range(count):
            at += 8 + length(self.data, at)[0]
            if at > end:
                raise EOFError
        self.at = at


def _parse(path: Path, cursor: _Cursor) -> Header:
    cursor.skip(8)
    tensors, keys = cursor.number("<Q"), cursor.number("<Q")
    fields: dict[str, Value] = {}
    for _ in range(keys):
        key = cursor.text()
        value = cursor.value(cursor.number("<I"))
        if value is not None:
            fields[key] = value
    ends = max((_tensor_end(cursor) for _ in range(tensors)), default=0)
    return Header(path, fields, tensors, cursor.at, ends)


def _tensor_end(cursor: _Cursor) -> int:
    """Read a tensor's entry; return where its bytes end, counted from the first tensor's."""
    cursor.text()
    dimensions = [cursor.number("<Q") for _ in range(cursor.number("<I"))]
    values, size = _BLOCKS.get(cursor.number("<I"), (1, 0))
    return cursor.number("<Q") + math.prod(dimensions) // values * size
