"""Whatever is said comes back as it was said from every format that it is written in."""

import html
import io
import json
import re
import unicodedata
from importlib import resources
from itertools import pairwise
from xml.etree import ElementTree

import av
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from serve_harness import Client, run, serving, speech
from styles import STYLE
from test_uploads import post, wav

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.calibrate.plots import plot_draft, plot_map
from alignatt4llm.cli.display import LiveDisplay, Plain
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import (
    Close,
    Commit,
    Preview,
    Source,
    SourceWord,
    TokenTrace,
    Trace,
)
from alignatt4llm.heads.headset import HeadSet, Layout
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.printable import json_line, one_line, printable
from alignatt4llm.translators.scripted import ScriptedDrafter

NASTY = [*"ab 1<>&{}/\\-,:\n\r\t\v\f\x00\x07\x1b\x1c\x1f\x7f\x85\x9b\xa0\u2028\u2029日"]
SYNTAX = ["<i>", "</c>", "&amp;", "&lt;", "-->", "\n\n", "00:00:05,000 --> 00:00:06,000", "NOTE"]
TEXT = st.lists(st.sampled_from(NASTY + SYNTAX), max_size=12).map("".join)
TALK = st.lists(TEXT, max_size=6)


def talk(texts):
    """Events that say every text as an utterance of one second."""
    for number, text in enumerate(map(str.strip, texts)):
        yield Commit(" " + text, number, number + 1.0, 0.0, -1)
        yield Close(number, "", text, number, number + 1, number + 1, 1)


def words(text):
    """What of a text can be seen, in its order."""
    seen = (c if c.isspace() else "" if unicodedata.category(c) == "Cc" else c for c in text)
    return "".join(seen).split()


def said(texts):
    return [seen for seen in map(words, map(str.strip, texts)) if seen]


def letters(texts):
    """All that can be seen of texts; lines may end between two signs."""
    return "".join("".join(words(text)) for text in texts)


def vtt_cues(text):
    """Parse WebVTT as its specification says; return the payloads of the cues."""
    lines = re.split(r"\r\n|\r|\n", text.replace("\0", "\ufffd"))
    assert lines[0] == "WEBVTT" and lines[1] == ""
    cues, arrow = [], False
    for before, line in pairwise(lines[1:]):
        if "-->" in line:
            clock = r"\d{2,}:[0-5]\d:[0-5]\d\.\d{3}"
            assert re.fullmatch(f"{clock} --> {clock}", line)
            assert before.isdecimal()
            cues.append([])
            arrow = True
        elif not line:
            arrow = False
        elif arrow:
            cues[-1].append(line)
        else:
            assert line == str(len(cues) + 1)
    return ["\n".join(cue) for cue in cues]


def vtt_text(payload):
    """Return the text that a WebVTT payload shows."""
    return html.unescape(re.sub(r"<[^>]*>?", "", payload))


def srt_cues(text):
    """Parse SRT strictly: number, times, one line or two, blank line."""
    clock = r"\d{2,}:[0-5]\d:[0-5]\d,\d{3}"
    cues = re.findall(rf"(\d+)\n{clock} --> {clock}\n(.+(?:\n.+)?)\n\n", text)
    assert [int(number) for number, _ in cues] == list(range(1, len(cues) + 1))
    assert sum(4 + payload.count("\n") for _, payload in cues) == text.count("\n")
    return [payload.replace("\u2060", "") for _, payload in cues]


def shown(text, suffix, folder):
    """Return what FFmpeg shows of subtitles, as lines of plain text."""
    path = folder / f"a.{suffix}"
    path.write_text(text, "utf-8")
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(subtitles=0) if packet.size]
        lines = [rect.ass.decode() for packet in packets for rect in packet.decode()]
    return [line.split(",", 8)[8].replace("\u2060", "").replace("\\N", "\n") for line in lines]


