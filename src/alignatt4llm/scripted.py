"""An interpreter without weights: for tests, and for building clients of the server."""

from collections.abc import Callable, Sequence

from alignatt4llm.interpreter import Interpreter
from alignatt4llm.recognizers.tones import SCRIPT, ToneEngine
from alignatt4llm.settings.system import System
from alignatt4llm.translators.base import Drafter
from alignatt4llm.translators.scripted import ScriptedDrafter, ScriptedTranslator


class ScriptedInterpreter(Interpreter):
    """Hears tones (`recognizers.tones`) and translates every word into itself in capitals.

    Parameters
    ----------
    drafter
        Makes what drafts for each session.
    script
        What the tones say.
    """

    def __init__(
        self,
        drafter: Callable[[], Drafter] = ScriptedDrafter,
        script: Sequence[str] = SCRIPT,
    ) -> None:
        super().__init__(System("scripted", "scripted", "scripted"))
        self.translator = ScriptedTranslator(drafter)
        self._ears = ToneEngine(script)
