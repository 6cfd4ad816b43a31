"""Which recordings an archive has, what its lists say, and what results are called."""

import codecs
import csv
import json
import os
import sys
import unicodedata
from io import StringIO
from pathlib import Path

import pytest
from archives import archive, results, subtitle, talk
from hypothesis import example, given
from hypothesis import strategies as st

from alignatt4llm.archive.gather import gather
from alignatt4llm.archive.manifest import Entry, manifest_line, read_manifest
from alignatt4llm.archive.naming import names
from alignatt4llm.archive.search import search
from alignatt4llm.errors import UsageError, silent
from alignatt4llm.files.named import absolute


def listed(folder, content, name="list.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_manifest(path)


def sources(entries, base):
    return [entry.source.removeprefix(f"{base}{os.sep}") for entry in entries]


LINES = {
    "plain": ("a.mp4\nb.mp4\n", ["a.mp4", "b.mp4"]),
    "no last line end": ("a.mp4\nb.mp4", ["a.mp4", "b.mp4"]),
    "Windows": ("a.mp4\r\nb.mp4\r\n", ["a.mp4", "b.mp4"]),
    "old Mac": ("a.mp4\rb.mp4\r", ["a.mp4", "b.mp4"]),
    "byte-order mark": ("\ufeffa.mp4\nb.mp4\n", ["a.mp4", "b.mp4"]),
    "UTF-16": (codecs.BOM_UTF16_LE + "é.mp4\n".encode("utf-16-le"), ["é.mp4"]),
    "blank lines and comments": ("# all\n\n  \na.mp4\n  # more\nb.mp4\n\n", ["a.mp4", "b.mp4"]),
    "quotes": ("\"my talk.mp4\"\n'x.mp4'\n", ["my talk.mp4", "x.mp4"]),
    "spaces around": ("  my talk.mp4 \t\n", ["my talk.mp4"]),
    "spaces inside": ("my  talk one.mp4\n", ["my  talk one.mp4"]),
    "a playlist": ("#EXTM3U\n#EXTINF:12,Talk\na.mp4\n", ["a.mp4"]),
    "an address": ("https://x.org/a.mp4?b=1#c\n", ["https://x.org/a.mp4?b=1#c"]),
    "a bucket": ("s3://bucket/a b.mp4\n", ["s3://bucket/a b.mp4"]),
    "folders": ("./x/../y/a.mp4\n", ["y/a.mp4"]),
    "an object": ('{"path": "a.mp4"}\n', ["a.mp4"]),
    "a line separator that is none": ("a\u2028b.mp4\n", ["a\u2028b.mp4"]),
    "a comma": ("a, b.mp4\n", ["a, b.mp4"]),
}


@pytest.mark.parametrize(("content", "expected"), LINES.values(), ids=LINES)
def test_a_line_is_a_recording(tmp_path, content, expected):
    assert sources(listed(tmp_path, content), tmp_path) == expected


THERE = ["#1 talk.mp4", '"quoted".mp4', "'x'", " leading.mp4", "{a}.mp4", "a: b.mp4", "[1].wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", THERE)
def test_what_is_there_is_meant_whatever_it_looks_like(tmp_path, name):
    (tmp_path / name).touch()
    assert sources(listed(tmp_path, f"{name}\n"), tmp_path) == [name]


NUMBERED = {
    "a path": ("path,to\n#1 talk.mp4,de\nb.mp4,de\n", "l.csv", ["#1 talk.mp4", "b.mp4"]),
    "a path with spaces": ("path,to\n  #1 talk.mp4 ,de\n", "l.csv", ["#1 talk.mp4"]),
    "a quoted path": ('path,to\n"#1 talk.mp4",de\n', "l.csv", ["#1 talk.mp4"]),
    "a title": ("title,path\n#1 hit,b.mp4\n#2,#1 talk.mp4\n", "l.csv", ["b.mp4", "#1 talk.mp4"]),
    "a number": ("#,path\n1,b.mp4\n#2,#1 talk.mp4\n", "l.csv", ["b.mp4", "#1 talk.mp4"]),
    "a number and semicolons": ("#;path\n1;b, c.mp4\n", "l.csv", ["b, c.mp4"]),
    "no such path": ("to,path\nde,# none\nde,b.mp4\n", "l.csv", ["b.mp4"]),
    "a comment before": ("# a, path, b\npath,to\nb.mp4,de\n", "l.csv", ["b.mp4"]),
    "a comment in short": ("to,path\n# all of it\nde,b.mp4\n", "l.csv", ["b.mp4"]),
    "one column": ("path\na, b.mp4\n#1 talk.mp4\n", "l.tsv", ["a, b.mp4", "#1 talk.mp4"]),
    "commas and semicolons": ("path\tto\na; b, c.mp4\tde\n", "l.TSV", ["a; b, c.mp4"]),
    "a head with commas": ("path\ta, b; c, d\na.mp4\tx\n", "l.tsv", ["a.mp4"]),
    "an empty first column": (",path\n1,b.mp4\n", "l.csv", ["b.mp4"]),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize(("content", "name", "expected"), NUMBERED.values(), ids=NUMBERED)
def test_the_path_of_a_row_decides(tmp_path, content, name, expected):
    (tmp_path / "#1 talk.mp4").touch()
    assert sources(listed(tmp_path, content, name), tmp_path) == expected


@pytest.mark.parametrize("content", ["#1 talk.mp4\n", "  #1 talk.mp4 \n", "x.mp4\n#1 talk.mp4\n"])
@pytest.mark.parametrize("here", ["lists", "here"])
def test_what_is_there_is_no_comment_wherever_it_is(tmp_path, monkeypatch, content, here):
    (tmp_path / "lists").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / here / "#1 talk.mp4").touch()
    monkeypatch.chdir(tmp_path / "here")
    found = sources(listed(tmp_path / "lists", content), tmp_path)
    assert found[-1] == f"{here}/#1 talk.mp4"


DE_IT = ("de", "it")
ROWS = {
    "a table": ("path,from,to\na.mp4,en,de it\n", "l.csv", ("a.mp4", "en", DE_IT)),
    "other order": ("to,title,path\nde,x,a.mp4\n", "l.csv", ("a.mp4", "", ("de",))),
    "capitals": (" Path ,FROM\na.mp4,en\n", "l.CSV", ("a.mp4", "en", ())),
    "semicolons": ("path;from;to\na, b.mp4;en;de,it\n", "l.csv", ("a, b.mp4", "en", DE_IT)),
    "tabs": ("path\tto\na.mp4\tde; it\n", "l.tsv", ("a.mp4", "", DE_IT)),
    "quotes": ('"path","to"\r\n"a ""b"", c.mp4","de,it"\r\n', "l.csv", ('a "b", c.mp4', "", DE_IT)),
    "a mark": ("\ufeffpath,to\na.mp4,de\n", "l.csv", ("a.mp4", "", ("de",))),
    "comments": ("# made by hand\npath,to\n# x\n\na.mp4,de\n", "l.csv", ("a.mp4", "", ("de",))),
    "short rows": ("path,from,to\na.mp4\n", "l.csv", ("a.mp4", "", ())),
    "long rows": ("path,to\na.mp4,de,x,y\n", "l.csv", ("a.mp4", "", ("de",))),
    "one column": ("path\na.mp4\n", "l.csv", ("a.mp4", "", ())),
    "an object": ('{"path": "a.mp4", "to": "de it"}', "l.jsonl", ("a.mp4", "", DE_IT)),
    "a list": ('{"path": "a.mp4", "from": "en", "to": ["de", "it"]}', "l.jsonl",
               ("a.mp4", "en", DE_IT)),
    "nothing": ('{"path": "a.mp4", "from": null, "to": null}', "l.ndjson", ("a.mp4", "", ())),
    "names": ("path,to\na.mp4,German Italiano\n", "l.csv", ("a.mp4", "", ("German", "Italiano"))),
}  # fmt: skip


@pytest.mark.parametrize(("content", "name", "expected"), ROWS.values(), ids=ROWS)
def test_a_row_says_languages(tmp_path, content, name, expected):
    [entry] = listed(tmp_path, content, name)
    assert (*sources([entry], tmp_path), entry.spoken, entry.to) == expected


WRONG = {
    "empty": ("", "l.txt", "names no recording"),
    "comments alone": ("# nothing\n", "l.txt", "names no recording"),
    "no header": ("a.mp4,de\n", "l.csv", "no column 'path'"),
    "header alone": ("path,to\n", "l.csv", "names no recording"),
    "no path": ("path,to\n,de\n", "l.csv", "line 2: 'path' must be"),
    "half an object": ('a.mp4\n{"path": "b', "l.jsonl", "line 2: this is no JSON object"),
    "another object": ('{"file": "b.mp4"}', "l.jsonl", "line 1: 'path' must be"),
    "a number": ('{"path": "b.mp4", "to": 7}', "l.jsonl", "line 1: 'to' must be"),
    "a list of numbers": ('{"path": "b.mp4", "to": [7]}', "l.jsonl", "line 1: 'to' must be"),
    "another spoken": ('{"path": "b.mp4", "from": ["en"]}', "l.jsonl", "line 1: 'from' must be"),
    "Latin-1": (b"caf\xe9.mp4\n", "l.txt", "not UTF-8 text"),
    "a long name": (f"a.mp4\n{'b' * 256}.mp4\n", "l.txt", "line 2: no file can be called so"),
    "a long folder": (f"{'b' * 256}/a.mp4\n", "l.txt", "line 1: no file can be called so"),
    "a long path": (f"{'b/' * 3000}a.mp4\n", "l.txt", "line 1: no file can be called so"),
    "a long name of a file": (f"file:{'b' * 256}\n", "l.txt", "line 1: no file can be called so"),
    "a long row": (f"path\n{'b' * 256}\n", "l.csv", "line 2: no file can be called so"),
    "a zero in an object": ('{"path": "a\\u0000.mp4"}', "l.jsonl", "line 1: no file can be called"),
    "half a character": ('{"path": "a\\ud800.mp4"}', "l.jsonl", "line 1: no file can be called so"),
    "zeros": ("a.mp4\0b.mp4\n", "l.txt", "a NUL byte"),
}


@pytest.mark.parametrize(("content", "name", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_a_list_is_said(tmp_path, content, name, said):
    with pytest.raises(UsageError, match=said):
        listed(tmp_path, content, name)


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(
    lambda name: f"/d/{name}"
)


@given(NAMES, st.sampled_from(["", "en"]), st.sampled_from([(), ("de",), ("de", "it")]))
@example("/d/a\nb.mp4", "", ())
@example("/d/caf\udce9.mp4", "", ())
@example("/d/ a.mp4 ", "", ())
def test_a_line_that_is_written_says_the_same(tmp_path_factory, source, spoken, to):
    line = manifest_line(Entry(source, spoken, to))
    path = tmp_path_factory.getbasetemp() / "again.txt"
    path.write_text(line + "\n", "utf-8")
    [entry] = read_manifest(path)
    assert (entry.source, entry.spoken, entry.to) == (str(absolute(Path(source))), spoken, to)


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4))
def test_tables_hold_any_path(tmp_path_factory, paths):
    path, text = tmp_path_factory.getbasetemp() / "table.csv", StringIO()
    paths = [f"/d/{each}x" for each in paths]
    csv.writer(text).writerows([["path"], *([each] for each in paths)])
    held = not any(sign in each for each in paths for sign in "\r\0\ufeff")
    try:
        path.write_text(text.getvalue(), "utf-8", newline="")
        entries = read_manifest(path)
    except (UsageError, UnicodeEncodeError):
        assert not held
    else:
        meant = [str(absolute(Path(each))) for each in paths]
        assert not held or [entry.source for entry in entries] == meant


def test_paths_are_relative_to_the_list_and_else_to_the_folder(tmp_path, monkeypatch):
    talk(tmp_path / "lists" / "both.wav")
    talk(tmp_path / "here" / "both.wav")
    talk(tmp_path / "here" / "only.wav")
    monkeypatch.chdir(tmp_path / "here")
    found = listed(tmp_path / "lists", "both.wav\nonly.wav\nnone.wav\n")
    assert sources(found, tmp_path) == ["lists/both.wav", "here/only.wav", "lists/none.wav"]


def searched(folder, out=Path("nowhere")):
    return [str(path.relative_to(folder)) for path in search(folder, out, silent)]


def test_a_folder_is_searched_by_name_and_by_content(tmp_path):
    archive(tmp_path, "b.wav", "a b/talk.WAV", "ü/talk.wav", "c/recorded", "c/d/x.data")
    for name, content in {
        "broken.mp4": b"x", "empty.mkv": b"", "notes.txt": b"words", "a.srt": b"1\n", "x.py": b"1",
        "c/picture.jpg": b"\xff\xd8\xff\xe0", "list.m3u8": b"#EXTM3U\nb.wav\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    archive(tmp_path, ".hidden.wav", ".trash/a.wav", "._b.wav", "on-its-way.wav.part")
    assert searched(tmp_path) == [
        "b.wav", "broken.mp4", "empty.mkv", "a b/talk.WAV", "c/recorded", "c/d/x.data",
        "ü/talk.wav",
    ]  # fmt: skip


def test_links_are_followed_once(tmp_path):
    archive(tmp_path / "far", "x.wav")
    archive(tmp_path / "in", "a/b.wav")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "a" / "around").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "gone.mp4").symlink_to(tmp_path / "nothing")
    (tmp_path / "in" / "gone.txt").symlink_to(tmp_path / "nothing")
    assert searched(tmp_path / "in") == ["gone.mp4", "a/b.wav", "linked/x.wav"]


