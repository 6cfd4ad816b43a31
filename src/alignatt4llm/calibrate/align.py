"""Word alignments: which source word each target unit translates."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alignatt4llm.errors import Tell, UsageError, extra
from alignatt4llm.files.reading import read_json, read_lines
from alignatt4llm.files.writing import write_whole
from alignatt4llm.text.languages import Language, Pair
from alignatt4llm.text.units import unit_spans
from alignatt4llm.text.words import Span, signs, spans, word_spans

Links = frozenset[tuple[int, int]]
"""Which source word (`split_words`) each target unit (`units`) is linked with, by number."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence pair with its links."""

    source: str
    target: str
    links: Links


def read_sentences(source: Path, target: Path, gold: Path, pair: Pair) -> list[Sentence]:
    """Read sentence pairs with their alignment, a Pharaoh file line by line (``0-0 1-2``).

    Links count, on both sides, what white space separates; characters other than white space in
    languages written without spaces.

    Raises
    ------
    UsageError
        If the files differ in length, or a link is malformed or beyond its sentence; the message
        names the line.
    """
    lines = [read_lines(path) for path in (source, target, gold)]
    if len({len(each) for each in lines}) > 1:
        counts = ", ".join(
            f"'{p}' {len(x)}" for p, x in zip((source, target, gold), lines, strict=True)
        )
        raise UsageError(f"The files must have the same number of lines: {counts}.")
    return [
        Sentence(one, other, _pharaoh(f"'{gold}', line {number}", one, other, links, pair))
        for number, (one, other, links) in enumerate(zip(*lines, strict=True), start=1)
    ]


def _pharaoh(where: str, source: str, target: str, links: str, pair: Pair) -> Links:
    left, right = unit_spans(source, pair.source), unit_spans(target, pair.target)
    found: set[tuple[int, int]] = set()
    for link in links.split():
        match = re.fullmatch(r"(\d+)-(\d+)", link)
        if not match:
            raise UsageError(f"{where}: '{link}' is not a link; write them as 0-0 1-2.")
        i, j = int(match[1]), int(match[2])
        if i >= len(left) or j >= len(right):
            raise UsageError(
                f"{where}: link {link} is beyond the sentence, which has {len(left)} source and "
                f"{len(right)} target units."
            )
        found.add((i, j))
    return between_words(found, source, pair)


def between_words(links: Iterable[tuple[int, int]], source: str, pair: Pair) -> Links:
    """Turn links between units into links from source words to target units."""
    units, words = unit_spans(source, pair.source), word_spans(source, pair.source)
    return frozenset((word, j) for i, j in links for word in _overlapping(units[i], words))


