"""Files written while a session runs hold the same text, whole at any moment."""

import json
import re
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_harness import EVERYTHING, Client, run, serving, speech
from styles import STYLE
from test_uploads import post

from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Close, Commit, End, Piece, Preview, Source, SourceWord, Trace
from alignatt4llm.outputs.base import Format
from alignatt4llm.outputs.table import OUTPUTS, OutputKind
from alignatt4llm.target import Target
from alignatt4llm.text.languages import language

DE, ZH = language("de"), language("zh")


def commit(text, utterance, audio_s):
    return Commit(text, utterance, audio_s, audio_s, -1)


def close(utterance, target, start, end):
    return Close(utterance, "source", target, start, end, end + 1, 1)


def written(output, path, events):
    for event in events:
        output.write(event)
    output.close()
    return path.read_text("utf-8")


def cues(text):
    blocks = text.removeprefix("WEBVTT\n\n").strip().split("\n\n")
    return [block.split("\n", 2)[2] for block in blocks if block]


TALK = [
    commit("Grüß Gott", 0, 1.0),
    Preview("zusammen", 0, "peak_inaccessible"),
    commit(".", 0, 2.0),
    close(0, "Grüß Gott.", 0.25, 1.5),
    commit(" Ja", 1, 3725.0),
    close(1, "Ja", 3723.0, 3723.1),
    commit(" Und", 2, 3730.25),
    commit(" dann", 2, 3731.0),
]


def test_srt_by_hand(tmp_path):
    path = tmp_path / "a.srt"
    assert written(OUTPUTS["srt"].open(path, STYLE), path, TALK) == (
        "1\n00:00:00,250 --> 00:00:01,500\nGrüß Gott.\n\n"
        "2\n01:02:03,000 --> 01:02:03,834\nJa\n\n"
        "3\n01:02:04,334 --> 01:02:11,000\nUnd dann\n\n"
    )


def test_vtt_by_hand(tmp_path):
    path = tmp_path / "a.vtt"
    assert written(OUTPUTS["vtt"].open(path, STYLE), path, TALK[:4]) == (
        "WEBVTT\n\n1\n00:00:00.250 --> 00:00:01.500\nGrüß Gott.\n\n"
    )


def test_nothing_said_makes_no_cue(tmp_path):
    path = tmp_path / "a.srt"
    assert written(OUTPUTS["srt"].open(path, STYLE), path, [close(0, "", 0.0, 1.0)]) == ""
    assert written(OUTPUTS["vtt"].open(path, STYLE), path, []) == "WEBVTT\n\n"


def test_text_that_ran_ahead_stands_in_the_cue_of_its_own_utterance(tmp_path):
    path = tmp_path / "a.srt"
    events = [
        commit("Ja. Und dann", 0, 2.0),
        close(0, "Ja.", 0.0, 1.0),
        commit(" kam", 1, 3.0),
        close(1, "Und dann kam", 1.0, 2.5),
        commit(" er", 2, 4.0),
        close(2, "", 2.5, 3.0),
        close(3, "er", 3.0, 4.0),
    ]
    assert cues(written(OUTPUTS["srt"].open(path, STYLE), path, events)) == [
        "Ja.",
        "Und dann kam",
        "er",
    ]


SHORT = {
    "four words of 0.3 s": (
        [(0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.2)],
        [(0, 834), (918, 1752), (1836, 2670), (2754, 3588)],
    ),
    "a pause after each": (
        [(0.0, 0.3), (0.7, 0.8), (5.0, 5.1)],
        [(0, 834), (918, 1752), (5000, 5834)],
    ),
    "a pause shorter than the shortest": ([(0.0, 0.1), (0.3, 2.0)], [(0, 834), (918, 2000)]),
    "a gap that is closed": ([(0.0, 1.0), (1.2, 3.0)], [(0, 1116), (1200, 3000)]),
    "a gap that may stay": ([(0.0, 1.0), (1.5, 3.0)], [(0, 1000), (1500, 3000)]),
    "words at one time": ([(1.0, 1.0)] * 3, [(1000, 1834), (1918, 2752), (2836, 3670)]),
    "words that overlap": ([(0.0, 2.0), (1.5, 2.5)], [(0, 2000), (2084, 2918)]),
    "a short one inside a long": ([(0.0, 2.0), (0.5, 0.6)], [(0, 2000), (2084, 2918)]),
    "words that overlap a short one": ([(0.0, 0.3), (0.2, 1.0)], [(0, 834), (918, 1752)]),
    "times that go back": ([(3.0, 4.0), (1.0, 2.0)], [(3000, 4000), (4084, 4918)]),
    "halves of a millisecond": ([(0.0, 0.0005), (0.0005, 0.001)], [(0, 834), (918, 1752)]),
    "almost an hour": ([(3599.9996, 3600.0)], [(3600000, 3600834)]),
    "longer than a cue may show": ([(0.0, 9.0)], [(0, 7000)]),
    "only one": ([(0.0, 0.0)], [(0, 834)]),
}
"""When utterances were spoken, in seconds, and when their cues show, in milliseconds."""


def shown(text):
    """Return when the cues of SRT show, in milliseconds."""
    times = re.findall(r"(\d+):(\d\d):(\d\d)[.,](\d{3})", text)
    ms = [int(h) * 3600000 + int(m) * 60000 + int(s) * 1000 + int(rest) for h, m, s, rest in times]
    return list(zip(ms[::2], ms[1::2], strict=True))


def spoken_at(times):
    for number, (start, end) in enumerate(times):
        yield commit(f" Word{number}.", number, end)
        yield close(number, f"Word{number}.", start, end)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