@pytest.mark.parametrize(
    ("text", "srt", "vtt"),
    [
        ("a < b & c > d", "a <\u2060 b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<i>x</i>", "<\u2060i>x<\u2060/i>", "&lt;i&gt;x&lt;/i&gt;"),
        ("x<5 --> y", "x<\u20605 --\u2060> y", "x&lt;5 --&gt; y"),
        ("{y:i}&lt;", "{\u2060y:i}&lt;", "{y:i}&amp;lt;"),
        ("a\n\nb\r\nc\u2028d", "a b c d", "a b c d"),
        ("\x1b[2Jred\x00", "[2Jred", "[2Jred"),
    ],
)
def test_a_cue_by_hand(text, srt, vtt):
    events = list(talk([text]))
    assert OUTPUTS["srt"].text(events, STYLE) == f"1\n00:00:00,000 --> 00:00:01,000\n{srt}\n\n"
    assert (
        OUTPUTS["vtt"].text(events, STYLE)
        == f"WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.000\n{vtt}\n\n"
    )


@given(TALK)
def test_a_strict_parser_gets_every_cue_back(texts):
    vtt = vtt_cues(OUTPUTS["vtt"].text(talk(texts), STYLE))
    assert letters(map(vtt_text, vtt)) == letters(texts)
    assert letters(srt_cues(OUTPUTS["srt"].text(talk(texts), STYLE))) == letters(texts)


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
@given(texts=TALK)
def test_a_player_shows_every_cue_as_it_was_said(tmp_path_factory, suffix, texts):
    # FFmpeg writes backslashes and braces of the text in its own way
    texts = [re.sub(r"[\\{}]", "", text) for text in texts]
    cues = OUTPUTS[suffix].text(talk(texts), STYLE)
    if said(texts):
        found = shown(cues, suffix, tmp_path_factory.mktemp("cues"))
        assert letters(found) == letters(texts)


@given(TALK)
def test_paragraphs_are_a_line_an_utterance(texts):
    assert list(map(words, OUTPUTS["txt"].text(talk(texts), STYLE).splitlines())) == said(texts)


@given(st.lists(st.text(st.characters(exclude_categories=[])), max_size=4))
def test_an_event_is_one_line_for_every_reader(texts):
    events = [Commit(text, 0, 0.0, 0.0, -1) for text in texts]
    written = OUTPUTS["jsonl"].text(events, STYLE)
    assert [json.loads(line)["text"] for line in written.splitlines()] == texts
    assert written.encode().decode() == written


@given(st.text(st.characters(exclude_categories=[])))
def test_printable_text_steers_nothing(text):
    line = printable(text)
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in line)
    assert printable(line) == line and one_line(one_line(text)) == one_line(text)
    assert json.loads(json_line(text)) == text


STEERING = "a\x1b[2J\x07\r\n\x9b31mb [red]c[/red]"
SEEN = ["a[2J", "31mb", "[red]c[/red]"]


def events_that_steer():
    word = SourceWord(STEERING, 0.0, 1.0)
    yield Source(0, (word,), (word,), 1.0)
    token = TokenTrace("a", STEERING, 0.0, 0.0, 0.0, "")
    yield Trace(0, 0, (token,))
    yield Commit(STEERING, 0, 1.0, 1.0, -1, (), "de")
    yield Preview(STEERING, 0, "peak_inaccessible", "de")
    yield Close(0, STEERING, STEERING, 0.0, 1.0, 1.0, 1, "de")


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("trace", [False, True])
def test_nothing_that_is_said_steers_a_pipe(capsys, trace, several):
    output = Plain(trace, None, several)
    for event in events_that_steer():
        output.write(event)
    output.close()
    out = capsys.readouterr().out
    assert not set("\x1b\x9b\x07\r") & set(out)
    assert words(out)[-3:] == SEEN


DIRECTIONS = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize("sign", DIRECTIONS, ids=ascii)
def test_nothing_that_is_said_turns_the_text_around(sign):
    """An override that is left open would show what follows it backwards."""
    for kind in ("srt", "vtt", "txt"):
        text = OUTPUTS[kind].text(talk([f"{sign}abc", "שלום\u200f def"]), STYLE)
        assert sign not in text and "abc" in text and "שלום\u200f def" in text
    assert printable(f"a{sign}b") == "ab"


