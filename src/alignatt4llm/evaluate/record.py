"""What was measured, in one file: figures of each run, and what they were measured of."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alignatt4llm.evaluate.corpus import Recording
from alignatt4llm.evaluate.names import OFFLINE
from alignatt4llm.evaluate.runs import Manifest, Run, described, read_run
from alignatt4llm.evaluate.score import above_rivals, score_run
from alignatt4llm.files.reading import read_json
from alignatt4llm.files.writing import write_whole

Entry = dict[str, Any]
"""``of``, the digest of what was measured; ``run``, what it is; ``commits``; ``figures``, each
``[value, low, high]``, and their ``signatures``; ``over`` and ``against``, differences to the
envelope of rivals and to AlignAtt, or None. These have a digest ``of`` their own."""

_SHOWN = ("bleu", "chrf", "longyaal_cu_ms", "longyaal_ca_ms", "rtf", "wer", "preview_erasure")
_AGAINST = ("bleu", "chrf", "longyaal_cu_ms")


@dataclass(frozen=True, slots=True)
class Planned:
    """A run that a page shows, finished or not.

    Attributes
    ----------
    name
        Of its folder.
    folder
        Where it is, or will be.
    manifest
        What it is, apart from the machine.
    recordings
        What it is over.
    """

    name: str
    folder: Path
    manifest: Manifest
    recordings: Sequence[Recording]

    @property
    def digest(self) -> str:
        """Changes with everything that the figures depend on, apart from code and machine."""
        what = [self.manifest, described(self.recordings)]
        return _digest(json.dumps(what, sort_keys=True))

    @property
    def is_rival(self) -> bool:
        """Whether it is a policy that AlignAtt is compared with."""
        return self.manifest["policy"] not in ("alignatt", OFFLINE)


@dataclass(frozen=True, slots=True)
class Field:
    """The runs of one model over the same recordings in one direction, of all policies.

    Attributes
    ----------
    runs
        Planned.
    reference
        What each is held against, one of them; None for nothing.
    """

    runs: Sequence[Planned]
    reference: Planned | None

    def against_all(self, one: Planned) -> list[Planned]:
        """Return whose envelope a run is held against: all rivals', unless it is one."""
        return [] if one.is_rival else [each for each in self.runs if each.is_rival]

    def against(self, one: Planned) -> list[Planned]:
        """Return the one run that a run is held against, if it is not that."""
        return [self.reference] if self.reference and one != self.reference else []


def read_record(path: Path) -> dict[str, Entry]:
    """Read the file; nothing if there is none yet."""
    found: dict[str, Entry] = read_json(path) if path.is_file() else {}
    return found


def write_record(path: Path, record: Mapping[str, Entry]) -> None:
    """Write the file, one line a run."""
    lines = [f"{json.dumps(name)}: {json.dumps(record[name])}" for name in sorted(record)]
    write_whole(path, "{" + ",".join(f"\n{line}" for line in lines) + "\n}\n")


def dropped(record: Mapping[str, Entry], planned: Sequence[Planned]) -> list[str]:
    """Name what was measured of something that is not planned as it was."""
    digests = {one.name: one.digest for one in planned}
    return [name for name, entry in record.items() if digests.get(name) != entry["of"]]


def measured(planned: Planned) -> Entry:
    """Score a finished run.

    Raises
    ------
    AlignattError
        If it is not finished.
    """
    run = read_run(planned.folder)
    result = score_run(run)
    found = {name: result[name] for name in _SHOWN}
    keys = ("pair", "policy", "latency", "closings", "changes", "model", "engine", "data")
    return {
        "of": planned.digest,
        "run": {key: planned.manifest[key] for key in keys},
        "commits": run.manifest.get("commits", []),
        "figures": {name: _figure(one, "value") for name, one in found.items()},
        "signatures": {name: one["signature"] for name, one in found.items()},
        "over": None,
        "against": None,
    }


def compared(record: Mapping[str, Entry], field: Field, finished: Sequence[str]) -> None:
    """Add to entries of a field how their runs compare, where all that it takes is finished.

    What was compared before stays as long as it was with the same runs.
    """
    for one in field.runs:
        if one.name in record:
            entry = record[one.name]
            ways = {"over": (_over, field.against_all(one)), "against": (_held, field.against(one))}
            for key, (compare, others) in ways.items():
                which = _which(others, record)
                if not others or (entry[key] or {}).get("of") != which:
                    ready = others and {one.name, *(run.name for run in others)} <= set(finished)
                    entry[key] = {"of": which, **compare(one, others)} if ready else None


def _over(one: Planned, rivals: Sequence[Planned]) -> Entry:
    runs: list[Run] = [read_run(rival.folder) for rival in rivals]
    return _differences(
        {name: asdict(each) for name, each in above_rivals(read_run(one.folder), runs).items()}
    )


def _held(one: Planned, others: Sequence[Planned]) -> Entry:
    found = score_run(read_run(one.folder), against=read_run(others[0].folder))["against"]
    return _differences({name: found[name] for name in _AGAINST if name in found})


def _differences(found: Mapping[str, Any]) -> Entry:
    return {name: _figure(one, "difference") for name, one in found.items()}


def _which(others: Sequence[Planned], record: Mapping[str, Entry]) -> str:
    """Tell runs apart by what they are, and by which commits made them; empty if one lacks."""
    if not all(other.name in record for other in others):
        return ""
    each = (f"{one.digest} {record[one.name]['commits']}" for one in others)
    return _digest("\n".join(sorted(each)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _figure(one: Mapping[str, Any], key: str) -> list[float | None]:
    return [one[key], one["low"], one["high"]]