def read_published(path: Path, pair: Pair) -> list[Sentence]:
    """Read word alignments in the published JSON schema.

    Each entry has ``source_text``, ``target_text``, their ``source_words`` and ``target_words``,
    and ``alignments`` with half-open ``source_span`` and ``target_span`` over these words.

    Raises
    ------
    UsageError
        If the file is no such JSON; the message names the entry.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UsageError(f"'{path}' must hold a list of sentence pairs.")
    sentences = []
    for number, entry in enumerate(entries, start=1):
        try:
            sentences.append(_published(entry, pair))
        except (KeyError, TypeError, ValueError, IndexError) as problem:
            reason = f"{type(problem).__name__}: {problem}"
            raise UsageError(f"'{path}', entry {number} cannot be used ({reason}).") from None
    return sentences


def _published(entry: dict[str, Any], pair: Pair) -> Sentence:
    source, target = entry["source_text"], entry["target_text"]
    left, right = _find(source, entry["source_words"]), _find(target, entry["target_words"])
    links = [
        (left[i], right[j])
        for link in entry["alignments"]
        for i in range(*link["source_span"])
        for j in range(*link["target_span"])
    ]
    return _linked(source, target, links, pair)


def _find(text: str, words: Sequence[str]) -> list[Span]:
    """Find words that stand in the text one after the other."""
    found, at = [], 0
    for word in words:
        start = text.index(word, at)
        at = start + len(word)
        found.append((start, at))
    return found


def _linked(source: str, target: str, links: Iterable[tuple[Span, Span]], pair: Pair) -> Sentence:
    """Turn links between characters into links from source words to target units."""
    words, units = word_spans(source, pair.source), unit_spans(target, pair.target)
    found = {
        (word, unit)
        for left, right in links
        for word in _overlapping(left, words)
        for unit in _overlapping(right, units)
    }
    return Sentence(source, target, frozenset(found))


def _overlapping(span: Span, others: Sequence[Span]) -> list[int]:
    return [n for n, (start, end) in enumerate(others) if start < span[1] and end > span[0]]


def align(sources: Sequence[str], targets: Sequence[str], pair: Pair) -> list[Sentence]:
    """Align with eflomal in both directions and keep what both agree on.

    eflomal: Östling and Tiedemann, "Efficient Word Alignment with Markov Chain Monte Carlo"
    (2016). Words are lower-cased; Chinese is segmented by jieba; punctuation links to nothing.

    Raises
    ------
    AlignattError
        If eflomal is not installed.
    """
    pieces = [
        [_pieces(text, language) for text in texts]
        for texts, language in ((sources, pair.source), (targets, pair.target))
    ]
    lines = [
        [_line(text, line) for text, line in zip(texts, side, strict=True)]
        for texts, side in zip((sources, targets), pieces, strict=True)
    ]
    forward, backward = _eflomal(*lines)
    return [
        _linked(source, target, _worded(source, target, one & other, left, right), pair)
        for source, target, one, other, left, right in zip(
            sources, targets, forward, backward, *pieces, strict=True
        )
    ]


def _pieces(text: str, language: Language) -> list[Span]:
    """Split text into the aligner's words."""
    if language.code == "zh":
        return [span for span in _jieba(text) if text[slice(*span)].strip()]
    if language.by_character:
        return spans(text, signs(text))
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def _jieba(text: str) -> list[Span]:
    with extra("heads", "Aligning Chinese"):
        import jieba
    jieba.setLogLevel("WARNING")
    return [(start, end) for _, start, end in jieba.tokenize(text)]


def _line(text: str, pieces: Sequence[Span]) -> str:
    return " ".join(text[start:end].lower() for start, end in pieces)


def _eflomal(sources: list[str], targets: list[str]) -> tuple[list[Links], list[Links]]:
    with extra("heads", "Aligning without alignments of your own"):
        from eflomal import Aligner
    with TemporaryDirectory() as folder:
        files = [f"{folder}/forward", f"{folder}/backward"]
        Aligner().align(sources, targets, links_filename_fwd=files[0], links_filename_rev=files[1])
        forward, backward = (links_of(Path(name).read_text("utf-8").splitlines()) for name in files)
    return forward, backward


def aligned(
    path: Path, sources: Sequence[str], targets: Sequence[str], pair: Pair, tell: Tell
) -> list[Sentence]:
    """Align sentences, or take the links that a file keeps of them; it is written if it has not.

    eflomal draws at random, so only kept links are the same again.
    """
    links: list[Links] = []
    with suppress(UsageError, ValueError):  # there is no such file, or it is damaged
        links = links_of(read_lines(path))
    if len(links) == len(sources):
        return [Sentence(*each) for each in zip(sources, targets, links, strict=True)]
    tell(f"{pair}: aligning the words of {len(sources)} sentences")
    sentences = align(sources, targets, pair)
    lines = (" ".join(f"{i}-{j}" for i, j in sorted(one.links)) for one in sentences)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "".join(f"{line}\n" for line in lines))
    return sentences


def links_of(lines: Iterable[str]) -> list[Links]:
    """Return the links of lines in Pharaoh format that a program wrote."""
    return [
        frozenset((int(i), int(j)) for i, j in (link.split("-") for link in line.split()))
        for line in lines
    ]


def _worded(
    source: str, target: str, links: Links, left: list[Span], right: list[Span]
) -> list[tuple[Span, Span]]:
    """Return the characters of links between the aligner's words, without punctuation."""
    return [
        (left[i], right[j])
        for i, j in links
        if any(map(str.isalnum, source[slice(*left[i])]))
        and any(map(str.isalnum, target[slice(*right[j])]))
    ]