def test_nothing_that_is_said_steers_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=200)
    output = LiveDisplay(console, [Pair.parse("en-de")])
    for event in events_that_steer():
        output.write(event)
        picture = Console(file=io.StringIO(), width=200)
        picture.print(output.picture())
        assert not set("\x1b\x9b\x07\r") & set(picture.file.getvalue())
    output.close()
    out = console.file.getvalue()
    assert "\x1b[2J" not in out and "\x9b" not in out and "\x07" not in out
    assert "[red]c[/red]" in out


ODD = " <b>&\u2028\u0085-->"
"""A word that means something to every format."""


def odd(heard):
    return [(ODD if n % 3 == 0 else f" W{n}", n) for n in range(len(heard))]


def test_every_door_tells_the_same_text(tmp_path):
    async def live():
        client = await Client(server).open()
        await client.play(speech(range(16)))
        await client.finish()
        return client

    with serving(tmp_path, ScriptedInterpreter(lambda: ScriptedDrafter(odd))) as server:
        base = f"http://127.0.0.1:{server.port}"
        client = run(live())
        name = client.hello["session"]
        files = {kind: httpx.get(f"{base}/transcripts/{name}.{kind}").text for kind in OUTPUTS}
        accept = {"accept": "text/event-stream", "last-event-id": "0"}
        feed = httpx.get(f"{base}/captions/{name}", headers=accept).text
        recording = wav(speech(range(16)))
        answers = {
            kind: post(server, recording, {"to": "de", "response_format": kind}).text
            for kind in (*OUTPUTS, "json", "text")
        }
        stream = post(server, recording, {"to": "de", "stream": "true"}).text
    expected = words(client.text)
    assert expected.count("<b>&") > 3

    def data(text):
        return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]

    deltas = "".join(item.get("delta", "") for item in data(stream))
    assert words(deltas) == words(json.loads(answers["json"])["text"]) == expected
    assert words(answers["text"]) == expected
    commits = (item["text"] for item in data(feed) if item["type"] == "commit")
    assert words("".join(commits)) == expected
    for found in (files, answers):
        events = map(json.loads, found["jsonl"].splitlines())
        commits = (event["text"] for event in events if event["type"] == "commit")
        assert words("".join(commits)) == expected
        assert words(" ".join(map(vtt_text, vtt_cues(found["vtt"])))) == expected
        assert words(" ".join(srt_cues(found["srt"]))) == expected
        assert words(found["txt"]) == expected


def test_the_pages_write_text_and_never_markup():
    for path in (resources.files("alignatt4llm.serve") / "page").iterdir():
        if path.name.endswith(".js"):
            markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\("
            assert not re.search(markup, path.read_text("utf-8")), path


def test_words_of_a_picture_are_no_formulas(tmp_path):
    path = tmp_path / "a.svg"
    plot_draft(np.ones((1, 1)), ["$^$"], ["$_$"], [], 0, path)
    assert "$^$" in html.unescape(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "word", ["<b>&amp;", "a\x00\x1b[2Jb", "\ufffe", "\n\n", "$x$", "]]>", "\u202e"]
)
def test_a_picture_is_well_formed_whatever_its_words(tmp_path, word):
    path = tmp_path / "a.svg"
    plot_draft(np.ones((1, 1)), [word], [f" {word}"], [], 0, path)
    shown = "".join(ElementTree.parse(path).getroot().itertext())
    assert one_line(word) in shown
    heads = HeadSet(word, "en-de", ((0, 0),))
    plot_map(heads, Layout(1, 1), path)
    assert one_line(word) in "".join(ElementTree.parse(path).getroot().itertext())


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile '{name}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n",
    ],
)
def test_an_uploaded_list_opens_no_file_of_the_server(tmp_path, monkeypatch, content):
    (tmp_path / "secret.wav").write_bytes(wav(speech()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AlignattError, match="cannot be read"):
        list(AudioSource("list", io.BytesIO(content.format(name="secret.wav").encode())))