def test_the_folder_of_results_is_not_searched_unless_it_is_all(tmp_path):
    archive(tmp_path, "a.wav", "out/b.wav")
    assert searched(tmp_path, tmp_path / "out") == ["a.wav"]
    assert searched(tmp_path, tmp_path) == ["a.wav", "out/b.wav"]


def test_the_same_recording_is_gathered_once(tmp_path, monkeypatch):
    archive(tmp_path, "a.wav", "b/c.wav")
    (tmp_path / "same.wav").symlink_to(tmp_path / "a.wav")
    (tmp_path / "list.csv").write_text("path,to\na.wav,de\na.wav,it de\nb,\n")
    monkeypatch.chdir(tmp_path)
    found = gather(["a.wav", "list.csv", "b", "b/../a.wav", "same.wav"], Path("out"), silent)
    assert sources(found.entries, tmp_path) == ["a.wav", "b/c.wav"]
    assert found.entries[0].to == ("de", "it")


JOINED = {
    "typed, and in a list": (["a.wav", "l.csv"], "path,to\na.wav,de\n", ("it", "de")),
    "in a list, and typed": (["l.csv", "a.wav"], "path,to\na.wav,de\n", ("de", "it")),
    "two rows": (["l.csv"], "path,to\na.wav,\na.wav,de\n", ("it", "de")),
    "the same languages": (["l.csv"], "path,to\na.wav,de zh\na.wav,German\n", ("de", "zh")),
    "the same by another name": (["a.wav", "l.csv"], "path,to\na.wav,Italian\n", ("it",)),
    "nothing said": (["a.wav", "l.csv"], "path\na.wav\n", ()),
    "spoken in two ways": (["l.csv"], "path,from\na.wav,en\na.wav,English\na.wav,en-GB\n", ()),
    "found out, twice": (["l.csv"], "path,from\na.wav,auto\na.wav,AUTO\n", ()),
}


