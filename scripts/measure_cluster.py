"""Measure a cluster on this machine: how late sessions are, and what the simulation says of it.

    python scripts/measure_cluster.py                     4, 8 and 16 sessions, a minute each
    python scripts/measure_cluster.py --costs costs.json  keep the costs, for simulate_cluster.py

Two nodes with two session and two engine replicas and the scripted engine, whose passes and steps
take a known time; clients speak through WebSockets at the pace of speech. One session on the plain
server and one in the cluster, at the same time, say what the cluster adds; with that, and the
known times, the simulation predicts the rest. How late: from when a chunk of audio was sent until
a commit came that follows from it. Prints Markdown, in milliseconds.
"""

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from sys import path as places_of_modules
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing

os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
places_of_modules.insert(0, str(Path(__file__).parent.parent / "tests"))

import ray
from ray import serve
from ray.cluster_utils import Cluster
from serve_harness import Client, free_port, s16le, start_process

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.cluster.app import NAME, application
from alignatt4llm.cluster.settings import ClusterSettings
from alignatt4llm.cluster.simulation.costs import Costs, Feeds
from alignatt4llm.cluster.simulation.ring import Ring
from alignatt4llm.cluster.simulation.shapes import Shape
from alignatt4llm.cluster.simulation.simulate import Simulation
from alignatt4llm.recognizers import tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators import scripted
from alignatt4llm.translators.scripted import ScriptedDrafter

PIECE = 0.1
CHUNK = LATENCIES["medium"].chunk
PERCENTS = (50, 95, 99)
SEEDS = 40
"""Simulations of which each prediction is the whole."""


def spoken(seconds: float) -> Samples:
    """Return the script, said again and again for so long."""
    once = tones.tones(range(len(tones.SCRIPT)))
    return np.resize(once, round(seconds * SAMPLE_RATE)).astype(np.float32)


def replayed(seconds: float) -> list[list[Feeds]]:
    """Return the drafts that a session makes of each chunk."""
    made: list[Feeds] = []

    class Noted(ScriptedDrafter):
        def draft(self, *arguments: Any, **named: Any) -> Any:
            draft = super().draft(*arguments, **named)
            made.append((1,) * max(1, len(draft.ids)))
            return draft

    session, size = ScriptedInterpreter(Noted).open(Pair.parse("en-de")), round(CHUNK * SAMPLE_RATE)
    audio, chunks = spoken(seconds), []
    for start in range(0, len(audio) - size + 1, size):
        made.clear()
        list(session.feed(audio[start : start + size]))
        chunks.append([*made])
    return chunks


class Speaker:
    """A client that speaks at the pace of speech and notes how late commits are.

    Parameters
    ----------
    port
        Of the server.
    audio
        What it says, as ``s16le``.
    """

    def __init__(self, port: int, audio: bytes) -> None:
        self._client, self._audio = Client(port), audio
        self._sent: list[float] = []
        self.lags: list[float] = []

    async def speak(self, begin: float) -> None:
        """Begin at a time of `time.monotonic`, and say everything."""
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        await self._client.open()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen())
            both.create_task(self._say(begin))
        await self._client.socket.close()

    async def _say(self, begin: float) -> None:
        size = round(2 * SAMPLE_RATE * PIECE)
        for number, start in enumerate(range(0, len(self._audio), size), start=1):
            await asyncio.sleep(max(0.0, begin + number * PIECE - time.monotonic()))
            self._sent.append(time.monotonic())
            await self._client.say(self._audio[start : start + size])
        await asyncio.sleep(8 * CHUNK)  # what is late comes in this time
        await self._client.say({"type": "end"})

    async def _listen(self) -> None:
        """Note every commit, for each chunk of the step that it comes of."""
        before = now = 0
        while (frame := await self._client.next())["type"] != "end":
            if frame["type"] == "source":
                before, now = now, round(frame["audio_s"] / CHUNK)
            elif frame["type"] == "commit" and now * round(CHUNK / PIECE) <= len(self._sent):
                there = [
                    self._sent[n * round(CHUNK / PIECE) - 1] for n in range(before + 1, now + 1)
                ]
                self.lags += [time.monotonic() - sent for sent in there]


Lags = np.typing.NDArray[np.floating[Any]]


async def measured(ports: Sequence[int], begins: Sequence[float], audio: bytes) -> list[Lags]:
    """Return the lags of sessions that begin so many seconds from now."""
    now = time.monotonic() + 1.0
    speakers = [Speaker(port, audio) for port in ports]
    both = zip(speakers, begins, strict=True)
    await asyncio.gather(*(speaker.speak(now + begin) for speaker, begin in both))
    return [np.array(speaker.lags) for speaker in speakers]


