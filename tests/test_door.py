"""The Python door: any audio, read with ``for`` or ``async for``, and nothing left behind."""

import asyncio
import io
import threading
import time
from contextlib import aclosing, closing
from itertools import count

import numpy as np
import pytest
from doors import (
    EVERYTHING,
    EXPECTED,
    SPEECH,
    Watching,
    each,
    endless,
    heard,
    heard_async,
    untimed,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions import of, said
from sounds import frames, int16, pieces, wav

from alignatt4llm import AudioSource, Commit, End, Interpreter, System
from alignatt4llm.audio import decode
from alignatt4llm.audio import microphone as microphones
from alignatt4llm.audio.ahead import MOST
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.recognizers.tones import tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import language
from alignatt4llm.translators.scripted import ScriptedDrafter


def test_the_events_are_those_of_a_session_that_is_fed():
    session = ScriptedInterpreter().open("en-de")
    size = round(session.chunk * SAMPLE_RATE)
    parts = [SPEECH[at : at + size] for at in range(0, len(SPEECH), size)]
    events = [event for part in parts for event in session.feed(part)]
    assert untimed([*events, *session.finish()]) == EXPECTED
    assert said(EXPECTED) == EVERYTHING


cuts = st.lists(st.integers(0, len(SPEECH)), max_size=12).map(sorted)


@settings(max_examples=15)
@given(cuts=cuts, live=st.booleans())
def test_for_and_async_for_say_the_same_however_the_audio_is_cut(cuts, live):
    blocks = np.split(SPEECH, cuts)
    assert heard(iter(blocks)) == EXPECTED
    assert asyncio.run(heard_async(each(blocks))) == EXPECTED
    assert asyncio.run(heard_async(iter(blocks))) == EXPECTED
    late = asyncio.run(heard_async(AudioSource(each(blocks), live=live)))
    assert said(late) == EVERYTHING


S16, WAV, FAST = int16(SPEECH).tobytes(), wav(SPEECH), np.repeat(SPEECH, 3)
KINDS = {
    "float32": lambda: SPEECH,
    "float64": lambda: SPEECH.astype(np.float64),
    "int16": lambda: int16(SPEECH),
    "int32": lambda: int16(SPEECH).astype(np.int32) << 16,
    "numbers": lambda: [SPEECH.tolist()],
    "one channel": lambda: SPEECH[:, None],
    "stereo": lambda: np.stack([SPEECH, SPEECH], axis=1),
    "three channels": lambda: [np.stack([SPEECH, -SPEECH, 0 * SPEECH], axis=1)],
    "left": lambda: AudioSource(np.stack([SPEECH, 0.2 * FAST[: len(SPEECH)]], 1), channel="left"),
    "48 kHz": lambda: AudioSource(FAST, rate=48_000),
    "48 kHz in blocks": lambda: AudioSource(np.array_split(int16(FAST), 77), rate=48_000),
    "a rate in floating point": lambda: AudioSource(FAST, rate=48_000.0),
    "a rate of numpy": lambda: AudioSource(FAST, rate=np.float64(48_000)),
    "bytes at a rate of numpy": lambda: AudioSource(int16(FAST).tobytes(), rate=np.int64(48000)),
    "8 kHz": lambda: AudioSource(SPEECH[::2], rate=8000),
    "empty blocks": lambda: [SPEECH[:0], SPEECH, SPEECH[:0]],
    "a generator": lambda: (block for block in np.array_split(SPEECH, 9)),
    "raw bytes": lambda: S16,
    "a bytearray": lambda: bytearray(S16),
    "raw bytes at 48 kHz": lambda: AudioSource(int16(FAST).tobytes(), rate=48_000),
    "raw bytes in odd pieces": lambda: pieces(S16, 999),
    "memory in pieces": lambda: map(memoryview, pieces(S16)),
    "a WAV": lambda: WAV,
    "a WAV in pieces": lambda: pieces(WAV),
    "a WAV whose rate is its own": lambda: AudioSource(wav(FAST, 48_000), rate=8000),
    "a file of WAV": lambda: io.BytesIO(WAV),
    "a file of raw bytes": lambda: io.BytesIO(S16),
    "frames": lambda: frames(SPEECH),
    "planar frames": lambda: frames(SPEECH, "s16p"),
    "one frame": lambda: next(frames(SPEECH, copies=1, size=10**9)),
    "frames and arrays": lambda: [*frames(tones(range(5))), tones(range(5, 10))],
    "itself": lambda: AudioSource(SPEECH),
}  # fmt: skip


@settings(max_examples=20)
@given(cuts=cuts, rate=st.sampled_from([8000, 16_000, 22_050, 44_100, 48_000]), whole=st.booleans())
def test_samples_are_the_same_however_blocks_of_any_rate_are_cut(cuts, rate, whole):
    sound = int16(SPEECH) if whole else SPEECH
    once = np.concatenate(list(AudioSource(sound, rate=rate)))
    cut = np.concatenate(list(AudioSource(np.split(sound, cuts), rate=rate)))
    assert np.array_equal(once, cut)
    assert abs(len(once) / SAMPLE_RATE - len(SPEECH) / rate) < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_any_audio_is_heard(kind):
    assert said(heard(KINDS[kind]())) == EVERYTHING
    assert said(asyncio.run(heard_async(KINDS[kind]()))) == EVERYTHING


@pytest.mark.parametrize(
    "kind", ["a generator", "raw bytes in odd pieces", "a WAV in pieces", "frames"]
)
def test_async_audio_is_heard(kind):
    assert said(asyncio.run(heard_async(each(KINDS[kind]())))) == EVERYTHING


def test_files_are_heard_by_path(tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(WAV)
    with path.open("rb") as file:
        assert said(heard(path)) == said(heard(str(path))) == said(heard(file)) == EVERYTHING


def test_frames_stay_as_they_were():
    given = list(frames(SPEECH))
    heard(given)
    assert {frame.pts for frame in given} == {12_345}


def test_nothing_is_said_of_no_audio():
    for empty in (b"", [], SPEECH[:0], io.BytesIO()):
        assert of(Commit, heard(empty)) == []


def closed(file):
    file.close()
    return file


class Tensor:
    """Refuses to be an array, as torch's do that have gradients."""

    def __array__(self, *how, **more):
        raise RuntimeError("Call detach() first")


BAD = {
    "an async iterable": (lambda: each([SPEECH]), "async iterable.*'async for'"),
    "a file opened as text": (lambda: io.StringIO("talk"), "mode 'rb'"),
    "a number": (lambda: 7, "from int"),
    "an array of one number": (lambda: np.float32(0), "shape"),
    "a list of numbers": (lambda: [0.0, 0.1], r"shape \[\]"),
    "channels first": (lambda: np.zeros((2, 16_000)), r"shape \[2, 16000\].*\[n, channels\]"),
    "three dimensions": (lambda: np.zeros((1, 9, 1)), "shape"),
    "rows of several lengths": (lambda: [[[0.0, 0.1], [0.2]]], "no array of numbers"),
    "64-bit integers": (lambda: int16(SPEECH).astype(np.int64), "int64.*np.int16"),
    "64-bit integers in blocks": (lambda: [int16(SPEECH).astype(">i8")], "make it np.int16"),
    "64-bit integers of several channels": (lambda: np.zeros((9, 2), np.int64), "np.int16"),
    "blocks of whole numbers": (lambda: [[0, 100, -100]], "int64.*np.int16"),
    "a tensor with gradients": (Tensor, "no array of numbers: Call detach"),
    "tensors with gradients": (lambda: [Tensor()], "no array of numbers: Call detach"),
    "unsigned": (lambda: np.zeros(9, np.uint8), "uint8.*signed"),
    "complex": (lambda: np.zeros(9, complex), "complex"),
    "words": (lambda: ["talk"], "shape"),
    "bytes, then arrays": (lambda: [b"\0\0", SPEECH], "bytes goes on with ndarray"),
    "a rate of 0": (lambda: AudioSource(SPEECH, rate=0), "rate is 0"),
    "a negative rate": (lambda: AudioSource(SPEECH, rate=-16_000), "rate is -16000"),
    "a rate that is no number": (lambda: AudioSource(SPEECH, rate="48000"), "rate is 48000"),
    "no rate": (lambda: AudioSource(SPEECH, rate=None), "rate is None"),
    "half a sample": (lambda: AudioSource(SPEECH, rate=44_100.5), "rate is 44100.5"),
    "a rate of nan": (lambda: AudioSource(SPEECH, rate=float("nan")), "rate is nan"),
    "a file that is closed": (lambda: closed(io.BytesIO(WAV)), "closed; keep it open"),
    "a buffer that is closed": (lambda: closed(io.BufferedReader(io.BytesIO(WAV))), "keep it open"),
    "a closed file by name": (lambda: AudioSource("talk", closed(io.BytesIO())), "keep it open"),
    "text under a name": (lambda: AudioSource("talk", io.StringIO()), "mode 'rb'"),
    "a closed file, live": (lambda: AudioSource(closed(io.BytesIO()), live=True), "keep it open"),
    "a rate of MHz": (lambda: AudioSource(SPEECH, rate=48_000_000), "rate is 48000000"),
    "an unknown channel": (lambda: AudioSource(SPEECH, channel="middle"), "mix, left, right"),
    "no file": (lambda: "nowhere.wav", "no file 'nowhere.wav'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_audio_that_cannot_be_is_named(kind):
    make, told = BAD[kind]
    interpreter = Watching()
    with pytest.raises(UsageError, match=told):
        heard(make(), interpreter)
    interpreter.check_freed() if interpreter.drafters else None


def test_other_mistakes_are_named():
    interpreter = ScriptedInterpreter()
    with pytest.raises(UsageError, match="no latency 'fast'; it is one of low, medium, high"):
        interpreter.open("en-de", "fast")
    with pytest.raises(UsageError, match="not a pair"):
        interpreter.open("German")
    for pair in (("en", "de"), ["en", "de"], None, 7, language("de")):
        with pytest.raises(UsageError, match="not a pair of languages; write it as en-de"):
            interpreter.open(pair)
    with interpreter.open("en-de") as session:
        events = session.stream(SPEECH)
        with pytest.raises(UsageError, match="one stream; open another"):
            session.stream(SPEECH)
        next(events)
        with pytest.raises(UsageError, match="read once, in one way"):
            asyncio.run(anext(events))


class Dropped(Exception):
    pass


def broken():
    yield SPEECH
    raise Dropped


async def broken_async():
    yield SPEECH
    raise Dropped


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("source", [broken, broken_async])
def test_an_error_of_the_source_arrives_once_all_that_was_heard_has_been_said(source, live):
    interpreter, events = Watching(), []

    async def read():
        async with interpreter.open("en-de") as session:
            async for event in session.stream(AudioSource(source(), live=live)):
                events.append(event)

    with pytest.raises(Dropped):
        asyncio.run(read())
    assert said(events) == EVERYTHING
    interpreter.check_freed()
    if source is broken:
        with pytest.raises(Dropped):
            heard(AudioSource(broken(), live=live))


@pytest.mark.parametrize("problem", [OSError, SystemExit, KeyboardInterrupt, StopAsyncIteration])
@pytest.mark.parametrize("live", [False, True])
def test_whatever_a_source_raises_ends_the_stream(problem, live):
    class Source:
        def __iter__(self):
            return self

        def __next__(self):
            raise problem

    with pytest.raises(problem):
        heard(AudioSource(Source(), live=live))


def test_a_source_that_was_cancelled_elsewhere_is_no_end():
    async def cancelled():
        yield SPEECH
        raise asyncio.CancelledError

    with pytest.raises(AlignattError, match="was cancelled"):
        asyncio.run(heard_async(cancelled()))


class Failing(ScriptedDrafter):
    def draft(self, *asked):
        raise Dropped


def test_an_error_of_the_engine_arrives_and_frees_everything():
    interpreter = Watching(Failing)
    with pytest.raises(Dropped):
        heard(SPEECH, interpreter)
    with pytest.raises(Dropped):
        asyncio.run(heard_async(each([SPEECH]), interpreter))
    interpreter.check_freed()


def test_where_closing_fails_that_is_told_and_nobody_waits():
    class Sticky(ScriptedDrafter):
        def close(self):
            raise Dropped

    async def read():
        events = ScriptedInterpreter(Sticky).open("en-de").stream(SPEECH)
        await anext(events)
        await events.aclose()

    with pytest.raises(Dropped):
        asyncio.run(asyncio.wait_for(read(), 20))


@pytest.mark.parametrize("way", ["for", "async for"])
def test_nothing_is_freed_while_the_engine_is_at_work_on_it(way):
    inside, states = threading.Event(), []

    class Busy(ScriptedDrafter):
        closed = False

        def draft(self, *asked):
            inside.set()
            threading.Event().wait(0.2)  # the reader leaves meanwhile
            states.append(self.closed)
            return super().draft(*asked)

        def close(self):
            self.closed = True

    async def read():
        async with ScriptedInterpreter(Busy).open("en-de") as session:
            async for _ in session.stream(endless([])):
                if await asyncio.to_thread(inside.wait, 20):
                    break

    if way == "async for":
        asyncio.run(read())
    else:
        with ScriptedInterpreter(Busy).open("en-de") as session:
            for _ in session.stream(endless([])):
                inside.wait(20)
                break
    assert states and not any(states)


async def endless_async(closed):
    try:
        while True:
            await asyncio.sleep(0)
            yield SPEECH
    finally:
        closed.append(True)


async def silent_async(closed, waits):
    """Say something, and then nothing more."""
    try:
        yield SPEECH
        waits.set()
        await asyncio.Event().wait()
    finally:
        closed.append(True)


@pytest.mark.parametrize("after", range(0, 26, 3))
@pytest.mark.parametrize("live", [False, True])
def test_leaving_at_any_event_leaves_nothing(after, live):
    interpreter, closed = Watching(), []
    with interpreter.open("en-de") as session:
        for number, _ in enumerate(session.stream(AudioSource(endless(closed), live=live))):
            if number == after:
                break
    interpreter.check_freed()
    assert closed == [True]


@pytest.mark.parametrize("after", range(0, 26, 3))
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("source", [endless, endless_async])
def test_leaving_an_async_stream_at_any_event_leaves_nothing(source, after, live):
    interpreter, closed = Watching(), []

    async def read():
        async with interpreter.open("en-de") as session:
            number = count()
            async for _ in session.stream(AudioSource(source(closed), live=live)):
                if next(number) == after:
                    break
        assert all(drafter.closed for drafter in interpreter.drafters)
        assert source is endless or closed == [True]  # with the block, not some time later

    asyncio.run(read())
    interpreter.check_freed()
    assert closed == [True]


@pytest.mark.parametrize("after", [1, 2, 8, 20, 40])
@pytest.mark.parametrize("live", [False, True])
def test_a_task_that_is_cancelled_at_an_event_leaves_nothing(after, live):
    interpreter, closed, seen = Watching(), [], []

    async def read():
        async with interpreter.open("en-de") as session:
            async for event in session.stream(AudioSource(endless_async(closed), live=live)):
                seen.append(event)
                if len(seen) == after:
                    asyncio.current_task().cancel()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(read())
    interpreter.check_freed()
    assert (len(seen), closed) == (after, [True])


@pytest.mark.parametrize("live", [False, True])
def test_a_task_that_is_cancelled_while_no_audio_comes_leaves_nothing(live):
    interpreter, closed, seen = Watching(), [], []

    async def read(waits):
        async with interpreter.open("en-de") as session:
            audio = AudioSource(silent_async(closed, waits), live=live)
            async for event in session.stream(audio):
                seen.append(event)

    async def cancel():
        waits = asyncio.Event()
        task = asyncio.create_task(read(waits))
        await waits.wait()
        while not said(seen):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    interpreter.check_freed()
    assert closed == [True]


def test_without_a_block_too_everything_is_freed_when_the_events_are_left():
    interpreter = Watching()
    for _ in interpreter.open("en-de").stream(endless([])):
        break
    interpreter.check_freed()

    async def read():
        async with aclosing(interpreter.open("en-de").stream(each([SPEECH]))) as events:
            await anext(events)
        interpreter.check_freed()
        async for _ in interpreter.open("en-de").stream(each([SPEECH])):
            break

    asyncio.run(read())
    interpreter.check_freed()
    with closing(interpreter.open("en-de").stream(SPEECH)):
        pass
    interpreter.check_freed()


def test_stopping_says_what_was_heard():
    interpreter, closed = Watching(), []

    async def read():
        async with interpreter.open("en-de") as session:
            events = session.stream(silent_async(closed, asyncio.Event()))
            got = []
            async for event in events:
                got.append(event)
                if isinstance(event, Commit):
                    events.stop()
            return got

    got = asyncio.run(read())
    assert isinstance(got[-1], End) and EVERYTHING.startswith(said(got)) and said(got)
    interpreter.check_freed()
    assert closed == [True]
    with interpreter.open("en-de") as session:
        events = session.stream(endless([]))
        events.stop()
        assert said(events) == ""


@pytest.mark.parametrize("live", [False, True])
def test_stopping_says_all_that_is_live_already(live):
    """The reader stops at the first event, when all of a live source has been read ahead."""
    read = threading.Event()

    def speaks():
        yield from np.array_split(SPEECH, 40)
        read.set()
        yield SPEECH[:0]

    with Watching().open("en-de") as session:
        events, got = session.stream(AudioSource(speaks(), live=live)), []
        for event in events:
            assert not live or read.wait(20)
            events.stop()
            got.append(event)
    assert isinstance(got[-1], End)
    assert (said(got) == EVERYTHING) is live


def test_another_thread_can_end_it():
    interpreter, begun = Watching(), threading.Event()

    def silent():
        yield SPEECH
        begun.set()
        threading.Event().wait(0.05)
        yield from endless([])

    with interpreter.open("en-de") as session:
        events = session.stream(silent())
        thread = threading.Thread(target=lambda: (begun.wait(), events.close()))
        thread.start()
        assert not any(isinstance(event, End) for event in events)
        thread.join()
    interpreter.check_freed()


def test_two_sessions_run_at_once_in_one_loop():
    """Each waits with its second half until the other has said something."""
    interpreter = Watching()
    spoke = {}

    async def halves(mine, other):
        yield tones(range(5))
        await spoke[other].wait()
        yield tones(range(5, 10))

    async def read(mine, other):
        got = []
        async with await asyncio.to_thread(interpreter.open, "en-de") as session:
            async for event in session.stream(halves(mine, other)):
                got.append(event)
                if isinstance(event, Commit):
                    spoke[mine].set()
        return said(got)

    async def both():
        spoke.update(a=asyncio.Event(), b=asyncio.Event())
        return await asyncio.gather(read("a", "b"), read("b", "a"))

    assert asyncio.run(both()) == [EVERYTHING] * 2
    interpreter.check_freed()


def test_the_event_loop_goes_on_while_the_engine_works():
    """The engine waits for what only the event loop can do."""
    free = threading.Event()

    class Slow(ScriptedDrafter):
        def draft(self, *asked):
            assert free.wait(20)
            return super().draft(*asked)

    async def read():
        asyncio.get_running_loop().call_later(0.05, free.set)
        return await heard_async(SPEECH, ScriptedInterpreter(Slow))

    assert said(asyncio.run(read())) == EVERYTHING


def test_files_are_opened_beside_the_event_loop_and_read_there(tmp_path, monkeypatch):
    (tmp_path / "talk.wav").write_bytes(WAV)
    opened, begin = [], decode.Media.__init__

    def noted(*how):
        opened.append(threading.current_thread())
        begin(*how)

    monkeypatch.setattr(decode.Media, "__init__", noted)
    assert said(asyncio.run(heard_async(tmp_path / "talk.wav"))) == EVERYTHING
    assert len(opened) == 1 and threading.main_thread() not in opened


def taken(blocks, counts):
    for block in blocks:
        counts.append(len(block))
        yield block


def test_audio_waits_for_its_reader():
    """Of what can wait no more is read than the step in progress takes."""
    counts = []
    with ScriptedInterpreter().open("en-de") as session:
        chunk = session.chunk * SAMPLE_RATE
        events = session.stream(
            taken([SPEECH[at : at + 800] for at in range(0, 64_000, 800)], counts)
        )
        for event in events:
            if event.type == "source":
                assert sum(counts) <= event.audio_s * SAMPLE_RATE + chunk + 800


def test_live_audio_is_read_ahead_but_not_for_ever():
    counts, blocks = [], (np.zeros(SAMPLE_RATE, np.float32) for _ in count())
    with closing(AudioSource(taken(blocks, counts), live=True)) as source:
        iter(source)
        for _ in range(1000):
            if len(counts) >= MOST:
                break
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(counts) == MOST
        assert source.ready


def test_live_audio_that_is_late_is_translated_in_one_step():
    held = threading.Event()

    class Late(ScriptedDrafter):
        def draft(self, *asked):
            assert held.wait(20)
            return super().draft(*asked)

    def fast():
        yield from np.array_split(SPEECH, 40)
        held.set()

    interpreter = ScriptedInterpreter(Late)
    with interpreter.open("en-de") as session:
        steps = of_type("source", session.stream(AudioSource(fast(), live=True)))
    assert len(steps) < len(of_type("source", EXPECTED))


def of_type(name, events):
    return [event for event in events if event.type == name]


def test_a_microphone_is_let_go_when_it_is_left(monkeypatch):
    closed = []

    def heard(sound, options, stopped, line):
        try:
            while not stopped.wait(0.001):
                yield SPEECH
        finally:
            closed.append(True)

    fake = type("Fake", (), {
        "PortAudioError": OSError,
        "query_devices": lambda *_: {"default_samplerate": 16_000, "max_input_channels": 1},
    })  # fmt: skip
    monkeypatch.setattr(microphones, "_sounddevice", fake)
    monkeypatch.setattr(microphones, "_heard", heard)
    interpreter = Watching()
    with interpreter.open("en-de") as session:
        for event in session.stream(AudioSource.microphone()):
            if isinstance(event, Commit):
                break
    interpreter.check_freed()
    assert closed == [True]


def test_several_languages_share_what_is_heard():
    interpreter = Watching()

    async def read():
        async with interpreter.stream("English", ["de", "it"]) as session:
            return [event async for event in session.stream(each([SPEECH]))]

    events = asyncio.run(read())
    for to in ("de", "it"):
        assert said([event for event in events if event.to == to]) == EVERYTHING
    with interpreter.stream("en", ["de", "it"]) as session:
        for event in session.stream(endless([])):
            if isinstance(event, Commit):
                break
    interpreter.check_freed()


@pytest.mark.parametrize("targets", ["de", "German", language("de"), ["de"], (language("de"),)])
def test_one_language_needs_no_list(targets):
    with ScriptedInterpreter().stream("en", targets) as session:
        assert {event.to for event in of(Commit, session.stream(SPEECH))} == {"de"}


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (["de", "German"], "'de' and 'German' are both German"),
        (["de", "it", "de"], "both German"),
        ([language("de"), "de-AT"], "both German"),
        ("de,it,Deutsch", "both German"),
        (["de", "Klingonisch"], "Unknown language 'Klingonisch'"),
        (["de", "English"], "English is what is spoken"),
    ],
)
def test_languages_that_cannot_be_are_named(targets, told):
    with pytest.raises(UsageError, match=told):
        ScriptedInterpreter().stream("en", targets)


def test_notices_come_among_the_events():
    events = heard(np.zeros(16_000, np.float32))
    assert [event.kind for event in events if event.type == "notice"] == ["silent", "no_speech"]
    stereo = AudioSource(wav(SPEECH)[:-8000])
    assert "broken_off" in [e.kind for e in heard(stereo) if e.type == "notice"]


@pytest.mark.models
def test_with_real_models_both_ways_say_the_same(embedded_llm, embedded_whisper):
    interpreter = Interpreter(System("embedded"))
    path = "samples/fleurs-en-000.ogg"
    with interpreter.open("en-de") as session:
        events = untimed(session.stream(path))
    assert said(events).strip()
    assert untimed(asyncio.run(heard_async(path, interpreter))) == events
