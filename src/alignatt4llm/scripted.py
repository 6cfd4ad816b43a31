"""An interpreter without weights: for tests, and for building clients of the server."""

import time
from collections.abc import Callable, Sequence

from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.context import Context
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.recognizers.tones import SCRIPT, ToneRecognizer
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.settings.latency import LATENCIES, Latency
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Drafter
from alignatt4llm.translators.scripted import ScriptedDrafter


class ScriptedInterpreter:
    """Hears tones (`recognizers.tones`) and translates every word into itself in capitals.

    Parameters
    ----------
    drafter
        Makes what drafts for each session.
    now
        Wall clock of the sessions, in seconds.
    script
        What the tones say.
    """

    name = "scripted"
    pairs = ("en-de", "en-it", "en-zh")

    def __init__(
        self,
        drafter: Callable[[], Drafter] = ScriptedDrafter,
        now: Callable[[], float] = time.monotonic,
        script: Sequence[str] = SCRIPT,
    ) -> None:
        self._drafter = drafter
        self._now = now
        self._script = script

    def open(
        self,
        pair: Pair,
        latency: str | Latency = "medium",
        *,
        context: Context | None = None,
        recognizer: Recognizer | None = None,
        settings: SessionSettings | None = None,
    ) -> Session:
        """Start a session; see `Interpreter.open`."""
        chosen = LATENCIES[latency] if isinstance(latency, str) else latency
        form = FewShotPrompt(pair)
        return Session(
            recognizer or ToneRecognizer(self._script),
            self._drafter(),
            AlignAtt(HeadSet(self.name, str(pair), ((0, 0),)), chosen.policy),
            form,
            pair,
            settings or chosen.session,
            self._now,
            context,
        )