def predicted(costs: Costs, begins: Sequence[float], seconds: float) -> list[Lags]:
    """Return the lags that the simulation has for these sessions, placed by chance each time."""
    shape = Shape(machines=2, places=len(begins), streams=8, chunk=CHUNK)
    runs = [Simulation(shape, costs, begins, seconds, Ring, seed=seed) for seed in range(SEEDS)]
    return [run.run().lags for run in runs]


@contextmanager
def cluster(folder: Path, port: int) -> Iterator[None]:
    """Have the application run on two nodes of this machine."""
    node = {"num_cpus": 2, "object_store_memory": 100 * 2**20}
    nodes = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        nodes.add_node(**node)
        ray.init(address=nodes.address, namespace="alignatt", log_to_driver=False)
        serve.start(http_options={"host": "127.0.0.1", "port": port, "location": "HeadOnly"})
        settings = ClusterSettings(
            System("scripted", "scripted", "scripted"),
            folder,
            places=64,
            session_replicas=(2, 2),
            engine_replicas=(2, 2),
            session_cpus=0.5,
            engine_cpus=0.5,
        )
        serve.run(application(settings), name=NAME, route_prefix="/")
        yield
    finally:
        ray.shutdown()
        nodes.shutdown()


def ms(lags: Lags, *percents: float) -> list[float]:
    """Return percentiles in milliseconds."""
    return [round(1000 * float(lag), 1) for lag in np.percentile(lags, percents)]


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def calibrated(costs: Costs, port: int, plain: int, seconds: float) -> Costs:
    """Measure one session on the plain server and one in the cluster; return what they add."""
    audio = s16le(spoken(seconds))
    alone, here = asyncio.run(measured([plain, port], [0.0, CHUNK / 2], audio))
    row("one session", "median", "99 %")
    row("---", "---:", "---:")
    row("plain server", *ms(alone, 50, 99))
    row("cluster", *ms(here, 50, 99))
    row(
        "added",
        *(round(b - a, 1) for a, b in zip(ms(alone, 50, 99), ms(here, 50, 99), strict=True)),
    )
    print()
    least = float(np.median(np.concatenate(predicted(costs, [0.0], seconds))))
    way = max(0.0, float(np.median(alone)) - least) / 2
    return replace(costs, way=way, call=max(0.0, float(np.median(here) - np.median(alone))))


def compare(costs: Costs, port: int, sizes: Sequence[int], seconds: float) -> None:
    """Measure and predict some numbers of sessions, and print both."""
    audio = s16le(spoken(seconds))
    each = (cell for name in PERCENTS for cell in (f"{name} %", "simulated", "ratio"))
    row("sessions", *each, "medians of eight simulations in ten")
    row(*["---:"] * (2 + 3 * len(PERCENTS)))
    for size in sizes:
        chance = random.Random(size)
        begins = [chance.random() * 5 * CHUNK for _ in range(size)]
        lags = np.concatenate(asyncio.run(measured([port] * size, begins, audio)))
        runs = predicted(costs, begins, seconds)
        real, said = ms(lags, *PERCENTS), ms(np.concatenate(runs), *PERCENTS)
        both = [cell for r, s in zip(real, said, strict=True) for cell in (r, s, round(s / r, 2))]
        least, most = np.percentile([ms(run, 50) for run in runs], [10, 90])
        row(size, *both, f"{least:.0f} to {most:.0f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[4, 8, 16], metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each speaks")
    parser.add_argument("--pass", type=float, default=0.03, dest="base", help="seconds of a pass")
    parser.add_argument("--token", type=float, default=0.015, help="seconds of a token more in it")
    parser.add_argument("--step", type=float, default=0.06, help="seconds of the recogniser a step")
    parser.add_argument("--costs", type=Path, metavar="FILE", help="write the costs, as JSON")
    asked = parser.parse_args()
    os.environ[scripted.COST] = f"{asked.base}+{asked.token}"
    os.environ[tones.COST] = str(asked.step)
    passes = {tokens: asked.base + tokens * asked.token for tokens in (1, 2)}
    costs = Costs(passes, replayed(asked.seconds), recognise=asked.step)
    with TemporaryDirectory() as folder:
        port, plain = free_port(), free_port()
        process = start_process(Path(folder, "plain"), plain)
        try:
            with cluster(Path(folder, "cluster"), port):
                costs = calibrated(costs, port, plain, asked.seconds)
                compare(costs, port, asked.sessions, asked.seconds)
        finally:
            process.terminate()
            process.wait(30)
    if asked.costs:
        asked.costs.write_text(json.dumps(costs.written(), indent=1), "utf-8")


if __name__ == "__main__":
    main()
