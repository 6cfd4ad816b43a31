"""Text files from other systems say the same as those from this one, wherever they are read."""

import codecs
import json

import pytest

from alignatt4llm.calibrate.align import read_published, read_sentences
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.evaluate.corpus import read_corpus
from alignatt4llm.evaluate.runs import read_run
from alignatt4llm.files.reading import read_json, read_lines, read_text
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.prompts.glossary import Term, read_glossary
from alignatt4llm.prompts.passages import read_document
from alignatt4llm.recognizers.timed import read_timed_text
from alignatt4llm.text.languages import Pair

EN_DE = Pair.parse("en-de")

MARKED = codecs.BOM_UTF8
WRITTEN = {
    "plain": str.encode,
    "utf-8 with a mark": lambda text: MARKED + text.encode(),
    "windows": lambda text: MARKED + text.replace("\n", "\r\n").encode(),
    "old mac": lambda text: text.replace("\n", "\r").encode(),
    "utf-16 of windows": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16 the other way round": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-32": lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
    "two marks": lambda text: MARKED * 2 + text.encode(),
    "a mark in the middle": lambda text: text.replace("\n", "\n\ufeff", 1).encode(),
}
"""Ways in which a text comes to a file."""


def glossary(path):
    return read_glossary(path)


def document(path):
    return read_document(path).split()


def timed(path):
    return [(word.text, word.end) for word in read_timed_text(path, EN_DE.source)]


def head_set(path):
    return load_head_set(path).heads


def published(path):
    return [(one.source, one.target, one.links) for one in read_published(path, EN_DE)]


def parallel(path):
    other = path.with_name("links")
    other.write_text("0-0\n\n")
    return [(one.source, one.links) for one in read_sentences(path, path, other, EN_DE)]


def segments(path):
    folder = path.parent
    (folder / "segments.yaml").write_bytes(path.read_bytes())
    for code in ("en", "de"):
        (folder / f"{code}.txt").write_text(f"{code} one\n{code} two\n")
    return [(entry.offset, entry.source) for entry in read_corpus(folder, EN_DE)[0].segments]


def texts(path):
    folder = path.parent
    entries = "".join(f"- {{wav: a.wav, offset: {n}, duration: 1}}\n" for n in range(2))
    (folder / "segments.yaml").write_text(entries)
    for code in ("en", "de"):
        (folder / f"{code}.txt").write_bytes(path.read_bytes())
    return [(entry.source, entry.reference) for entry in read_corpus(folder, EN_DE)[0].segments]


def manifest(path):
    folder = path.parent
    (folder / "manifest.json").write_bytes(path.read_bytes())
    (folder / "recordings.json").write_text("[]")
    (folder / "hypothesis.jsonl").write_text("")
    return read_run(folder).manifest


def heads_text(folder):
    HeadSet("tiny", "en-de", ((0, 1), (2, 3))).save(folder / "made.json")
    return (folder / "made.json").read_text("utf-8")


ALIGNED = {
    "source_text": "Köln now",
    "target_text": "Köln nun",
    "source_words": ["Köln", "now"],
    "target_words": ["Köln", "nun"],
    "alignments": [{"source_span": [0, 1], "target_span": [0, 1]}],
}
WORDS = [{"text": "Köln", "start": 0, "end": 1}, {"text": "now", "start": 1, "end": 2}]
READ = {
    "glossary": (glossary, "Köln = Cologne\nhead = Kopf\n"),
    "document": (document, "Köln is\na town\n"),
    "timed text": (timed, json.dumps(WORDS, indent=1, ensure_ascii=False)),
    "published alignment": (published, json.dumps([ALIGNED], indent=1, ensure_ascii=False)),
    "sentences": (parallel, "in Köln\nso\n"),
    "segments": (
        segments,
        "- {wav: Köln.wav, offset: 0, duration: 1}\n- {wav: Köln.wav, offset: 1, duration: 1}\n",
    ),
    "texts of segments": (texts, "Köln now\nand then\n"),
    "manifest": (manifest, '{"pair": "en-de",\n "policy": "Köln"}'),
}
"""Every kind of file that people write: how it is read, and one."""


@pytest.mark.parametrize("way", [way for way in WRITTEN if way != "plain"])
@pytest.mark.parametrize("kind", READ)
def test_a_text_says_the_same_however_it_was_written(tmp_path, kind, way):
    read, text = READ[kind]
    found = []
    for name in ("plain", way):
        path = tmp_path / name / "file.txt"
        path.parent.mkdir()
        path.write_bytes(WRITTEN[name](text))
        found.append(read(path))
    assert found[0] and found[0] == found[1]


@pytest.mark.parametrize("way", WRITTEN)
def test_a_head_set_that_was_edited_elsewhere(tmp_path, way):
    path = tmp_path / "heads.json"
    path.write_bytes(WRITTEN[way](heads_text(tmp_path)))
    assert head_set(path) == ((0, 1), (2, 3))


def test_the_first_term_after_a_mark_is_found():
    term = Term("ä" + "m", "x")
    assert term.heard_in("a\u0308m here")  # as macOS writes it
    assert Term("a\u0308m", "x").heard_in("äm here") and Term("x", "ä").said_in("a\u0308")


BAD = {
    "latin-1": ("fine\nKöln\n".encode("latin-1"), "is not UTF-8 text: .* in line 2; save it as"),
    "utf-16 without a mark": ("head = x\n".encode("utf-16-le"), "NUL byte in line 1"),
    "binary": (b"fine\nRIFF\x00\x01", "NUL byte in line 2"),
    "half a character": (b"K\xc3", "is not UTF-8 text"),
    "utf-16 cut off": (codecs.BOM_UTF16_LE + b"a\x00b", "is not UTF-16 text: .* in line 1"),
    "utf-16 with half a pair": (codecs.BOM_UTF16_LE + b"\x00\xd8a\x00", "is not UTF-16 text"),
    "a surrogate": (b"\r\n\r\n\xed\xa0\x80", "is not UTF-8 text: .* in line 3"),
}
"""Files that are no text, and what is said of them."""


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("read", [glossary, document, timed, head_set, read_text])
def test_what_is_no_text_is_named_with_its_line(tmp_path, read, kind):
    path = tmp_path / "a.txt"
    content, said = BAD[kind]
    path.write_bytes(content)
    with pytest.raises(AlignattError, match=f"a.txt' {said}" if "is not" in said else said):
        read(path)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\nb\n\n", ["a", "b", ""]),
        (b"a\r\n\r\n", ["a", ""]),
        (b"\n\n", ["", ""]),
        (b"", []),
        ("a\u2028b\x0bc\x0cd\x85e\x1cf\n".encode(), ["a\u2028b\x0bc\x0cd\x85e\x1cf"]),
    ],
)
def test_only_line_ends_end_lines_and_blank_ones_count(tmp_path, content, lines):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert read_lines(path) == lines


@pytest.mark.parametrize("content", ["", "{", "[1, 2", "nul", "[" * 100_000])
def test_what_is_no_json_gets_a_sentence(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is not JSON: "):
        read_json(path)
