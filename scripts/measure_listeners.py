"""Measure listeners: how late they are told, and what each costs the server.

    python scripts/measure_listeners.py                 1,000 listeners, and one that never reads
    python scripts/measure_listeners.py --listeners 200

Starts a server that needs no models in a process of its own, lets one client speak, and reads
along. Lateness counts from when the first of all, the speaker included, had an event. Prints one
JSON object.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import psutil

from alignatt4llm.serve.descriptors import raise_limit

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from serve_harness import EVERYTHING, Client, free_port, speech, start_process
from test_watch_many import Listener, deaf

STEP, PAUSE = 3200, 0.1
"""Bytes of audio that are sent at once, and seconds between: as a microphone does."""


class Timed(Listener):
    """A listener that notes when each event came."""

    async def rest(self) -> tuple[str, dict[int, float]]:
        """Return what was said, and the times of its events."""
        text, times, number = "", {}, 0
        while line := await self.reader.readline():
            if line.startswith(b"id: "):
                number = int(line[4:])
                times[number] = time.monotonic()
            if line.startswith(b'data: {"parts"'):
                text += "".join(json.loads(line[6:])["parts"])
        return text, times


def memory(process: subprocess.Popen[str]) -> int:
    """Return the bytes that a process holds."""
    return int(psutil.Process(process.pid).memory_info().rss)


async def spoken(client: Client, audio: bytes) -> dict[int, float]:
    """Speak as fast as one does; return when the speaker had each event."""
    times: dict[int, float] = {}

    async def send() -> None:
        for start in range(0, len(audio), STEP):
            await client.say(audio[start : start + STEP])
            await asyncio.sleep(PAUSE)
        await client.say({"type": "end"})

    sending = asyncio.ensure_future(send())
    while (frame := await client.next())["type"] != "end":
        if "seq" in frame:
            times[frame["seq"]] = time.monotonic()
    await sending
    await client.socket.close()
    return times


async def measured(process: subprocess.Popen[str], port: int, count: int) -> dict[str, object]:
    """Return the figures of one run."""
    server = argparse.Namespace(port=port)
    client = await Client(port).open()
    session = client.hello["session"]
    before = memory(process)
    with deaf(server, session):
        listeners = [await Timed(server, session).open() for _ in range(count)]
        each = (memory(process) - before) / count
        reading = [asyncio.ensure_future(one.rest()) for one in listeners]
        times = await spoken(client, speech())
        heard = await asyncio.gather(*reading)
        after = (memory(process) - before) / count
    first = {n: min(times.get(n, at), *(t[n] for _, t in heard)) for n, at in heard[0][1].items()}
    late = [1000 * (at - first[n]) for _, found in heard for n, at in found.items()]
    return {
        "listeners": count,
        "told everything": sum(text == EVERYTHING for text, _ in heard),
        "late, median, ms": round(median(late), 1),
        "late, 99 %, ms": round(quantiles(late, n=100)[98], 1),
        "late, slowest, ms": round(max(late), 1),
        "memory a listener, KB": round(each / 1024, 1),
        "memory a listener in the end, KB": round(after / 1024, 1),
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--listeners", type=int, default=1000, metavar="N")
    count = parser.parse_args().listeners
    raise_limit()
    port = free_port()
    with TemporaryDirectory() as folder:
        process = start_process(Path(folder), port)
        try:
            print(json.dumps(asyncio.run(measured(process, port, count)), indent=2))
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
