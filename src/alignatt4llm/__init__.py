"""Simultaneous speech translation with decoder-only LLMs, timed by their own attention.

The names below are what programs need: an `Interpreter` opens a `Session`, which streams an
`AudioSource` and says events; what goes wrong is an `AlignattError`. They are loaded when they are
first used.

Examples
--------
>>> from alignatt4llm import Commit, Interpreter
>>> interpreter = Interpreter()
>>> with interpreter.open("en-de") as session:
...     for event in session.stream("talk.mp4"):
...         if isinstance(event, Commit):
...             print(event.text, end="", flush=True)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignatt4llm.audio.decode import AudioSource
    from alignatt4llm.errors import AlignattError, UsageError
    from alignatt4llm.events import (
        Close,
        Commit,
        End,
        Event,
        Notice,
        Piece,
        Preview,
        Source,
        SourceWord,
        TargetState,
        TokenTrace,
        Trace,
        from_json,
        to_json,
    )
    from alignatt4llm.interpreter import Interpreter
    from alignatt4llm.recognizers.scripted import ScriptedRecognizer
    from alignatt4llm.schedule.streaming import Events
    from alignatt4llm.scripted import ScriptedInterpreter
    from alignatt4llm.session import Session
    from alignatt4llm.settings.system import System
    from alignatt4llm.stream import Stream
    from alignatt4llm.text.languages import Pair
    from alignatt4llm.transcript import Recognition
    from alignatt4llm.translators.scripted import ScriptedDrafter

_HOMES = {
    "audio.decode": ("AudioSource",),
    "errors": ("AlignattError", "UsageError"),
    "events": (
        *("Close", "Commit", "End", "Event", "Notice", "Piece", "Preview", "Source"),
        *("SourceWord", "TargetState", "TokenTrace", "Trace", "from_json", "to_json"),
    ),
    "interpreter": ("Interpreter",),
    "recognizers.scripted": ("ScriptedRecognizer",),
    "schedule.streaming": ("Events",),
    "scripted": ("ScriptedInterpreter",),
    "session": ("Session",),
    "settings.system": ("System",),
    "stream": ("Stream",),
    "text.languages": ("Pair",),
    "transcript": ("Recognition",),
    "translators.scripted": ("ScriptedDrafter",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AlignattError",
    "AudioSource",
    "Close",
    "Commit",
    "End",
    "Event",
    "Events",
    "Interpreter",
    "Notice",
    "Pair",
    "Piece",
    "Preview",
    "Recognition",
    "ScriptedDrafter",
    "ScriptedInterpreter",
    "ScriptedRecognizer",
    "Session",
    "Source",
    "SourceWord",
    "Stream",
    "System",
    "TargetState",
    "TokenTrace",
    "Trace",
    "UsageError",
    "from_json",
    "to_json",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
