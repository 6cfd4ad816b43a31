"""WebVTT segments beside a live stream: whole at any moment, and every cue at its time."""

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from styles import STYLE

from alignatt4llm.outputs.captions import LiveCues
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Again, Origin
from alignatt4llm.outputs.sinks.delivery import Delivery, Patience
from alignatt4llm.outputs.sinks.hls import LENGTH, Segments
from alignatt4llm.outputs.sinks.kept import Kept, read_undelivered
from alignatt4llm.outputs.sinks.table import Destination
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import Pair

ORIGIN = Origin("stream", Pair.parse("en-de"), 0.0)
CUES = [
    Cue(("Grüß Gott,", "a < b & c"), 250, 1500),
    Cue(("über die Grenze",), 5000, 12_500, ("across",)),
    Cue(("你好",), 18_000, 19_000),
]


def fed(folder, cues=CUES, end=0, address=""):
    sink = Segments(f"{folder}{address}", ORIGIN)
    for number, cue in enumerate(cues, 1):
        sink.send(number, cue)
        sink.reach(cue.start)
    sink.finish(end)
    return sink


def listed(folder):
    """The segments of the playlist, with their lengths in milliseconds."""
    rows = (folder / "captions.m3u8").read_text("utf-8").splitlines()
    lengths = [round(float(row[8:-1]) * 1000) for row in rows if row.startswith("#EXTINF:")]
    return dict(zip((row for row in rows if row and row[0] != "#"), lengths, strict=True))


def shown(segment):
    """The cues of a segment: number, times and text."""
    header, _, *blocks = segment.read_text("utf-8").partition("\n\n")
    assert header.startswith("WEBVTT\nX-TIMESTAMP-MAP=")
    for block in filter(None, blocks[0].split("\n\n")):
        number, times, *text = block.split("\n")
        yield int(number), [clock(time) for time in times.split(" --> ")], text


def clock(time):
    hours, minutes, seconds = time.split(":")
    return int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000)


def test_by_hand(tmp_path):
    fed(tmp_path, end=20_000)
    assert (tmp_path / "captions.m3u8").read_text("utf-8") == (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXTINF:6.000,\ncaptions00000.vtt\n"
        "#EXTINF:6.000,\ncaptions00001.vtt\n#EXTINF:6.000,\ncaptions00002.vtt\n"
        "#EXTINF:2.000,\ncaptions00003.vtt\n#EXT-X-ENDLIST\n"
    )
    assert (tmp_path / "captions00002.vtt").read_text("utf-8") == (
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n"
        "2\n00:00:05.000 --> 00:00:12.500\nüber die Grenze\nacross\n\n"
    )


def test_the_video_may_begin_at_another_timestamp(tmp_path):
    fed(tmp_path / "out", address="?mpegts=126000")
    header = (tmp_path / "out" / "captions00000.vtt").read_text("utf-8").split("\n")[1]
    assert header == "X-TIMESTAMP-MAP=MPEGTS:126000,LOCAL:00:00:00.000"


def test_ffmpeg_shows_every_cue_at_its_time(tmp_path):
    fed(tmp_path, end=20_000)
    with av.open(str(tmp_path / "captions.m3u8")) as file:
        packets = [packet for packet in file.demux() if packet.pts is not None]
        times = [(round(p.pts * p.time_base * 1000), p.duration) for p in packets]
    assert times == [(cue.start, cue.end - cue.start) for cue in CUES]
    assert bytes(packets[0]).decode() == "Grüß Gott,\na &lt; b &amp; c"
    assert bytes(packets[2]).decode() == "你好"


def test_nothing_said_is_still_a_stream(tmp_path):
    fed(tmp_path, [], end=13_000)
    assert list(listed(tmp_path).values()) == [6000, 6000, 1000]
    fed(tmp_path, [], end=0)
    assert listed(tmp_path) == {}


def test_a_cue_that_comes_too_late_is_shown_when_it_can_be(tmp_path):
    sink = Segments(str(tmp_path), ORIGIN)
    sink.reach(13_000)
    sink.send(1, CUES[0])
    sink.finish(13_000)
    assert list(shown(tmp_path / "captions00002.vtt")) == [
        (1, [12_000, 13_250], ["Grüß Gott,", "a &lt; b &amp; c"])
    ]
    assert list(listed(tmp_path).values()) == [6000, 6000, 1250]


CASES = st.lists(
    st.tuples(st.integers(0, 9000), st.integers(1, 15_000), st.booleans()), max_size=12
)