@pytest.mark.parametrize(("inputs", "rows", "to"), JOINED.values(), ids=JOINED)
def test_all_that_is_asked_of_a_recording_is_joined(tmp_path, monkeypatch, inputs, rows, to):
    archive(tmp_path, "a.wav")
    (tmp_path / "l.csv").write_text(rows)
    monkeypatch.chdir(tmp_path)
    [entry] = gather(inputs, Path("out"), silent, ["it"]).entries
    assert entry.to == to


def test_two_spoken_languages_of_one_recording_are_refused(tmp_path):
    archive(tmp_path, "a.wav")
    path = tmp_path / "list.csv"
    path.write_text("path,from\na.wav,en\na.wav,fr\n")
    with pytest.raises(UsageError, match=r"line 3 says of .* that fr is spoken, and .* line 2 en"):
        gather([str(path)], tmp_path / "out", silent)


def test_what_is_typed_must_be_there_and_hold_something(tmp_path):
    with pytest.raises(UsageError, match="There is no file or folder"):
        gather([str(tmp_path / "nothing")], tmp_path / "out", silent)
    with pytest.raises(UsageError, match="No recordings were found"):
        gather([str(tmp_path)], tmp_path / "out", silent)


LOOPS = {
    "itself": {"loop.mp4": "loop.mp4"},
    "each other": {"loop.mp4": "b.mp4", "b.mp4": "loop.mp4"},
    "a way through itself": {"loop.mp4": "loop.mp4/x.mp4"},
    "a folder": {"loop": "loop", "loop.mp4": "loop/a.mp4"},
}


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
@pytest.mark.parametrize("links", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("way", ["searched", "listed"])
def test_links_in_a_circle_are_recordings_that_fail(tmp_path, links, way):
    talks, out = archive(tmp_path / "talks", "a.wav"), tmp_path / "out"
    for name, target in links.items():
        (talks / name).symlink_to(target)
    (tmp_path / "list.txt").write_text("".join(f"talks/{name}\n" for name in ["a.wav", *links]))
    given_ = talks if way == "searched" else tmp_path / "list.txt"
    assert subtitle(given_, "--to", "de", "--out", out) == 1
    assert list(results(out)) == ["a.de.srt"]
    failed = (out / "failed.txt").read_text()
    assert f"There is no file '{talks / 'loop.mp4'}'" in failed and "Error" not in failed


CALLED = {
    "a folder": (["/d/a.mp4", "/d/x/b.mp4"], ["/d"], ["a", "x/b"]),
    "a folder in which all lies deeper": (["/d/x/b.mp4"], ["/d"], ["x/b"]),
    "two folders": (["/d/x/a.mp4", "/d/y/a.mp4"], ["/d/x", "/d/y"], ["x/a", "y/a"]),
    "files": (["/d/x/a.mp4", "/d/y/a.mp4", "/d/c.mp4"], [], ["x/a", "y/a", "c"]),
    "one file": (["/d/x/a.mp4"], [], ["a"]),
    "equal stems": (["/d/a.mp4", "/d/a.mkv", "/d/b.mp4"], [], ["a.mp4", "a.mkv", "b"]),
    "stems equal but for case": (["/d/a.mp4", "/d/A.mkv"], [], ["a.mp4", "A.mkv"]),
    "names equal but for case": (["/d/a.mp4", "/d/A.MP4"], [], ["a.mp4", "A.MP4.2"]),
    "accents in two ways": (
        ["/d/\u00e9.mp4", "/d/e\u0301.mp4"], [], ["\u00e9.mp4", "e\u0301.mp4.2"]
    ),
    "a stem that is a name": (
        ["/d/a.mp4", "/d/a.mkv", "/d/a.mp4.mp4"], [], ["a.mp4", "a.mkv", "a.mp4.mp4"]
    ),
    "dots": (["/d/1.5 talk.mp4", "/d/1.6 talk.mp4"], [], ["1.5 talk", "1.6 talk"]),
    "no suffix": (["/d/a", "/d/b"], [], ["a", "b"]),
    "addresses": (["https://x.org/v/a%20b.mp4?x=1", "s3://b/c.ogg"], [], ["a b", "c"]),
    "addresses of one name": (
        ["https://x.org/1/a.mp4", "https://x.org/2/a.mp4"], [], ["a.mp4", "a.mp4.2"]
    ),
    "an address without a name": (["rtmp://x.org/"], [], ["recording"]),
    "an address with signs": (["https://x.org/..%2F..%2Fetc:a.mp4"], [], ["etc_a"]),
}  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
@pytest.mark.parametrize(("given_", "roots", "expected"), CALLED.values(), ids=CALLED)
def test_results_are_called_as_recordings_lie(given_, roots, expected):
    assert list(names(given_, list(map(Path, roots)), {}).values()) == expected


@given(st.lists(st.text("aAé.\u0301/b", min_size=1, max_size=6), unique=True, min_size=1))
def test_no_two_recordings_share_a_name(parts):
    paths = list({str(absolute(Path(f"/d/{part}x.mp4"))): None for part in parts})
    found = names(paths, [], {})
    folded = {unicodedata.normalize("NFC", name).casefold() for name in found.values()}
    assert list(found) == paths
    assert len(folded) == len(paths)
    assert not any(".." in Path(name).parts or Path(name).is_absolute() for name in found.values())


def test_who_has_a_name_keeps_it(tmp_path):
    archive(tmp_path, "x/a.wav", "x/a.ogg")
    first, second = (str(tmp_path / "x" / name) for name in ("a.wav", "a.ogg"))
    assert names([first, second], [tmp_path], {first: "a"}) == {first: "a", second: "x/a"}
    assert names([second], [], {first: "a"}) == {second: "a.ogg"}
    assert names([second], [], {str(tmp_path / "gone.wav"): "a"}) == {second: "a"}


def test_a_list_of_objects_is_json(tmp_path):
    archive(tmp_path, "a.wav")
    line = manifest_line(Entry(str(tmp_path / "a.wav"), "en", ("de", "it")))
    assert json.loads(line) == {"path": str(tmp_path / "a.wav"), "from": "en", "to": "de it"}
