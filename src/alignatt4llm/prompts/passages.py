"""Documents cut into passages, and the passages that what is being said is about (BM25)."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from alignatt4llm.errors import UsageError, extra
from alignatt4llm.files.reading import read_text
from alignatt4llm.text.languages import unspaced
from alignatt4llm.text.words import any_word_spans

PASSAGE = 60
"""Words of a passage; characters where words have no spaces between them."""


class Passages:
    """Passages of documents, indexed once; a search takes about a millisecond.

    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), by
    the library bm25s.

    Parameters
    ----------
    texts
        The documents.

    Raises
    ------
    AlignattError
        If bm25s is not installed.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = [passage for text in texts for passage in _cut(text)]
        terms = [_terms(text) for text in self.texts]
        self._index = _bm25().BM25() if any(terms) else None
        if self._index is not None:
            self._index.index(terms, show_progress=False)

    def about(self, heard: str, count: int) -> list[str]:
        """Return the ``count`` passages closest to a text, best first; none that share no term.

        Parameters
        ----------
        heard
            What has been said lately.
        count
            Passages wanted at most.
        """
        query = _terms(heard)
        if self._index is None or not query:
            return []
        known = set(self._index.vocab_dict)
        if not known & set(query):
            return []
        found, scores = self._index.retrieve(
            [[term for term in query if term in known]],
            k=min(count, len(self.texts)),
            show_progress=False,
        )
        best = zip(found[0], scores[0], strict=True)
        return [self.texts[index] for index, score in best if score > 0]


def read_document(path: Path) -> str:
    """Return the text of a PDF or text file.

    Raises
    ------
    UsageError
        If the file cannot be read, or holds no text.
    AlignattError
        If pypdf is needed and not installed.
    """
    text = _read_pdf(path) if path.suffix.lower() == ".pdf" else read_text(path)
    if not text.strip():
        raise UsageError(f"'{path}' holds no text; a scanned PDF needs text recognition first.")
    return text


def _read_pdf(path: Path) -> str:
    with extra("context", "A PDF as context"):
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    try:
        return "\n".join(page.extract_text() for page in PdfReader(path).pages)
    except OSError as problem:
        raise UsageError(f"'{path}' cannot be read: {problem.strerror}.") from problem
    except (PyPdfError, ValueError, KeyError) as problem:
        raise UsageError(f"'{path}' is not a PDF that can be read: {problem}.") from problem


def _cut(text: str) -> list[str]:
    """Cut a text into passages of about PASSAGE words, words broken at a line's end mended."""
    text = " ".join(re.sub(r"(\w)-\n(\w)", r"\1\2", text).split())
    starts = [start for start, _ in any_word_spans(text)][::PASSAGE]
    return [text[start:end].rstrip() for start, end in pairwise([*starts, len(text)])]


def _terms(text: str) -> list[str]:
    """Words without case; every character of scripts without spaces."""
    found: list[str] = []
    for word in re.findall(r"\w+", text.casefold()):
        found += word if any(map(unspaced, word)) else [word]
    return found


def _bm25() -> Any:
    with extra("context", "A document as context"):
        import bm25s
    return bm25s
