"""The system as a speech processor of SimulStream (Gaido et al. 2025).

Its inference command, its WebSocket server and its HTTP processor server load the class that a
YAML file names; see ``configs/simulstream``.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import ClassVar

from simulstream.server.speech_processors import SpeechProcessor
from simulstream.server.speech_processors.incremental_output import IncrementalOutput

from alignatt4llm.audio.samples import Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.simulstream_log import SPACE, tokens
from alignatt4llm.events import Commit, Event
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.machine.threads import prepare_environment
from alignatt4llm.schedule.feeder import AS_PUSHED, Feeder, Pushed
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair, language

_OF_SIMULSTREAM = ("type", "detokenizer_type", "latency_unit")


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """What the YAML file of a processor may say.

    Attributes
    ----------
    latency
        ``low``, ``medium`` or ``high``; it also sets how much audio a step takes.
    model, recognizer
        As for `Interpreter`.
    heads
        File with a head set, if none is shipped for the model.
    prompt
        ``auto``, ``chat`` or ``few-shot``.
    source, target
        Languages, unless the client says others.
    """

    latency: str = "medium"
    model: str = "embedded"
    recognizer: str = "embedded"
    heads: str | None = None
    prompt: str = "auto"
    source: str = "en"
    target: str | None = None

    def __post_init__(self) -> None:
        if self.latency not in LATENCIES:
            raise UsageError(f"latency is '{self.latency}'; it must be {', '.join(LATENCIES)}.")
        for name in filter(None, (self.source, self.target)):
            language(name)

    @classmethod
    def parse(cls, config: SimpleNamespace) -> "ProcessorSettings":
        """Read what SimulStream has read from YAML; raise UsageError at an unknown key."""
        known = [field.name for field in fields(cls)]
        given = {key: value for key, value in vars(config).items() if key not in _OF_SIMULSTREAM}
        for key in given:
            if key not in known:
                raise UsageError(f"There is no setting '{key}'. There are: {', '.join(known)}.")
        return cls(**given)


class AlignAttProcessor(SpeechProcessor):  # type: ignore[misc]
    """One stream at a time; all processors of a process share the models.

    Text is only ever added. Languages that a client sets hold from its next stream on, until
    `clear`.
    """

    _interpreters: ClassVar[dict[tuple[str, str], Interpreter]] = {}
    _loading: ClassVar[Lock] = Lock()

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__(config)
        self._settings = ProcessorSettings.parse(config)
        self._heads = load_head_set(Path(self._settings.heads)) if self._settings.heads else None
        self._session: Session | None = None
        self.clear()

    @classmethod
    def load_model(cls, config: SimpleNamespace) -> None:
        """Load the models that the settings name, once in a process.

        With a target language everything is there for the first stream; without one the
        recogniser is loaded when it begins.
        """
        processor = cls(config)
        if processor._target is None:
            cls._interpreter(processor._settings)
        else:
            processor._open().close()

    @property
    def speech_chunk_size(self) -> float:
        """Seconds of audio in a step."""
        return LATENCIES[self._settings.latency].chunk

    def set_source_language(self, language: str) -> None:
        """Choose what is spoken in the next stream."""
        self._source = language

    def set_target_language(self, language: str) -> None:
        """Choose what the next stream is translated into."""
        self._target: str | None = language

    def process_chunk(self, waveform: Samples) -> IncrementalOutput:
        """Take the next audio, float32 in [-1, 1] at 16 kHz, and return what is said now."""
        if self._session is None:
            self._session = self._open()
            self._fed = Pushed(Feeder(self._session, self.speech_chunk_size, AS_PUSHED))
        return self._said(list(self._fed.feed(waveform)))

    def end_of_stream(self) -> IncrementalOutput:
        """Return the rest of the translation."""
        events = list(self._fed.finish()) if self._session else []
        said = self._said(events)
        self._session = None
        return said

    def tokens_to_string(self, tokens: list[str]) -> str:
        """Join tokens to the text they stand for, a leading space included."""
        return "".join(tokens).replace(SPACE, " ")

    def clear(self) -> None:
        """Drop the stream, if one is open, and take the languages of the settings again."""
        if self._session is not None:
            self._session.close()
        self._session = None
        self._source, self._target = self._settings.source, self._settings.target

    @classmethod
    def _interpreter(cls, settings: ProcessorSettings) -> Interpreter:
        names = (settings.model, settings.recognizer)
        with cls._loading:
            if names not in cls._interpreters:
                prepare_environment()
                cls._interpreters[names] = Interpreter(System(*names, engine="transformers"))
            return cls._interpreters[names]

    def _open(self) -> Session:
        if self._target is None:
            raise UsageError(
                "No target language: write 'target: de' in the YAML file, or let the client say it."
            )
        pair = Pair(language(self._source), language(self._target))
        settings = self._settings
        return self._interpreter(settings).open(
            pair, settings.latency, heads=self._heads, prompt=settings.prompt
        )

    def _said(self, events: list[Event]) -> IncrementalOutput:
        text = "".join(event.text for event in events if isinstance(event, Commit))
        new = tokens(text, self._session.target.language) if self._session else []
        return IncrementalOutput(new, text, [], "")
