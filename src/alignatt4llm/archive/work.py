"""Recordings become subtitles: models that are loaded once, and one recording after another."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from alignatt4llm.archive.items import Outcome, Task
from alignatt4llm.archive.media import opened
from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import AlignattError, Tell, UsageError, silent
from alignatt4llm.events import Event, Notice
from alignatt4llm.files.named import local
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.outputs.base import Collected
from alignatt4llm.outputs.only import Alone
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.recognizers.base import Detecting
from alignatt4llm.schedule.feeder import Feeder, run
from alignatt4llm.schedule.first_speech import spoken_in
from alignatt4llm.schedule.lanes import Lanes
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.settings.fitting import fitted
from alignatt4llm.settings.latency import Latency
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Language, Pair
from alignatt4llm.text.printable import one_line


@dataclass(frozen=True, slots=True)
class Order:
    """How recordings are subtitled, whatever they are.

    Attributes
    ----------
    system, latency
        The models, and the setting of the dial.
    pairs
        Directions that are known to come.
    streams
        Into how many languages one recording is translated, at most.
    rules, with_source
        As for `Style.of`.
    track, channel
        As for `AudioSource`.
    """

    system: System
    latency: Latency
    pairs: tuple[Pair, ...]
    streams: int = 1
    rules: str = "netflix"
    with_source: bool = False
    track: int | None = None
    channel: str = "mix"

    def output(self, form: str, pairs: Sequence[Pair], to: str | None) -> Collected:
        """Return what collects one file; raise AlignattError if it cannot hold the language."""
        pair = next((pair for pair in pairs if pair.target.code == to), pairs[0])
        style = Style.of(pair, self.rules, self.with_source, final=True)
        made = OUTPUTS[form].format(style)
        return Collected(made if OUTPUTS[form].for_all else Alone(made))


class Worker:
    """Models in memory, and what is done with them.

    Parameters
    ----------
    order
        What to do.
    tell
        Is told what is being prepared.

    Raises
    ------
    AlignattError
        As for `Interpreter`.
    """

    def __init__(self, order: Order, tell: Tell = silent) -> None:
        self._order = order
        directions, count = [str(pair) for pair in order.pairs], order.streams
        system = fitted(
            order.system, order.latency.chunk, pairs=directions, targets=count, live=False,
            tell=tell,
        )  # fmt: skip
        wanted = () if system.heads else order.pairs
        self._interpreter = Interpreter(system, tell, streams=count, pairs=wanted)
        self._lanes: Lanes | None = None
        self._stopped = False

    def __call__(self, task: Task) -> Outcome:
        """Do a task; whatever goes wrong with it is its own problem."""
        began = time.monotonic()
        try:
            done = self._subtitled(task)
        except AlignattError as error:
            done = Outcome(task, problem=str(error))
        except MemoryError:
            name = task.item.source
            done = Outcome(task, problem=f"There is not enough memory for '{name}'.")
        except Exception as error:
            kind = type(error).__name__
            done = Outcome(task, problem=f"'{task.item.source}' has failed: {kind}: {error}")
        took = time.monotonic() - began
        return replace(done, took_s=took, problem=_sentence(done.problem))

    def stop(self) -> None:
        """Take no more audio of the recording in work; a signal handler may call it."""
        self._stopped = True
        if self._lanes:
            self._lanes.stop()

    def _subtitled(self, task: Task) -> Outcome:
        item, order = task.item, self._order
        with opened(item.source, item.spoken, order.track, order.channel) as source:
            spoken, blocks, told = self._heard(item.spoken, source)
            pairs = [Pair(spoken, each) for each in task.targets if each != spoken]
            if not pairs:
                raise UsageError(
                    f"In '{item.source}' {spoken.name} is spoken; name another language with --to."
                )
            codes = {pair.target.code for pair in pairs}
            outputs = {
                file.path: order.output(file.format, pairs, file.to)
                for file in task.files
                if file.to is None or file.to in codes
            }
            samples, notices = self._collect(source, blocks, pairs, told, outputs)
            if not samples:
                nothing = f"'{item.source}' holds no audio; there is nothing to subtitle."
                raise UsageError(source.problem or nothing)
            if local(item.source) is None and (early := source.broken_off):
                raise UsageError(early)
        texts = {path: output.whole() for path, output in outputs.items()}
        return Outcome(task, texts, samples / SAMPLE_RATE, notices=tuple(notices))

    def _collect(
        self,
        source: AudioSource,
        blocks: Iterable[Samples],
        pairs: Sequence[Pair],
        told: Sequence[Notice],
        outputs: Mapping[str, Collected],
    ) -> tuple[int, list[str]]:
        """Fill outputs; return how many samples there were, and what was noticed."""
        spoken, into = pairs[0].source, [pair.target for pair in pairs]
        latency, heads = self._order.latency, self._interpreter.system.heads
        notices: list[str] = []
        with closing(self._interpreter.stream(spoken, into, latency, heads=heads)) as stream:
            watch = Watch(spoken, lambda: [*told, *source.notices])
            feeder = Feeder(stream, latency.chunk, longest=latency.chunk, watch=watch)
            for event in self._events(feeder, blocks):
                if isinstance(event, Notice):
                    notices.append(one_line(event.text))
                for output in outputs.values():
                    output.write(event)
            return stream.samples, notices

    def _events(self, feeder: Feeder, blocks: Iterable[Samples]) -> Iterator[Event]:
        with Lanes(blocks) as self._lanes:
            if self._stopped:
                self._lanes.stop()
            yield from run(feeder, self._lanes)
        self._lanes = None

    def _heard(
        self, spoken: Language | None, source: AudioSource
    ) -> tuple[Language, Iterator[Samples], list[Notice]]:
        """Return what is spoken, the audio, and what is to be said of that."""
        if spoken:
            return spoken, iter(source), []
        ears = self._interpreter.ears
        if not isinstance(ears, Detecting):
            name = self._interpreter.system.recognizer
            raise UsageError(
                f"The recogniser '{name}' cannot tell which language is spoken; give it with "
                "--from."
            )
        found, blocks, notice = spoken_in(source, ears.detect)
        return found, blocks, [notice]


def _sentence(text: str) -> str:
    line = one_line(text)
    return f"{line}." if line and line[-1] not in ".!?。" else line


class Here:
    """A pool of this process alone: the models are loaded when there is something to do.

    Parameters
    ----------
    order, tell
        As for `Worker`.
    begin
        Is told of each task before it is begun.
    """

    def __init__(
        self, order: Order, tell: Tell = silent, begin: Callable[[Task], None] = lambda _: None
    ) -> None:
        self._order, self._tell, self._begin = order, tell, begin
        self._worker: Worker | None = None
        self._stopped = False

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do tasks one after another; one that is stopped is dropped."""
        for task in tasks:
            if self._worker is None and not self._stopped:
                self._worker = Worker(self._order, self._tell)
            if self._worker is None or self._stopped:  # maybe while it was loading
                return
            self._begin(task)
            outcome = self._worker(task)
            if not self._stopped:
                yield outcome

    def stop(self) -> None:
        """Drop the recording in work and begin no other; a signal handler may call it."""
        self._stopped = True
        if self._worker:
            self._worker.stop()