@given(cases=CASES, end=st.integers(0, 60_000))
def test_every_cue_is_in_each_segment_in_which_it_shows(tmp_path_factory, cases, end):
    folder = tmp_path_factory.mktemp("hls")
    sink = Segments(str(folder), ORIGIN)
    cues, seen, free = {}, {}, 0
    for number, (gap, length, silent) in enumerate(cases, 1):
        cues[number] = Cue((f"Zeile {number}",), free + gap, free + gap + length)
        sink.send(number, cues[number])
        sink.reach(cues[number].start)
        free = cues[number].end
        if silent:
            sink.reach(free)
        if (folder / "captions.m3u8").exists():
            for name in listed(folder):  # what is listed is there and never changes
                content = (folder / name).read_text("utf-8")
                assert seen.setdefault(name, content) == content
    sink.finish(end)
    assert "#EXT-X-ENDLIST" in (folder / "captions.m3u8").read_text("utf-8")
    begin = 0
    for name, length in listed(folder).items():
        here = [n for n, cue in cues.items() if cue.start < begin + length and cue.end > begin]
        found = list(shown(folder / name))
        assert [n for n, _, _ in found] == here
        assert all(
            times == [cues[n].start, cues[n].end] and text == list(cues[n].lines)
            for n, times, text in found
        )
        begin += length
    assert begin == max([end, *(cue.end for cue in cues.values())])


@pytest.mark.parametrize("when", ["at once", "later"])
def test_what_cannot_be_written_is_written_once_it_can(tmp_path, when):
    folder = tmp_path / "out"
    sink = Segments(str(folder), ORIGIN)
    if when == "later":
        sink.reach(LENGTH)
        folder.rename(tmp_path / "away")
    folder.write_text("in the way")
    sink.send(1, CUES[1])
    with pytest.raises(Again, match="cannot be written"):
        sink.reach(14_000)
    folder.unlink()
    sink.reach(14_000)
    sink.finish(14_000)
    last = listed(folder)
    assert len(last) == 3
    assert [n for n, _, _ in shown(folder / "captions00001.vtt")] == [1]


@pytest.mark.parametrize(
    ("until", "first"),
    [
        (0, 1),  # nothing is ever written
        (7000, 2),  # a cue goes on into the segment that is missing
        (14_000, 2),
        (18_500, 3),
        (30_000, 4),
    ],
)
@pytest.mark.parametrize("reached", [False, True], ids=["at its end", "while it runs"])
def test_cues_of_segments_that_could_not_be_written_are_kept(tmp_path, until, first, reached):
    folder, path, said = tmp_path / "out", tmp_path / "kept.jsonl", []
    sink = Segments(str(folder), ORIGIN)
    kept = Kept(path, Destination("hls", str(folder)), ORIGIN)
    for number, cue in enumerate(CUES, 1):
        if cue.start < until:
            sink.send(number, cue)
    sink.reach(until)
    if folder.exists():
        folder.rename(tmp_path / "away")
    folder.write_text("in the way")
    delivery = Delivery("hls", sink, kept, said.append, Patience(0.001, 0.004, flush=0.1))
    for number, cue in enumerate(CUES, 1):
        if cue.start >= until:
            delivery.put(number, cue)
    if reached:
        delivery.reach(40_000)
    delivery.finish(40_000)
    delivery.wait()
    delivery.settle()
    rest = tuple(enumerate(CUES, 1))[first - 1 :]
    assert delivery.undelivered == len(rest)
    assert (read_undelivered(path).cues if rest else ()) == rest
    assert any(f"({len(rest)})" in sentence for sentence in said) is bool(rest)


def test_a_cue_that_came_late_is_given_back_at_its_own_time(tmp_path):
    sink = Segments(str(tmp_path), ORIGIN)
    sink.reach(13_000)
    sink.send(1, CUES[0])
    assert list(sink.held) == [(1, CUES[0])]
    sink.finish(13_000)
    assert list(sink.held) == []


def test_no_cue_begins_before_what_was_said_to_be_settled():
    cues, settled = LiveCues(STYLE), 0
    session = ScriptedInterpreter().open(Pair.parse("en-de"))
    audio = tones(range(len(SCRIPT)))
    events = [
        event for at in range(0, len(audio), 8000) for event in session.feed(audio[at:][:8000])
    ]
    marks = []
    for event in [*events, *session.finish()]:
        for cue in cues.add(event):
            assert cue.start >= settled
        settled = max(settled, cues.settled)
        marks.append(settled)
    assert all(cue.start >= settled for cue in cues.end())
    assert marks[-1] > 10_000  # and time goes on
