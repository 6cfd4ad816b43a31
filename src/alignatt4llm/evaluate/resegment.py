"""The hypothesis cut to the reference's segments by OmniSTEval, as the field does it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from omnisteval.data import Instance

from alignatt4llm.errors import AlignattError
from alignatt4llm.evaluate.corpus import Recording
from alignatt4llm.evaluate.hypothesis import Hypothesis, append_hypothesis
from alignatt4llm.evaluate.runs import Run
from alignatt4llm.text.languages import Language
from alignatt4llm.text.units import units


@dataclass(frozen=True, slots=True)
class Resegmented:
    """What was said in each segment of the reference.

    Attributes
    ----------
    instances
        One a segment, as OmniSTEval's scorers take them.
    recordings
        Which recording each belongs to.
    signature
        How the segments were found.
    """

    instances: list[Instance]
    recordings: list[int]
    signature: str


def resegmented(run: Run) -> Resegmented:
    """Cut a run's hypotheses to segments; those made by segment keep their own.

    The result of OmniSTEval is kept in the run's folder and used again.

    Raises
    ------
    AlignattError
        If OmniSTEval fails.
    """
    target = run.pair.target
    owners = [n for n, recording in enumerate(run.recordings) for _ in recording.segments]
    tool = f"omnisteval:{version('omnisteval')}"
    level = "char" if target.by_character else "word"
    if any(hypothesis.segments for hypothesis in run.hypotheses):
        records = _own_segments(run)
        signature = f"{tool}|segments:own|level:{level}"
    else:
        records = _by_omnisteval(run)
        signature = f"{tool}|segments:softsegmenter|level:{level}|lang:{_lang(target)}"
    instances = [Instance.from_dict(record, latency_unit=level) for record in records]
    return Resegmented(instances, owners, signature)


def _by_omnisteval(run: Run) -> list[dict[str, Any]]:
    folder = run.folder / f"omnisteval-{version('omnisteval')}"
    result, said = folder / "instances.resegmented.jsonl", run.folder / "hypothesis.jsonl"
    if not result.exists() or result.stat().st_mtime <= said.stat().st_mtime:
        _call_omnisteval(run, folder)
    return [json.loads(line) for line in result.read_text("utf-8").split("\n") if line]


def _call_omnisteval(run: Run, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    segments, references = folder / "segments.json", folder / "references.txt"
    segments.write_text(
        json.dumps(
            [
                {"wav": f"{recording.name}.wav", "offset": part.offset, "duration": part.duration}
                for recording in run.recordings
                for part in recording.segments
            ]
        ),
        encoding="utf-8",
    )
    references.write_text("".join(f"{part.reference}\n" for part in run.segments), "utf-8")
    said = folder / "hypothesis.jsonl"
    said.unlink(missing_ok=True)
    for hypothesis in run.hypotheses:  # in the order of the recordings
        append_hypothesis(said, hypothesis)
    target = run.pair.target
    command = [sys.executable, "-m", "omnisteval.cli", "longform", "--no_quality", "--no_latency"]
    command += ["--char_level"] if target.by_character else ["--word_level"]
    command += ["--lang", target.code] if _lang(target) != "none" else []
    command += ["--speech_segmentation", str(segments), "--ref_sentences_file", str(references)]
    command += ["--hypothesis_file", str(said)]
    command += ["--output_folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "it says nothing").splitlines()[-1]
        raise AlignattError(f"OmniSTEval could not cut '{run.folder}' to segments: {reason}")


def _lang(target: Language) -> str:
    """Name the Moses tokeniser that is used for finding segments."""
    return "none" if target.by_character else target.code


def _own_segments(run: Run) -> list[dict[str, Any]]:
    pairs = zip(run.recordings, run.hypotheses, strict=True)
    return list(chain.from_iterable(_cut(run, *pair) for pair in pairs))


def _cut(run: Run, recording: Recording, hypothesis: Hypothesis) -> list[dict[str, Any]]:
    """Deal out the delays of a hypothesis that was made segment by segment."""
    target, at, records = run.pair.target, 0, []
    for segment, text in zip(recording.segments, hypothesis.segments, strict=True):
        until = at + len(units(text, target))
        start = 1000 * segment.offset
        records.append(
            {
                "prediction": text,
                "reference": target.separator.join(units(segment.reference or "", target)),
                "source_length": 1000 * segment.duration,
                "emission_cu": [delay - start for delay in hypothesis.delays[at:until]],
                "emission_ca": [delay - start for delay in hypothesis.elapsed[at:until]],
                "time_to_recording_end": 1000 * recording.segments[-1].end - start,
            }
        )
        at = until
    return records
