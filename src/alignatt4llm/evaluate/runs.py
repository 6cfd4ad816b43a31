"""Runs of a system over recordings, written to a folder that can be resumed and scored."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alignatt4llm.errors import AlignattError, Tell, UsageError
from alignatt4llm.evaluate.commits import commit
from alignatt4llm.evaluate.corpus import Recording, Segment
from alignatt4llm.evaluate.hypothesis import Hypothesis, append_hypothesis, read_hypotheses
from alignatt4llm.evaluate.simulstream_log import simulstream_log
from alignatt4llm.evaluate.systems import System
from alignatt4llm.files.reading import read_json
from alignatt4llm.files.writing import write_whole
from alignatt4llm.outputs.base import Collected, Output
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.text.languages import Pair

FILES = ("manifest.json", "recordings.json", "hypothesis.jsonl", "simulstream.jsonl")
"""What a run's folder holds, besides its events."""

Manifest = dict[str, Any]
"""What was run: pair, policy, settings, model, versions; ``pair`` is always there, and
``commits`` says which states of the code made it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, read from its folder."""

    folder: Path
    manifest: Manifest
    recordings: tuple[Recording, ...]
    hypotheses: tuple[Hypothesis, ...]

    @property
    def pair(self) -> Pair:
        """Its translation direction."""
        return Pair.parse(self.manifest["pair"])

    @property
    def events(self) -> list[Path]:
        """The file of events of each recording; another system's run has none."""
        return [self.folder / "events" / f"{entry.name}.jsonl" for entry in self.recordings]

    @property
    def segments(self) -> list[Segment]:
        """Every segment of every recording."""
        return [segment for recording in self.recordings for segment in recording.segments]


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to be made: where to, of what, by which system (opened for each recording)."""

    folder: Path
    manifest: Manifest
    recordings: Sequence[Recording]
    system: Callable[[], System]


@dataclass(frozen=True, slots=True)
class Asked:
    """A recording of one of several plans, by their number and its name."""

    plan: int
    recording: str


Way = Callable[[Sequence[Asked]], Iterator[tuple[Asked, Hypothesis]]]
"""Translates recordings, writes their events, and yields what was said of each, in any order."""


def run(plans: Sequence[Plan], jobs: int, tell: Tell) -> None:
    """Translate every recording that the plans' folders do not hold yet, ``jobs`` at a time.

    See `take_up`.

    Raises
    ------
    UsageError
        If a folder holds a run of something else.
    """

    def translate(asked: Asked) -> tuple[Asked, Hypothesis]:
        plan = plans[asked.plan]
        with _events(events_file(plan, asked.recording), style(plan)) as events:
            return asked, translated(plan, asked.recording, events)

    def here(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Hypothesis]]:
        with ThreadPoolExecutor(jobs) as pool:
            running = [pool.submit(translate, each) for each in asked]
            try:
                for done in as_completed(running):
                    yield done.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    take_up(plans, here, tell)


def take_up(plans: Sequence[Plan], way: Way, tell: Tell) -> None:
    """Bring runs to their end, whatever of them is there.

    Writes ``manifest.json``, ``recordings.json``, ``hypothesis.jsonl`` (one line a recording, when
    it is finished) and ``events/NAME.jsonl`` into each folder, and when it is whole the log
    ``simulstream.jsonl``.

    Raises
    ------
    UsageError
        If a folder holds a run of something else.
    """
    tasks = [
        Asked(number, recording.name)
        for number, plan in enumerate(plans)
        for recording in _missing(plan)
    ]
    for finished, (asked, hypothesis) in enumerate(way(tasks), start=1):
        folder = plans[asked.plan].folder
        append_hypothesis(folder / "hypothesis.jsonl", hypothesis)
        factor = hypothesis.processing / hypothesis.source_length
        tell(
            f"[{finished}/{len(tasks)}] {folder.name} {asked.recording}: "
            f"{len(hypothesis.delays)} units, {factor:.2f} x real time"
        )
    for plan in plans:
        whole = read_run(plan.folder)
        log = simulstream_log(whole.hypotheses, whole.pair.target)
        _write_whole(plan.folder / "simulstream.jsonl", log)


def translated(plan: Plan, name: str, events: Output | Collected) -> Hypothesis:
    """Return what the system of a plan says of a recording, telling every event."""
    recording = next(each for each in plan.recordings if each.name == name)
    return plan.system()(recording, events.write)


def events_file(plan: Plan, name: str) -> Path:
    """Return where the events of a recording stand."""
    return plan.folder / "events" / f"{name}.jsonl"


def style(plan: Plan) -> Style:
    """Return what outputs need to know of a plan."""
    return Style.of(Pair.parse(plan.manifest["pair"]))


def _missing(plan: Plan) -> list[Recording]:
    """Begin or take up a run; return the recordings that it lacks."""
    _begin(plan.folder, "manifest.json", plan.manifest)
    _begin(plan.folder, "recordings.json", described(plan.recordings))
    done = {said.source for said in _whole_lines(plan.folder / "hypothesis.jsonl")}
    missing = [recording for recording in plan.recordings if recording.name not in done]
    if missing:
        _sign(plan.folder / "manifest.json")
    return missing


def _sign(path: Path) -> None:
    """Note in a manifest which state of the code goes on with the run."""
    manifest, now = _json(path), commit()
    commits = manifest.get("commits", [])
    if now and now not in commits:
        manifest["commits"] = [*commits, now]
        _write_whole(path, _shown(manifest))


def described(recordings: Sequence[Recording]) -> list[dict[str, Any]]:
    """Describe recordings as ``recordings.json`` does."""
    return [_described(recording) for recording in recordings]


def is_run_of(folder: Path, manifest: Manifest, recordings: Sequence[Recording]) -> bool:
    """Whether a folder holds a run, finished or not, of just this.

    Parameters
    ----------
    folder
        May be missing.
    manifest
        What its manifest must say; it may say more, of the machine.
    recordings
        What it must be over.
    """
    if not (folder / "recordings.json").is_file():
        return False
    before = _known_now(_json(folder / "manifest.json"))
    wanted = json.loads(json.dumps([manifest, described(recordings)]))
    shared = {key: before.get(key) for key in manifest}
    return bool([shared, _json(folder / "recordings.json")] == wanted)


def is_finished(folder: Path) -> bool:
    """Whether a run's folder lacks no recording."""
    try:
        read_run(folder)
    except AlignattError:
        return False
    return True


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises
    ------
    AlignattError
        If it is no such folder, or recordings are still missing.
    """
    manifest = _json(folder / "manifest.json")
    described = _json(folder / "recordings.json")
    recordings = tuple(_restored(entry) for entry in described)
    said = {entry.source: entry for entry in read_hypotheses(folder / "hypothesis.jsonl")}
    missing = [entry.name for entry in recordings if entry.name not in said]
    if missing:
        raise AlignattError(
            f"'{folder}' is not finished, it lacks {', '.join(missing)}; give the same "
            "'alignatt evaluate run' command again and it goes on."
        )
    return Run(folder, manifest, recordings, tuple(said[entry.name] for entry in recordings))


def _begin(folder: Path, name: str, content: Any) -> None:
    """Write a file of the run, or check that the one there says the same."""
    path = folder / name
    content = json.loads(json.dumps(content))
    if not path.exists():
        _write_whole(path, _shown(content))
        return
    before = _json(path)
    if isinstance(before, dict):
        before = {key: value for key, value in _known_now(before).items() if key != "commits"}
    if before == content:
        return
    where = "recordings"
    if isinstance(before, dict):
        keys = sorted({*before, *content})
        where = ", ".join(key for key in keys if before.get(key) != content.get(key))
    raise UsageError(
        f"'{folder}' holds another run (different: {where}); give a new folder with --out."
    )


def _shown(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _known_now(manifest: Manifest) -> Manifest:
    """Say in a manifest what was so before it could be otherwise."""
    if "settings" not in manifest or "closings" in manifest:
        return manifest
    session = manifest["settings"]["session"]
    source = {"stops": True, "gap": None, **session["source"]}
    settings = {**manifest["settings"], "session": {**session, "source": source}}
    return {**manifest, "settings": settings, "closings": "own"}


def _whole_lines(path: Path) -> list[Hypothesis]:
    """Read what is there and cut off a line that was being written when the run was killed."""
    if not path.exists():
        return []
    hypotheses = read_hypotheses(path)
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        _write_whole(path, whole)
    return hypotheses


def _write_whole(path: Path, content: str | bytes) -> None:
    """Write a file of a run's folder, which is made if it is not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.") from error
    write_whole(path, content)


@contextmanager
def _events(path: Path, style: Style) -> Iterator[Output]:
    path.parent.mkdir(exist_ok=True)
    with closing(OUTPUTS["jsonl"].open(path, style, trace=True)) as lines:
        yield lines


def _described(recording: Recording) -> dict[str, Any]:
    """Describe a recording without its place on this machine."""
    described = asdict(recording)
    described["audio"] = recording.audio.name if recording.audio else None
    return described


def _restored(entry: dict[str, Any]) -> Recording:
    segments = tuple(Segment(**segment) for segment in entry["segments"])
    audio = Path(entry["audio"]) if entry["audio"] else None
    return Recording(entry["name"], entry["duration"], audio, segments)


def _json(path: Path) -> Any:
    if not path.is_file():
        raise AlignattError(
            f"'{path.parent}' is not the folder of a run: {path.name} cannot be read."
        )
    return read_json(path)
