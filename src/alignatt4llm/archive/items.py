"""What is to be subtitled, what of it is to be made now, and what came of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alignatt4llm.text.languages import Language


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of an archive.

    Attributes
    ----------
    source
        An absolute path, or an address.
    name
        What its files are called in the folder of results, folders included, without suffix.
    spoken
        Its language; None where it is found out from the first speech.
    targets
        The languages of its subtitles.
    """

    source: str
    name: str
    spoken: Language | None
    targets: tuple[Language, ...]


@dataclass(frozen=True, slots=True)
class File:
    """One file that is to be written of a recording.

    Attributes
    ----------
    path
        Within the folder of results.
    format
        A name from `OUTPUTS`.
    to
        Code of its language; None for a format that holds all of them.
    stamp
        Stands for everything it is made from: settings, which recording it is, and how that is now.
    """

    path: str
    format: str
    to: str | None
    stamp: str


@dataclass(frozen=True, slots=True)
class Task:
    """A recording, and the files of it that are missing."""

    item: Item
    files: tuple[File, ...]

    @property
    def targets(self) -> tuple[Language, ...]:
        """The languages that these files need."""
        needed = {file.to for file in self.files}
        targets = self.item.targets
        return tuple(each for each in targets if None in needed or each.code in needed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task.

    Attributes
    ----------
    task
        That was done.
    texts
        What its files hold, by path; one in the language that turned out to be spoken is not made.
    audio_s, took_s
        Seconds of audio, and of work.
    notices
        What one should know about the recording.
    problem
        Why there are no texts, in a sentence; empty where there are.
    """

    task: Task
    texts: Mapping[str, str] = field(default_factory=dict)
    audio_s: float = 0.0
    took_s: float = 0.0
    notices: tuple[str, ...] = ()
    problem: str = ""


Pool = Callable[[Sequence[Task]], Iterator[Outcome]]
"""Does tasks and yields what came of each, in any order, each once."""
