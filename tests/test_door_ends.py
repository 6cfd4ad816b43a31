"""A stream that is ended from anywhere: its reader's loop ends, and nothing is freed in use."""

import asyncio
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from doors import EVERYTHING, SPEECH, Watching, endless
from sessions import said
from sounds import wav, write

from alignatt4llm import AudioSource, End
from alignatt4llm.audio.ahead import Ahead
from alignatt4llm.schedule import aside, streaming
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.translators.scripted import ScriptedDrafter


async def leave(session, events):
    await session.__aexit__()


async def close_in_a_thread(session, events):
    await asyncio.to_thread(events.close)


async def close_in_a_task(session, events):
    await asyncio.create_task(events.aclose())


async def close_twice(session, events):
    await events.aclose()
    await events.aclose()


ENDS = [leave, close_in_a_thread, close_in_a_task, close_twice]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("begun", [False, True])
def test_events_end_for_an_async_reader_once_the_stream_was_ended(end, begun):
    interpreter = Watching()

    async def read():
        session = interpreter.open("en-de")
        events = session.stream(endless([]))
        if begun:
            await anext(events)
        await end(session, events)
        return [event async for event in events]

    assert asyncio.run(asyncio.wait_for(read(), 20)) == []
    interpreter.check_freed()


@pytest.mark.parametrize("end", ["leave", "close", "close twice"])
@pytest.mark.parametrize("begun", [False, True])
def test_events_end_for_a_reader_once_the_stream_was_ended(end, begun):
    interpreter = Watching()
    session = interpreter.open("en-de")
    events = session.stream(endless([]))
    if begun:
        next(events)
    if end == "leave":
        session.__exit__()
    for _ in range({"leave": 0, "close": 1, "close twice": 2}[end]):
        events.close()
    assert list(events) == []
    interpreter.check_freed()


def test_an_event_that_is_waited_for_when_the_stream_ends_is_the_end():
    async def read():
        async with ScriptedInterpreter().open("en-de") as session:
            silence = asyncio.Event()

            async def silent():
                await silence.wait()
                yield SPEECH

            events = session.stream(silent())
            waiting = asyncio.create_task(anext(events, "end"))
            await asyncio.sleep(0.05)
        return await waiting

    assert asyncio.run(asyncio.wait_for(read(), 20)) == "end"


@pytest.mark.parametrize("end", ["leave", "close"])
def test_what_ends_the_stream_waits_for_the_step_of_a_reader_in_another_thread(end):
    """The engine must find itself open as long as it is at work."""
    inside, states = threading.Event(), []

    class Busy(ScriptedDrafter):
        closed = False

        def draft(self, *asked):
            inside.set()
            threading.Event().wait(0.3)
            states.append(self.closed)
            return super().draft(*asked)

        def close(self):
            self.closed = True

    read = []
    with ScriptedInterpreter(Busy).open("en-de") as session:
        events = session.stream(endless([]))
        reader = threading.Thread(target=lambda: read.extend(events))
        reader.start()
        assert inside.wait(20)
        if end == "close":
            events.close()
    at_the_end = list(states)
    reader.join(20)
    assert not reader.is_alive()
    assert at_the_end == states and not any(states)  # nothing was at work any more


def test_all_that_was_taken_is_had_after_the_end_of_taking():
    """The source is about to be asked for more when there is room for no more."""
    taken = []

    def blocks():
        for number in count():
            taken.append(number)
            yield np.full(16_000, number, np.float32)

    ahead = Ahead(blocks(), most=3)
    for _ in range(1000):
        if len(taken) >= 3:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    ahead.finish()
    assert [int(block[0]) for block in ahead] == taken


def test_stopping_says_what_is_live_and_beyond_the_step_in_progress(monkeypatch):
    """A step takes little here, so that the rest has been read ahead when the reader stops."""
    monkeypatch.setattr(streaming, "LONGEST", 0.1)
    read, over = threading.Event(), threading.Event()

    def speaks():
        yield from np.array_split(SPEECH, 40)
        read.set()
        over.wait(20)

    with Watching().open("en-de") as session:
        events, got = session.stream(AudioSource(speaks(), live=True)), []
        for event in events:
            assert read.wait(20)
            events.stop()
            got.append(event)
    over.set()
    assert isinstance(got[-1], End) and said(got) == EVERYTHING


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("end", [AudioSource.stop, AudioSource.close])
def test_a_source_that_was_ended_before_it_was_read_has_nothing(live, end):
    source = AudioSource((SPEECH for _ in range(100)), live=live)
    end(source)
    assert list(source) == []


