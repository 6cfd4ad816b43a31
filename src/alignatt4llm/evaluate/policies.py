"""The policies that can be measured, each as a system built on one loaded model."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from alignatt4llm.evaluate.corpus import Recording
from alignatt4llm.evaluate.systems import Live, Offline, System
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.languages import Pair
from alignatt4llm.latency import LATENCIES
from alignatt4llm.policy.base import Policy
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.session import Session

_PACKAGES = ("alignatt4llm", "torch", "transformers", "faster-whisper")


@dataclass(frozen=True, slots=True)
class Setup:
    """What all policies of a comparison share."""

    interpreter: Interpreter
    pair: Pair
    latency: str
    heads: HeadSet
    prompt: str


def live(setup: Setup, policy: Policy | None = None) -> System:
    """Return sessions that decide by ``policy``, AlignAtt by default.

    Where a recording has no audio, its timed text stands in for the recogniser.
    """

    def make_session(recording: Recording) -> Session:
        return setup.interpreter.open(
            setup.pair,
            setup.latency,
            heads=setup.heads,
            prompt=setup.prompt,
            policy=policy,
            recognizer=None if recording.audio else TimedTextRecognizer(recording.words),
        )

    return Live(make_session, LATENCIES[setup.latency].chunk, setup.pair.target, time.monotonic)


def offline(setup: Setup) -> System:
    """Return the same model translating whole segments."""
    translator = setup.interpreter.translator
    return Offline(
        translator.open(setup.pair, setup.heads),
        translator.prompt_form(setup.pair, setup.prompt),
        setup.pair.target,
        time.monotonic,
    )


POLICIES: dict[str, Callable[[Setup], System]] = {"alignatt": live, "offline": offline}
"""By the name that ``--policy`` takes."""


def settings(setup: Setup, policy: str, recordings: Sequence[Recording]) -> dict[str, Any]:
    """Describe everything a run's figures depend on, apart from model and data."""
    described: dict[str, Any] = {"pair": str(setup.pair), "policy": policy, "prompt": setup.prompt}
    if policy != "offline":
        heads = {"heads": setup.heads.heads, "row": setup.heads.row}
        described["latency"] = setup.latency
        described["settings"] = asdict(LATENCIES[setup.latency])
        described["heads"] = {**heads, "renormalise": setup.heads.renormalise}
        described["timed_text"] = not any(recording.audio for recording in recordings)
    described["hardware"] = f"{platform.machine()}, {os.cpu_count()} CPUs"
    described["threads"] = setup.interpreter.threads
    described["versions"] = {name: _version(name) for name in _PACKAGES}
    return described


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
