"""What a feeder and its surroundings tell each other: work to be done, and news of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from alignatt4llm.audio.samples import Samples
from alignatt4llm.events import Event
from alignatt4llm.session import Heard


class Work(Enum):
    """What a worker does."""

    RECOGNISE = "recognise"
    TRANSLATE = "translate"
    FINISH = "finish"


Result = Heard | Event
"""What comes of work: the recogniser says what was heard, the others say events."""

Call = Callable[[], Iterator[Result]]
"""Does a piece of work; its results come one by one."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Audio that came in."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Ended:
    """No more audio is taken: it is over, somebody stopped it, or it broke off."""

    problem: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Something that came of work that still goes on."""

    result: Result


@dataclass(frozen=True, slots=True)
class Done:
    """Work that is done."""

    work: Work


@dataclass(frozen=True, slots=True)
class Failed:
    """Work that ended with an error."""

    work: Work
    problem: BaseException


News = Arrived | Ended | Told | Done | Failed


class Timeline(Protocol):
    """Runs work beside the loop and says what happens next."""

    def start(self, work: Work, call: Call) -> None:
        """Begin work."""
        ...

    def next(self) -> Sequence[News]:
        """Wait, and return everything that has happened; nothing if nothing will by itself."""
        ...


class Streamed(Protocol):
    """What is fed: a `Session`, or something around one."""

    def listen(self, samples: Samples) -> Heard:
        """Recognise the next chunk."""
        ...

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Take in what was heard and yield what follows."""
        ...

    def finish(self) -> Iterator[Event]:
        """Yield the rest."""
        ...