@pytest.mark.parametrize("row", SHORT)
def test_no_cue_overlaps_the_next(row, kind):
    times, expected = SHORT[row]
    assert shown(OUTPUTS[kind].text(spoken_at(times), STYLE)) == expected


TIMES = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=12)


@given(TIMES)
def test_cues_stand_in_order_and_each_lasts(times):
    times = [(start, start + length) for start, length in times]
    cues = shown(OUTPUTS["srt"].text(spoken_at(times), STYLE))
    assert len(cues) == len(times)
    assert all(start < end for start, end in cues)
    assert all(before[1] <= after[0] for before, after in pairwise(cues))


def test_a_short_cue_is_written_when_the_next_words_are_known():
    form = OUTPUTS["srt"].format(STYLE)
    for event in spoken_at([(0.0, 0.3)]):
        assert form.add(event) == ""
    word = SourceWord("Next", 0.4, 0.9)
    assert form.add(Source(1, (), (word,), 1.0)) == ""  # a guess may still move
    assert shown(form.add(Source(1, (word,), (), 1.0))) == [(0, 834)]
    assert form.end() == ""


def test_cues_are_written_while_the_session_runs(tmp_path):
    path = tmp_path / "a.srt"
    subtitles = OUTPUTS["srt"].open(path, STYLE)
    for event in TALK[:4]:
        subtitles.write(event)
    assert cues(path.read_text("utf-8")) == []  # who knows when the next begins
    subtitles.write(Source(1, (), (), 5.0))
    assert cues(path.read_text("utf-8")) == ["Grüß Gott."]
    subtitles.close()


PIECES = st.lists(
    st.tuples(st.sampled_from([" ja", " Haus", "tür", ",", ".", "他", "们"]), st.integers(0, 6)),
    max_size=8,
)


@given(
    st.lists(st.tuples(PIECES, st.none() | st.integers(1, 5)), max_size=8),
    st.sampled_from([DE, ZH]),
)
def test_every_output_adds_up_to_the_same_text(tmp_path_factory, rounds, target_language):
    folder = tmp_path_factory.mktemp("outputs")
    jsonl, srt, vtt = (folder / f"a.{kind}" for kind in ("jsonl", "srt", "vtt"))
    outputs = [OUTPUTS[path.suffix[1:]].open(path, STYLE) for path in (jsonl, srt, vtt)]
    target, said, utterance = Target(target_language), "", 0
    for second, (entries, words) in enumerate(rounds):
        events = []
        if text := target.extend([Piece(*entry) for entry in entries]):
            events.append(commit(text, utterance, float(second)))
            said += text
        if words:
            events.append(close(utterance, target.close(words), second - 0.5, float(second)))
            utterance += 1
        for event in events:
            for output in outputs:
                output.write(event)
    for output in outputs:
        output.close()
    lines = [json.loads(line) for line in jsonl.read_text("utf-8").splitlines()]
    assert "".join(line["text"] for line in lines if line["type"] == "commit") == said
    joined = "".join(cues(srt.read_text("utf-8")))  # a line may end between two signs
    assert "".join(joined.split()) == "".join(said.split())
    assert cues(vtt.read_text("utf-8")) == cues(srt.read_text("utf-8"))


def test_json_lines_are_whole_after_every_event(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = OUTPUTS["jsonl"].open(path, STYLE)
    for count, event in enumerate(TALK, start=1):
        lines.write(event)
        assert len([json.loads(line) for line in path.read_text("utf-8").splitlines()]) == count
    lines.close()


@pytest.mark.parametrize(("trace", "expected"), [(False, ["end"]), (True, ["trace", "end"])])
def test_traces_are_written_only_on_request(tmp_path, trace, expected):
    path = tmp_path / "a.jsonl"
    text = written(
        OUTPUTS["jsonl"].open(path, STYLE, trace), path, [Trace(0, 1, ()), End(0.0, 0.0, 0.0, 1.0)]
    )
    assert [json.loads(line)["type"] for line in text.splitlines()] == expected


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "a.srt"):
        with pytest.raises(UsageError, match=f"'{path}' cannot be written: .*"):
            OUTPUTS["jsonl"].open(path, STYLE)
        with pytest.raises(UsageError, match="cannot be written"):
            OUTPUTS["srt"].open(path, STYLE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_a_disk_that_is_full_is_told_and_closing_is_quiet():
    output = OUTPUTS["jsonl"].open(Path("/dev/full"), STYLE)
    with pytest.raises(AlignattError, match="'/dev/full' cannot be written: No space left"):
        output.write(TALK[0])
    output.close()


class Shouted(Format):
    """A toy: what is said, in capitals."""

    def add(self, event):
        return event.text.upper() if isinstance(event, Commit) else ""


def test_an_output_is_an_option_a_transcript_and_an_answer(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(OUTPUTS, "loud", OutputKind(Shouted, "text/loud", "write it in capitals"))
    with pytest.raises(SystemExit):
        main(["translate", "--help"])
    shown = capsys.readouterr().out
    assert all(f"--{name} FILE" in shown for name in OUTPUTS) and "write it in capitals" in shown
    with serving(tmp_path) as server:
        base = f"http://127.0.0.1:{server.port}"
        assert httpx.get(f"{base}/about").json()["transcripts"] == list(OUTPUTS)
        client = run(spoken(server))
        transcript = httpx.get(f"{base}/transcripts/{client.hello['session']}.loud")
        answer = post(server, data={"to": "de", "response_format": "loud"})
    for file in (transcript, answer):
        assert (file.status_code, file.text) == (200, EVERYTHING)
        assert file.headers["content-type"] == "text/loud; charset=utf-8"


async def spoken(server):
    client = await Client(server).open()
    await client.play(speech())
    await client.finish()
    return client
