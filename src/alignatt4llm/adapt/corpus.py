"""Parallel text from files: a file a language, or a table a pair."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from alignatt4llm.adapt.clean import clean, is_badly_linked
from alignatt4llm.adapt.script import writing
from alignatt4llm.calibrate.align import Sentence, aligned
from alignatt4llm.errors import Tell, UsageError
from alignatt4llm.files.reading import read_lines
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.cache import cache_root

MARK = "{}"
"""Stands in the name of data for the language, or for the pair."""
LEAST = 8
"""Sentence pairs below which a direction cannot be taught."""


@dataclass(frozen=True, slots=True)
class Data:
    """Where parallel text is, and under which licence.

    Attributes
    ----------
    pattern
        ``ntrex.{}.txt``, a file a language and a sentence a line, or ``tatoeba.{}.tsv``, a file a
        pair, source and target parted by a tab; it serves both directions.
    licence
        Its terms.
    """

    pattern: str
    licence: str = "not stated"

    def __post_init__(self) -> None:
        if MARK not in Path(self.pattern).name:
            raise UsageError(
                f"'{self.pattern}' names no languages; write {MARK} where the name of each file "
                "has the code of its language (text.{}.txt) or of its pair (text.{}.tsv)."
            )

    @property
    def name(self) -> str:
        """What it is called."""
        return Path(self.pattern).name

    def read(self, pair: Pair) -> list[tuple[str, str]]:
        """Return the sentence pairs of a direction; none if there is no file for it.

        Raises
        ------
        UsageError
            If a file cannot be read, or two do not go together.
        """
        source, target = pair.source.code, pair.target.code
        if not self.pattern.endswith(".tsv"):
            return _lines(self._at(source), self._at(target))
        if (path := self._at(f"{source}-{target}")).exists():
            return _columns(path)
        path = self._at(f"{target}-{source}")
        return [(two, one) for one, two in _columns(path)] if path.exists() else []

    def _at(self, code: str) -> Path:
        return Path(self.pattern.replace(MARK, code)).expanduser()


def _lines(source: Path, target: Path) -> list[tuple[str, str]]:
    if not (source.exists() and target.exists()):
        return []
    left, right = read_lines(source), read_lines(target)
    if len(left) != len(right):
        raise UsageError(
            f"'{source}' has {len(left)} lines and '{target}' {len(right)}; "
            "line by line they must translate each other."
        )
    return list(zip(left, right, strict=True))


def _columns(path: Path) -> list[tuple[str, str]]:
    rows = [line.split("\t") for line in read_lines(path)]
    for number, row in enumerate(rows, start=1):
        if len(row) < 2:
            raise UsageError(f"'{path}', line {number} has no tab between source and target.")
    return [(row[0], row[1]) for row in rows]


@dataclass(frozen=True, slots=True)
class Part:
    """The sentence pairs of one direction in one set of data.

    Attributes
    ----------
    data, pair
        Where they are from, and their direction.
    sentences
        Those that may be taught, with their links.
    left_out
        How many may not, by reason.
    """

    data: Data
    pair: Pair
    sentences: tuple[Sentence, ...]
    left_out: Counter[str]


def read_parts(
    data: Sequence[Data], pair: Pair, most: int, tell: Tell, links: Path | None = None
) -> list[Part]:
    """Read, clean and align the sentence pairs of a direction.

    All of it is aligned together, which makes the links of each better. eflomal draws at random,
    so links are kept and taken again for the same sentences.

    Parameters
    ----------
    data
        Where text is; what has nothing for the direction is passed over.
    pair
        Direction.
    most
        Most sentence pairs of each, from the first on; 0 for all.
    tell
        Is told the progress.
    links
        Folder in which links are kept; one in the cache by default.

    Raises
    ------
    AlignattError
        If there is too little text, a file cannot be read, or eflomal is not installed.
    """
    written = writing(pair.source), writing(pair.target)
    kept = [(one, clean(_written(one.read(pair)[: most or None], *written), pair)) for one in data]
    kept = [(one, text) for one, text in kept if text.pairs]
    every = [found for _, text in kept for found in text.pairs]
    if len(every) < LEAST:
        names = ", ".join(f"'{one.pattern}'" for one in data)
        raise UsageError(
            f"There are {len(every)} usable sentence pairs for {pair} in {names}; "
            f"{LEAST} or more are needed."
        )
    linked = iter(_linked(every, pair, links or cache_root() / "links", tell))
    return [
        _part(one, pair, [next(linked) for _ in text.pairs], text.left_out) for one, text in kept
    ]


def _written(
    pairs: Sequence[tuple[str, str]], source: Callable[[str], str], target: Callable[[str], str]
) -> list[tuple[str, str]]:
    return [(source(one), target(other)) for one, other in pairs]


def _part(data: Data, pair: Pair, linked: list[Sentence], left_out: Counter[str]) -> Part:
    good = tuple(one for one in linked if not is_badly_linked(one, pair))
    bad = Counter({"badly aligned": len(linked) - len(good)})
    return Part(data, pair, good, left_out + bad)


def _linked(
    every: Sequence[tuple[str, str]], pair: Pair, folder: Path, tell: Tell
) -> list[Sentence]:
    """Align sentences, or take the links that they were given before."""
    digest = sha256(json.dumps([str(pair), every]).encode()).hexdigest()[:16]
    sources, targets = zip(*every, strict=True)
    return aligned(folder / f"{pair}.{digest}.txt", sources, targets, pair, tell)
