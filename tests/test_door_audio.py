"""Odd audio that programs have: it is heard as it sounds, or refused in one sentence."""

import asyncio
import io
import sys
import tempfile

import av
import numpy as np
import pytest
from doors import EVERYTHING, SPEECH, heard, heard_async
from odd import Track, odd
from sessions import said
from sounds import int16, pieces, wav, write

from alignatt4llm import AudioSource, ScriptedInterpreter, UsageError
from alignatt4llm.text.languages import language

LAYOUTS = ["mono", "stereo", "5.1", "6.1", "7.1", "8C", "9C", "hexadecagonal", "16C"]
PLANAR = ["fltp", "s16p", "s32p", "dblp"]


def planar(layout, kind):
    """Speech in the first channel of a frame with a plane a channel."""
    sound = np.zeros((len(SPEECH), av.AudioLayout(layout).nb_channels), np.int16)
    sound[:, 0] = int16(SPEECH)
    frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = 16_000
    (frame,) = av.AudioResampler(format=kind).resample(frame)
    frame.pts = 12_345
    return frame


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", PLANAR)
def test_planar_frames_of_any_number_of_channels_are_heard(layout, kind):
    frame = planar(layout, kind)
    samples = np.concatenate(list(AudioSource([frame], channel="left")))
    assert np.abs(samples - SPEECH).max() < 0.01
    assert frame.pts == 12_345


def two_tracks():
    """German in the first, which is silent, and English speech in the second."""
    quiet, loud = (Track(np.repeat(x, 3)[None], "ac3", language=tag) for x, tag in VOICES)
    return odd("matroska", quiet, loud)


