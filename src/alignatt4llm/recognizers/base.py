"""The seam between a session and whatever turns audio into timed words."""

from typing import Protocol, runtime_checkable

from alignatt4llm.audio.samples import Samples
from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Recognition, Spoken


class Recognizer(Protocol):
    """An incremental speech recogniser for one stream.

    Word times are seconds since the stream began. Committed words are final and in order; the
    tail may change with every step. Memory is bounded however long the stream runs.
    """

    def feed(self, samples: Samples) -> Recognition:
        """Take the next stretch of audio and return what is known after it."""
        ...

    def finish(self) -> Recognition:
        """Say that the stream has ended; everything still pending is committed."""
        ...


class RecognizerEngine(Protocol):
    """A speech model in memory, shared by any number of streams."""

    def open(self, language: Language, hold_back: float) -> Recognizer:
        """Start recognising one stream.

        Parameters
        ----------
        language
            What is spoken.
        hold_back
            Seconds of audio that must follow a word before it may be committed.

        Raises
        ------
        UsageError
            If the model does not know the language.
        """
        ...


@runtime_checkable
class Detecting(Protocol):
    """A speech model that tells which language is spoken."""

    def detect(self, samples: Samples) -> Spoken | None:
        """Return the likeliest language of some seconds of speech; None if it cannot be told."""
        ...