@pytest.mark.parametrize("live", [False, True])
def test_a_source_that_is_closed_while_it_is_read_ends(live):
    closed = []
    source = AudioSource(endless(closed), live=live)
    for number, _ in enumerate(source):
        assert number < 3
        if number == 2:
            source.close()
    for _ in range(1000):
        if closed:
            break
        time.sleep(0.01)
    assert closed == [True]


OPEN = Path("/proc/self/fd")


def is_open(path):
    return any(number.resolve() == path for number in OPEN.iterdir())


@pytest.mark.skipif(not OPEN.is_dir(), reason="needs /proc")
@pytest.mark.parametrize("form", ["wav", "ogg", "mp3", "mp4"])
@pytest.mark.parametrize("after", [0, 1, 5, 1000])
def test_a_file_is_let_go_with_the_stream(form, after, tmp_path):
    path = tmp_path / "talk"
    write(str(path), SPEECH, form)
    with Watching().open("en-de") as session:
        source = AudioSource(path)
        events = session.stream(source)
        for number, _ in zip(range(after), events, strict=False):
            assert is_open(path) or number
    assert not is_open(path)


def test_a_file_that_nobody_reads_is_let_go_where_it_is_closed(tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(SPEECH))
    source = AudioSource(path)
    source.close()
    assert not is_open(path) and list(source) == []


class Sticks(Exception):
    pass


def sticky():
    try:
        while True:
            yield SPEECH
    finally:
        raise Sticks


def ends_badly():
    try:
        yield SPEECH
    finally:
        raise Sticks


def test_where_a_source_fails_when_it_is_left_that_is_told():
    interpreter = Watching()
    with pytest.raises(Sticks), interpreter.open("en-de") as session:
        events = session.stream(sticky())
        next(events)
        events.close()
    interpreter.check_freed()

    async def read():
        async with interpreter.open("en-de") as session:
            async for _ in session.stream(sticky()):
                break

    with pytest.raises(Sticks):
        asyncio.run(asyncio.wait_for(read(), 20))
    interpreter.check_freed()


@pytest.mark.parametrize("live", [False, True])
def test_where_a_source_fails_at_its_end_all_is_said_and_that_is_told(live):
    interpreter, events = Watching(), []
    with pytest.raises(Sticks), interpreter.open("en-de") as session:
        for event in session.stream(AudioSource(ends_badly(), live=live)):
            events.append(event)
    assert said(events) == EVERYTHING
    interpreter.check_freed()


def test_where_a_live_source_fails_when_it_is_left_nobody_waits():
    interpreter = Watching()
    with interpreter.open("en-de") as session:
        for _ in session.stream(AudioSource(sticky(), live=True)):
            break
    interpreter.check_freed()


def test_a_task_that_is_cancelled_before_the_work_has_begun_frees_the_session(monkeypatch):
    free = threading.Event()

    class Late(threading.Thread):
        def run(self):
            free.wait(20)
            super().run()

    monkeypatch.setattr(aside, "Thread", Late)
    interpreter = Watching()

    async def read():
        events = interpreter.open("en-de").stream(SPEECH)
        task = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        free.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(read())
    interpreter.check_freed()


def test_a_reader_who_waits_for_a_time_goes_on():
    """As the docs say: with a task, which nobody cancels."""

    async def read():
        begins = asyncio.Event()

        async def late():
            await begins.wait()
            yield SPEECH

        got = []
        async with Watching().open("en-de") as session:
            events = session.stream(late())
            while True:
                task = asyncio.create_task(anext(events, None))
                while not (await asyncio.wait({task}, timeout=0.01))[0]:
                    begins.set()
                if task.result() is None:
                    return got
                got.append(task.result())

    assert said(asyncio.run(asyncio.wait_for(read(), 20))) == EVERYTHING
