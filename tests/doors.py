"""Sessions without weights, streamed to, and what shows whether anything is left of them."""

import asyncio
import threading
import time
from dataclasses import replace

from sessions import Watched

from alignatt4llm import Commit, End
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.translators.scripted import ScriptedDrafter

WORDS = range(10)
SPEECH = tones(WORDS)
EVERYTHING = " ".join(SCRIPT[:10]).upper()


class Watching(ScriptedInterpreter):
    """Remembers what it opened, to see what becomes of it."""

    def __init__(self, drafter=ScriptedDrafter):
        self.drafters = []
        super().__init__(lambda: self._watched(drafter))

    def _watched(self, drafter):
        self.drafters.append(Watched(drafter()))
        return self.drafters[-1]

    def check_freed(self):
        """No thread runs any more and no session is open."""
        assert self.drafters and all(drafter.closed for drafter in self.drafters)
        names = {"stream", "audio", "audio-ahead"}
        for _ in range(1000):
            left = [t.name for t in threading.enumerate() if t.name in names or "lane-" in t.name]
            if not left:
                return
            time.sleep(0.01)
        raise AssertionError(left)


def untimed(events):
    """The events without what depends on the clock of the machine."""
    return [
        replace(event, wall_s=0, **({"rtf": 0, "peak_memory_mb": 0, "elapsed": ()} if end else {}))
        if (end := isinstance(event, End)) or isinstance(event, Commit)
        else event
        for event in events
    ]


def heard(audio, interpreter=None):
    with (interpreter or ScriptedInterpreter()).open("en-de") as session:
        return untimed(session.stream(audio))


async def heard_async(audio, interpreter=None):
    interpreter = interpreter or ScriptedInterpreter()
    async with await asyncio.to_thread(interpreter.open, "en-de") as session:
        return untimed([event async for event in session.stream(audio)])


async def each(blocks):
    for block in blocks:
        await asyncio.sleep(0)
        yield block


EXPECTED = heard(SPEECH)


def endless(closed):
    try:
        while True:
            yield SPEECH
    finally:
        closed.append(True)