VOICES = [(0 * SPEECH, "ger"), (SPEECH, "eng")]
WAYS = {
    "a path": lambda path: path,
    "a source of a path": AudioSource,
    "a source opened later": lambda path: AudioSource(path, at_once=False),
    "a source of a channel": lambda path: AudioSource(str(path), channel="left"),
    "bytes": lambda path: AudioSource(path.read_bytes()),
    "a file": lambda path: AudioSource(io.BytesIO(path.read_bytes())),
    "a stream under a name": lambda path: AudioSource("film", io.BytesIO(path.read_bytes())),
    "pieces": lambda path: AudioSource(pieces(path.read_bytes())),
    "its own language": lambda path: AudioSource(path, language=language("en")),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_track_in_the_language_of_the_session_is_heard(way, tmp_path):
    path = tmp_path / "film.mkv"
    path.write_bytes(two_tracks())
    events = heard(WAYS[way](path))
    assert said(events) == EVERYTHING
    (told,) = [event.text for event in events if getattr(event, "kind", "") == "track"]
    assert "heard is 2 (English)" in told


@pytest.mark.parametrize("more", [{"track": 1}, {"language": language("de")}])
def test_what_a_source_was_told_goes_before_the_language_of_the_session(more, tmp_path):
    path = tmp_path / "film.mkv"
    path.write_bytes(two_tracks())
    assert said(heard(AudioSource(path, **more))) == ""


ONCE = {
    "a path": AudioSource,
    "bytes": lambda path: AudioSource(path.read_bytes()),
    "a file": lambda path: AudioSource(io.BytesIO(path.read_bytes())),
    "an array": lambda path: AudioSource(SPEECH),
    "blocks": lambda path: AudioSource([SPEECH]),
    "live blocks": lambda path: AudioSource([SPEECH], live=True),
    "a stream under a name": lambda path: AudioSource("talk", io.BytesIO(path.read_bytes())),
}


@pytest.mark.parametrize("kind", ONCE)
def test_a_source_is_read_once(kind, tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(SPEECH))
    source = ONCE[kind](path)
    assert said(heard(source)) == EVERYTHING
    with pytest.raises(UsageError, match="read once"):
        heard(source)
    with pytest.raises(UsageError, match="read once"):
        list(source)


def test_a_source_belongs_to_the_session_that_had_it_first():
    source, interpreter = AudioSource(SPEECH), ScriptedInterpreter()
    with interpreter.open("en-de") as first, interpreter.open("en-de") as second:
        events = first.stream(source)
        with pytest.raises(UsageError, match="read once"):
            second.stream(source)
        assert said(events) == said(second.stream(SPEECH)) == EVERYTHING


def ogg():
    file = io.BytesIO()
    write(file, SPEECH, "ogg")
    return file.getvalue()


class File(io.RawIOBase):
    """Ends with an error, like a connection."""

    def __init__(self, data, problem, back=False):
        self._data, self._problem, self._back = io.BytesIO(data), problem, back

    def readable(self):
        return True

    def seekable(self):
        return self._back

    def seek(self, offset, whence=0):
        return self._data.seek(offset, whence)

    def tell(self):
        return self._data.tell()

    def readinto(self, buffer):
        count = self._data.readinto(buffer)
        if not count:
            raise self._problem
        return count


def in_pieces(data, problem):
    yield from pieces(data)
    raise problem


async def in_pieces_async(data, problem):
    for piece in pieces(data):
        yield piece
    raise problem


CARRIERS = {
    "pieces": in_pieces,
    "async pieces": in_pieces_async,
    "a file": File,
    "a buffered file": lambda *how: io.BufferedReader(File(*how)),
    "a file that can go back": lambda *how: File(*how, back=True),
}
BYTES = {
    "an Ogg": ogg(),
    "half an Ogg": ogg()[: len(ogg()) // 2],
    "a WAV": wav(SPEECH),
    "half a WAV": wav(SPEECH)[: len(SPEECH)],
    "the beginning of a WAV": wav(SPEECH)[:30],
    "the beginning of an Ogg": ogg()[:10],
    "a film": two_tracks(),
    "raw samples": int16(SPEECH).tobytes(),
    "nothing": b"",
}
PROBLEMS = [ConnectionResetError("gone"), EOFError("gone"), OSError("gone"), av.EOFError(1, "gone")]
PROBLEMS += [UsageError("gone"), ValueError("gone"), av.InvalidDataError(1, "gone")]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("data", "problem"),
    [(data, PROBLEMS[0]) for data in BYTES] + [("half an Ogg", one) for one in PROBLEMS[1:]],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_an_error_of_what_brings_bytes_is_raised_as_it_is(carrier, data, problem):
    events = []

    async def read():
        async with ScriptedInterpreter().open("en-de") as session:
            async for event in session.stream(CARRIERS[carrier](BYTES[data], problem)):
                events.append(event)

    with pytest.raises(type(problem)) as raised:
        asyncio.run(read())
    assert raised.value is problem
    whole = data in {"an Ogg", "a WAV", "a film", "raw samples"}
    assert (said(events) == EVERYTHING) is whole
    assert not data.startswith("half") or said(events)


class Upload:
    """An asynchronous file that nobody can iterate, as those of web frameworks are."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    async def read(self, size=-1):
        return self.file.read(size)


class Lines(Upload):
    """One that is read line by line where it is iterated."""

    def __aiter__(self):
        raise AssertionError("by lines")


class Streamed(Upload):
    """A file by inheritance."""

    def __iter__(self):
        raise AssertionError("by lines")


def stream_reader(data):
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


SILENCE = bytes(1 << 18)


@pytest.mark.parametrize("make", [Upload, Lines, Streamed, stream_reader])
@pytest.mark.parametrize("data", [SILENCE + int16(SPEECH).tobytes(), ogg(), wav(SPEECH)])
@pytest.mark.parametrize("live", [False, True])
def test_what_is_read_asynchronously_is_heard(make, data, live):
    async def read():
        return await heard_async(AudioSource(make(data), live=live))

    assert said(asyncio.run(read())) == EVERYTHING


def test_the_output_of_a_subprocess_is_heard(tmp_path):
    (tmp_path / "raw").write_bytes(SILENCE + int16(SPEECH).tobytes())
    program = "import sys, shutil; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"

    async def read():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(tmp_path / "raw"), stdout=asyncio.subprocess.PIPE
        )
        events = await heard_async(process.stdout)
        assert await process.wait() == 0
        return events

    assert said(asyncio.run(read())) == EVERYTHING


def test_what_is_read_asynchronously_needs_an_event_loop():
    with pytest.raises(UsageError, match="'async for'"):
        heard(Upload(wav(SPEECH)))


@pytest.mark.parametrize("make", [tempfile.TemporaryFile, tempfile.SpooledTemporaryFile])
@pytest.mark.parametrize("data", [int16(SPEECH).tobytes(), ogg(), wav(SPEECH)])
def test_files_without_a_name_are_heard(make, data):
    with make() as file:
        file.write(data)
        file.seek(0)
        assert said(heard(file)) == EVERYTHING


def test_frames_without_sound_are_passed_over():
    empty = [av.AudioFrame(kind, "stereo", 0) for kind in ("flt", "fltp")]
    assert said(heard([*empty, planar("mono", "fltp"), *empty])) == EVERYTHING


def test_a_track_of_seven_one_is_translated():
    assert said(heard([planar("7.1", "fltp")])) == EVERYTHING
