"""Figures of a run: quality, latency, speed and recognition, each with interval and signature."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import jiwer
import numpy as np
from omnisteval.scoring import LAALScorer, YAALScorer
from sacrebleu.metrics import BLEU, CHRF

from alignatt4llm.bootstrap import Difference, Measure, Score, Statistics, compare, score
from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.comet import comet_scores
from alignatt4llm.evaluate.envelope import Placed, above
from alignatt4llm.evaluate.readability import READABILITY
from alignatt4llm.evaluate.resegment import Resegmented, resegmented
from alignatt4llm.evaluate.runs import Run
from alignatt4llm.text.languages import Language

MEASURES = (
    "bleu",
    "chrf",
    "longyaal_cu_ms",
    "longyaal_ca_ms",
    "streamlaal_cu_ms",
    "streamlaal_ca_ms",
    "rtf",
    "wer",
    "cer",
    "offline_fraction",
    "erasure",
    "preview_erasure",
    "characters_per_second",
    "cues_within",
)
"""The figures of a run; all are always in the result, null where they cannot be measured. COMET is
one more where it was asked for."""

_MISSING = {
    "offline_fraction": "no offline run",
    "wer": "source without spaces",
    "cer": "source with spaces",
    **dict.fromkeys(READABILITY, "no events"),
}
_PLAIN = [jiwer.ToLowerCase(), jiwer.RemovePunctuation()]
_WORDS = jiwer.Compose(
    [*_PLAIN, jiwer.RemoveMultipleSpaces(), jiwer.Strip(), jiwer.ReduceToListOfListOfWords()]
)
_CHARACTERS = jiwer.Compose([*_PLAIN, jiwer.RemoveWhiteSpace(), jiwer.ReduceToListOfListOfChars()])
_RECOGNITION = {
    "wer": (jiwer.process_words, _WORDS),
    "cer": (jiwer.process_characters, _CHARACTERS),
}


def score_run(
    run: Run, offline: Run | None = None, against: Run | None = None, comet: str | None = None
) -> dict[str, Any]:
    """Score a run.

    Parameters
    ----------
    run
        The run.
    offline
        Run of the same corpus by the same model offline; gives ``offline_fraction``.
    against
        Another run of the same corpus; gives paired differences, ``run`` less ``against``.
    comet
        Hub id or checkpoint of a COMET model; gives ``comet``.

    Returns
    -------
    dict
        For each of `MEASURES` ``{value, low, high, signature}``; ``run``, the manifest; and
        ``against``, for each measure ``{difference, low, high, p, signature}``, if asked for.
    """
    found = measures(run, offline, comet)
    names = (*MEASURES, *(["comet"] if comet else []))
    result: dict[str, Any] = {name: asdict(_scored(found, name)) for name in names}
    if against is not None:
        _same_corpus(run, against)
        others = measures(against, offline, comet)
        shared = [name for name in names if name in found and name in others]
        result["against"] = {name: asdict(compare(found[name], others[name])) for name in shared}
    result["run"] = run.manifest
    return result


def measures(run: Run, offline: Run | None = None, comet: str | None = None) -> dict[str, Measure]:
    """Return what can be measured of a run, by name."""
    recognition = "cer" if run.pair.source.by_character else "wer"
    found = {"rtf": _rtf(run), recognition: _recognition(run, recognition)}
    found |= {name: _readability(run, name) for name in READABILITY if _has_events(run)}
    if all(segment.reference is None for segment in run.segments):
        return found
    cut = resegmented(run)
    bleu, chrf = _bleu(cut, run.pair.target), _chrf(cut)
    found |= {"bleu": bleu, "chrf": chrf}
    for name, timing in (("cu", False), ("ca", True)):
        yaal, laal = YAALScorer(timing, is_longform=True), LAALScorer(timing)
        found[f"longyaal_{name}_ms"] = _latency(cut, yaal.compute, f"longyaal-{name}")
        found[f"streamlaal_{name}_ms"] = _latency(cut, laal.compute, f"longlaal-{name}")
    if offline is not None:
        _same_corpus(run, offline)
        found["offline_fraction"] = _fraction(chrf, _chrf(resegmented(offline)))
    if comet is not None:
        found["comet"] = _comet(run, cut, comet)
    return found


QUALITY, LATENCY = ("chrf", "bleu"), "longyaal_cu_ms"
"""What lies on a curve: quality, and over which latency."""


def above_rivals(run: Run, rivals: Sequence[Run]) -> dict[str, Difference]:
    """Return by how much each of `QUALITY` lies above the envelope of rivals; see `above`.

    Raises
    ------
    UsageError
        If they are over other recordings.
    """
    for rival in rivals:
        _same_corpus(run, rival)
    own, others = measures(run), [measures(rival) for rival in rivals]
    return {
        name: above(
            Placed(own[LATENCY], own[name]), [Placed(one[LATENCY], one[name]) for one in others]
        )
        for name in QUALITY
        if name in own
    }


def _scored(found: dict[str, Measure], name: str) -> Score:
    if name in found:
        return score(found[name])
    return Score(None, None, None, _MISSING.get(name, "no reference"))


def _same_corpus(run: Run, other: Run) -> None:
    if run.recordings != other.recordings or run.pair != other.pair:
        raise UsageError(
            f"'{run.folder}' and '{other.folder}' are runs over different recordings or pairs; "
            "only runs over the same ones can be compared."
        )


def _bleu(cut: Resegmented, target: Language) -> Measure:
    others = "char" if target.by_character else "13a"
    tokenizer = {"zh": "zh", "yue": "zh"}.get(target.code, others)
    return _quality(cut, BLEU(tokenize=tokenizer))


def _chrf(cut: Resegmented) -> Measure:
    return _quality(cut, CHRF())


def _quality(cut: Resegmented, metric: Any) -> Measure:
    """Keep the corpus statistics of each segment, from which sacrebleu scores any sample."""
    said = [instance.prediction for instance in cut.instances]
    rows = metric._extract_corpus_statistics(said, [[one.reference for one in cut.instances]])
    signature = f"sacrebleu|{metric.get_signature().format()}|{cut.signature}"

    def value(total: Statistics) -> float:
        return float(metric._compute_score_from_stats([int(count) for count in total]).score)

    return Measure(_grouped(rows, cut.recordings), value, signature + _by(cut))


def _comet(run: Run, cut: Resegmented, model: str) -> Measure:
    """Average the scores of segments; see `comet_scores`."""
    texts = [
        {"src": segment.source, "mt": one.prediction, "ref": one.reference}
        for segment, one in zip(run.segments, cut.instances, strict=True)
    ]
    rows = [(value, 1.0) for value in comet_scores(model, texts)]
    signature = f"comet:{version('unbabel-comet')}|model:{model}|{cut.signature}{_by(cut)}"
    return Measure(_grouped(rows, cut.recordings), _ratio, signature)


def _latency(cut: Resegmented, compute: Callable[[Any], float | None], name: str) -> Measure:
    """Average a latency over segments; those in which nothing was said in time do not count."""
    values = [compute(one) if one.emission_cu else None for one in cut.instances]
    rows = [(0.0, 0.0) if value is None else (value, 1.0) for value in values]
    statistics = _grouped(rows, cut.recordings)
    return Measure(statistics, _ratio, f"{name}|{cut.signature}{_by(cut)}")


def _rtf(run: Run) -> Measure:
    rows = [(said.processing, said.source_length) for said in run.hypotheses]
    hardware = run.manifest.get("hardware", "unknown")
    return Measure(np.array(rows), _ratio, f"rtf|hardware:{hardware}|by:recording")


def _recognition(run: Run, name: str) -> Measure:
    """Count the words, or characters, of the source that were recognised wrong."""
    joint = run.pair.source.separator
    rows = [
        _errors(joint.join(segment.source for segment in recording.segments), said.transcript, name)
        for recording, said in zip(run.recordings, run.hypotheses, strict=True)
    ]
    signature = f"{name}|jiwer:{version('jiwer')}|case:lower|punctuation:no|by:recording"
    return Measure(np.array(rows), _ratio, signature)


def _errors(reference: str, transcript: str, name: str) -> tuple[float, float]:
    count, form = _RECOGNITION[name]
    counts = count(reference, transcript, reference_transform=form, hypothesis_transform=form)
    errors = counts.substitutions + counts.deletions + counts.insertions
    return float(errors), float(counts.hits + counts.substitutions + counts.deletions)


def _has_events(run: Run) -> bool:
    return all(path.exists() and path.stat().st_size for path in run.events)


def _readability(run: Run, name: str) -> Measure:
    """Divide what was counted in each recording's events."""
    count, signature = READABILITY[name]
    rows = [count(path, run.pair) for path in run.events]
    return Measure(np.array(rows), _ratio, f"{signature}|by:recording")


def _fraction(chrf: Measure, offline: Measure) -> Measure:
    """Return chrF as a share of the offline run's, both on the same sample."""
    width = chrf.statistics.shape[1]

    def value(total: Statistics) -> float:
        reached, possible = chrf.value(total[:width]), offline.value(total[width:])
        return reached / possible if possible else math.nan

    both = np.concatenate([chrf.statistics, offline.statistics], axis=1)
    return Measure(both, value, f"share of offline chrF|{chrf.signature}")


def _ratio(total: Statistics) -> float:
    return float(total[0] / total[1]) if total[1] else math.nan


def _grouped(rows: Iterable[Sequence[float]], recordings: list[int]) -> Statistics:
    """Sum the rows of each recording; a single recording is resampled by segment instead."""
    table = np.array(list(rows), np.float64)
    if len(set(recordings)) < 2:
        return table
    sums = np.zeros((max(recordings) + 1, table.shape[1]))
    np.add.at(sums, recordings, table)
    return sums


def _by(cut: Resegmented) -> str:
    return "|by:recording" if len(set(cut.recordings)) > 1 else "|by:segment"
