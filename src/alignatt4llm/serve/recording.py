"""One uploaded recording on its way to an answer."""

from collections.abc import Generator
from contextlib import closing

from starlette.datastructures import UploadFile

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Notice
from alignatt4llm.outputs.base import Format
from alignatt4llm.schedule.feeder import Feeder, run
from alignatt4llm.schedule.timelines import Pulled
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.serve.answers import Asked
from alignatt4llm.serve.errors import BadAudio, TooLarge, Unsupported
from alignatt4llm.serve.hearing import Hearing
from alignatt4llm.serve.jobs import Job
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.upload import Wish
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.printable import one_line

_WARNINGS = 10
"""Warnings kept at most; they have to fit into a header."""


class Recording:
    """A recording, what is wanted of it, and what one should know about its sound.

    Parameters
    ----------
    registry
        Has the interpreter and the limits.
    job
        What becomes of it.
    wish
        What the client wants.
    file
        The recording.

    Attributes
    ----------
    media_type, streams
        Of the answer.
    warnings
        Sentences for the client, complete when all pieces are there.

    Raises
    ------
    Unsupported
        If the job cannot be done for these languages, or answered so.
    """

    def __init__(self, registry: Registry, job: Job, wish: Wish, file: UploadFile) -> None:
        self._registry, self._job, self._wish, self._file = registry, job, wish, file
        self._answer = wish.answer
        pair = Pair(wish.source, job.language(wish))
        segments = not wish.times or "segment" in wish.times
        asked = Asked(job.task, pair, segments, "word" in wish.times)
        try:
            self._form = wish.answer.format(asked)
        except AlignattError as problem:  # a format that holds no such language
            raise Unsupported(str(problem), "response_format") from problem
        self.media_type, self.streams = wish.answer.media_type, wish.stream
        self.warnings: list[str] = []

    def pieces(self) -> Generator[str, None, None]:
        """Yield what each step adds to the answer, often nothing.

        Raises
        ------
        BadAudio, TooLarge, Unsupported
            If it cannot be read, holds no audio, lasts too long, or is in an unknown language.
        """
        source, form = self._opened(), self._form
        timeline = Pulled(source, doing=self._registry.steps.step)
        chunk = LATENCIES[self._wish.latency].chunk
        yield form.begin()
        with closing(self._begun()) as session:
            told = [Notice("nearest", sentence) for sentence in self._wish.told]
            watch = Watch(self._wish.source, lambda: told + source.notices)
            for event in run(Feeder(session, chunk, longest=chunk, watch=watch), timeline):
                if isinstance(event, Notice):
                    yield self._warn(form, event)
                else:
                    yield form.add(event) if isinstance(event, self._answer.reads) else ""
                self._check_length(session.transcript.clock)
            if not session.transcript.samples:
                nothing = f"'{source.source}' holds no audio; send a longer recording."
                raise BadAudio(source.problem or nothing, "file")
        yield form.end() + form.footer

    def _opened(self) -> AudioSource:
        name = one_line(self._file.filename or "")[:80] or "recording"
        try:
            source = AudioSource(name, self._file.file)
        except UsageError as problem:
            raise BadAudio(str(problem), "file") from problem
        self._check_length(source.duration or 0.0)
        return source

    def _begun(self) -> Session | Hearing:
        with self._registry.steps.step():
            return self._job.open(self._wish)

    def _check_length(self, seconds: float) -> None:
        if seconds > (most := self._registry.limits.session):
            raise TooLarge(f"Recordings may last {most:g} s; this lasts longer.", "file")

    def _warn(self, form: Format, notice: Notice) -> str:
        """Take a warning once; return what it adds to the answer."""
        if notice.text in self.warnings or len(self.warnings) >= _WARNINGS:
            return ""
        self.warnings.append(notice.text)
        return form.add(notice)
