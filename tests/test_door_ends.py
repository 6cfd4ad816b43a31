"""A stream that is ended from anywhere: its reader's loop ends, and nothing is freed in use."""

import asyncio
import threading

import pytest
from doors import SPEECH, Watching, endless

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
