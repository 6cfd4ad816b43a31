"""The systems that can be measured: AlignAtt, its rivals, and offline translation."""

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from alignatt4llm.evaluate.corpus import Recording
from alignatt4llm.evaluate.names import OFFLINE
from alignatt4llm.evaluate.systems import Live, Offline, System
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.machine.device import Device
from alignatt4llm.machine.packages import installed
from alignatt4llm.policy.base import Policy
from alignatt4llm.policy.table import make_policy
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.recognizers.heard import HeardTextRecognizer, Hearing
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import Latency
from alignatt4llm.text.languages import Pair

_PACKAGES = ("alignatt4llm", "torch", "transformers", "xllamacpp", "faster-whisper")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of the models: what figures depend on, apart from these and the recordings.

    Attributes
    ----------
    pair
        Direction.
    policy
        Name of the policy with its number, as in ``wait-k:5``.
    settings
        The dial's setting, changed or not.
    heads
        Head set.
    prompt
        ``auto``, ``chat`` or ``few-shot``.
    hearing
        How a timed text is heard where there is no audio; None for perfectly.
    """

    pair: Pair
    policy: str
    settings: Latency
    heads: HeadSet
    prompt: str
    hearing: Hearing | None

    def __post_init__(self) -> None:
        if self.policy != OFFLINE:
            self.make_policy()

    def make_policy(self) -> Policy:
        """Return the policy for one stream."""
        return make_policy(self.policy, self.heads, self.settings.policy, self.pair.target)

    def described(self) -> dict[str, Any]:
        """Describe it for the manifest of a run."""
        described: dict[str, Any] = {
            "pair": str(self.pair),
            "policy": self.policy,
            "prompt": self.prompt,
        }
        if self.policy != OFFLINE:
            heads = asdict(replace(self.heads, ranking=(), origin={}))
            described |= {"settings": asdict(self.settings), "heads": heads}
            described["hearing"] = asdict(self.hearing) if self.hearing else None
        return described


@dataclass(frozen=True, slots=True)
class Setup:
    """One system: the models, and what is wanted of them."""

    interpreter: Interpreter
    wanted: Wanted

    def system(self) -> System:
        """Return what translates a recording."""
        wanted = self.wanted
        if wanted.policy == OFFLINE:
            return self._offline()
        return Live(self._session, wanted.settings.chunk, wanted.pair, time.monotonic)

    def _session(self, recording: Recording, now: Callable[[], float]) -> Session:
        wanted = self.wanted
        return self.interpreter.open(
            wanted.pair,
            wanted.settings,
            heads=wanted.heads,
            prompt=wanted.prompt,
            policy=wanted.make_policy(),
            recognizer=None if recording.audio else self._timed(recording),
            now=now,
        )

    def _timed(self, recording: Recording) -> Recognizer:
        """Let timed text stand in for a recogniser."""
        words, hearing = recording.words(self.wanted.pair.source), self.wanted.hearing
        hold_back = self.wanted.settings.hold_back
        if hearing is None:
            return TimedTextRecognizer(words, hold_back)
        return HeardTextRecognizer(words, hold_back, hearing)

    def _offline(self) -> Offline:
        wanted, translator = self.wanted, self.interpreter.translator
        form = self.interpreter.prompt_form(wanted.pair, wanted.prompt)
        heads = wanted.heads
        return Offline(
            lambda: translator.open(wanted.pair, heads), form, wanted.pair, time.monotonic
        )

    @property
    def machine(self) -> dict[str, Any]:
        """Describe for the manifest of a run where it is made."""
        described: dict[str, Any] = {"hardware": f"{platform.machine()}, {os.cpu_count()} CPUs"}
        with suppress(ImportError):  # without torch there is but the CPU
            described["device"] = asdict(Device.best())
        described["threads"] = self.interpreter.threads
        described["versions"] = {name: installed(name) for name in _PACKAGES}
        return described
