"""Calibration: from sentence pairs to a head set, with what held-out sentences say of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from alignatt4llm.errors import UsageError
from alignatt4llm.heads.align import Sentence, align
from alignatt4llm.heads.gather import Tell, gather, work_folder
from alignatt4llm.heads.headset import Head, HeadSet, Row
from alignatt4llm.heads.measure import measure
from alignatt4llm.heads.observe import Forcer, Observation
from alignatt4llm.heads.scores import auc, evidence, hits, inaccessible, rank_heads
from alignatt4llm.heads.select import Choice, Tokens, grow
from alignatt4llm.languages import Pair
from alignatt4llm.prompts import PromptForm

MOST = 16
"""Most heads in a set."""
LEAST_SENTENCES = 8
"""Calibration sentences below which nothing can be chosen."""
SEED = 13
_VERSIONS = ("alignatt4llm", "torch", "transformers", "eflomal", "jieba")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentence pairs for calibration; the last of them are held out.

    Attributes
    ----------
    name
        What the data are called in the artefact.
    sources, targets
        The sentences, line by line.
    sentences
        Their alignment, if it is given; otherwise they are aligned by eflomal.
    calibration
        How many sentences, from the first on, the heads are chosen on.
    """

    name: str
    sources: Sequence[str]
    targets: Sequence[str]
    sentences: Sequence[Sentence] | None
    calibration: int

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.targets):
            raise UsageError(
                f"The two files must have the same number of lines; they have "
                f"{len(self.sources)} and {len(self.targets)}."
            )
        if not LEAST_SENTENCES <= self.calibration <= len(self.sources):
            raise UsageError(
                f"Heads cannot be chosen on {self.calibration} sentences of {len(self.sources)}; "
                f"give {LEAST_SENTENCES} or more, and no more than there are."
            )

    @property
    def digest(self) -> str:
        """Hash of everything the calibration depends on."""
        links = [sorted(sentence.links) for sentence in self.sentences or ()]
        text = repr((self.sources, self.targets, links, self.calibration))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Model:
    """The model whose heads are calibrated.

    Attributes
    ----------
    name, revision
        As the artefact names it.
    shape
        Layers, and heads in each.
    forcer
        Opened for all of its heads, layer by layer.
    form
        The prompt of its sessions.
    """

    name: str
    revision: str | None
    shape: tuple[int, int]
    forcer: Forcer
    form: PromptForm

    @property
    def heads(self) -> list[Head]:
        """Every head, in the order of the forcer's rows."""
        return every_head(self.shape)


def every_head(shape: tuple[int, int]) -> list[Head]:
    """Return all heads of a model, layer by layer."""
    return [(layer, head) for layer in range(shape[0]) for head in range(shape[1])]


def calibrate(
    model: Model, pair: Pair, corpus: Corpus, tell: Tell, row: Row | None = None, most: int = MOST
) -> HeadSet:
    """Choose a head set on the calibration sentences and measure it on those held out.

    The number of heads and the row are chosen by cross-validation between two random halves of
    the calibration sentences. ``own`` exists one token later than ``predicting``, so it is taken
    only where it is better at both source-word accuracy and truncation AUC.

    Parameters
    ----------
    model, pair, corpus
        What is calibrated, and on what.
    tell
        Is told the progress.
    row
        The row to be read; chosen if None.
    most
        Most heads in the set.

    Raises
    ------
    AlignattError
        If the sentences cannot be aligned, or too little of them is.
    """
    key = {
        "model": model.name,
        "revision": model.revision,
        "prompt": model.form([]).text,
        "pair": str(pair),
        "corpus": corpus.digest,
    }
    with work_folder(key) as folder:
        sentences = corpus.sentences or _aligned(folder, corpus, pair, tell)
        chosen_on = sentences[: corpus.calibration]
        tell(f"{pair}: reading {len(model.heads)} heads of {model.name}")
        seen = gather(model.forcer, model.form, pair, chosen_on, folder, tell)
        heads = _choose(model, pair, *seen, row, most, tell)
        held_out = sentences[corpus.calibration :]
        tell(f"{pair}: measuring on {len(held_out)} held-out sentences")
        figures = (
            measure(model.forcer, model.form, pair, heads, model.heads, held_out, tell)
            if held_out
            else {}
        )
    described = {
        "kind": "calibrated",
        "data": corpus.name,
        "aligner": "given" if corpus.sentences else "eflomal, intersection of both directions",
        "sentences": {"calibration": len(chosen_on), "held_out": len(held_out)},
        "aligned_tokens": int(sum(one.gold.any(1).sum() for one in seen[0])),
        **heads.origin,
        "held_out": figures,
        "versions": {package: _version(package) for package in _VERSIONS},
    }
    return replace(heads, origin=described)


def _aligned(folder: Path, corpus: Corpus, pair: Pair, tell: Tell) -> list[Sentence]:
    """Align all sentences, or read the alignment that interrupted work has left."""
    path = folder / "links.txt"
    if not path.exists():
        tell(f"{pair}: aligning {len(corpus.sources)} sentences")
        found = align(corpus.sources, corpus.targets, pair)
        lines = [" ".join(f"{i}-{j}" for i, j in sorted(one.links)) for one in found]
        partial = path.with_suffix(".partial")
        partial.write_text("\n".join(lines), "utf-8")
        partial.replace(path)
    links = [
        frozenset((int(i), int(j)) for i, j in (link.split("-") for link in line.split()))
        for line in path.read_text("utf-8").split("\n")
    ]
    pairs = zip(corpus.sources, corpus.targets, links, strict=True)
    return [Sentence(*each) for each in pairs]


def _choose(
    model: Model,
    pair: Pair,
    whole: Sequence[Observation],
    truncated: Sequence[Observation],
    row: Row | None,
    most: int,
    tell: Tell,
) -> HeadSet:
    """Choose row, number of heads, heads and weights."""
    if len(whole) < LEAST_SENTENCES or len(truncated) < LEAST_SENTENCES:
        raise UsageError(
            f"Only {len(whole)} sentences could be aligned, and {len(truncated)} of them "
            "truncated; give more, or longer, sentence pairs."
        )
    rows: tuple[Row, ...] = (row,) if row else ("predicting", "own")
    trials = {}
    for each in rows:
        tell(f"{pair}: choosing heads at the {each} row")
        trials[each] = Trial(whole, truncated, each, most)
    best: Row = rows[0] if len(rows) == 1 or not trials["own"].beats(trials["predicting"]) else "own"
    trial = trials[best]
    seen = [evidence(one, best) for one in (*whole, *truncated)]
    choice = grow(Tokens(seen), trial.count)[-1]
    every = model.heads
    return HeadSet(
        model=model.name,
        pair=str(pair),
        heads=tuple(every[head] for head in choice.heads),
        row=best,
        weights=choice.weights,
        shape=model.shape,
        revision=model.revision,
        ranking=rank_heads(every, whole, truncated, best),
        origin={
            "cross_validation": {each: one.described() for each, one in trials.items()},
            "stability": trial.stability(every),
        },
    )


class Trial:
    """Cross-validation of one row: heads are chosen on each half and measured on the other.

    Attributes
    ----------
    count
        The smallest number of heads whose loss is within a standard error of the least.
    accuracy, auc
        Source-word accuracy on whole sentences and truncation AUC of so many heads.
    """

    def __init__(
        self,
        whole: Sequence[Observation],
        truncated: Sequence[Observation],
        row: Row,
        most: int,
    ) -> None:
        halves = [
            [[evidence(one, row) for one in part] for part in parts]
            for parts in zip(_halved(whole), _halved(truncated), strict=True)
        ]
        tokens = [Tokens([*first, *second]) for first, second in halves]
        self._paths = [grow(one, most) for one in tokens]
        losses = np.array(
            [
                np.concatenate([tokens[1 - n].loss(path[count]) for n, path in enumerate(self._paths)])
                for count in range(len(self._paths[0]))
            ]
        )  # [most, N]
        self.losses = losses.mean(1)
        best = int(self.losses.argmin())
        error = (losses - losses[best]).std(1) / np.sqrt(losses.shape[1])
        self.count = 1 + int(np.argmax(self.losses <= self.losses[best] + error))
        found, masses, late = [], [], []
        for n, path in enumerate(self._paths):
            choice, (other_whole, other_truncated) = path[self.count - 1], halves[1 - n]
            found += [hits(_combined(choice, one.rows), one) for one in other_whole]
            masses += [inaccessible(_combined(choice, one.rows), one) for one in other_truncated]
            late += [one.late for one in other_truncated]
        self.accuracy = float(np.concatenate(found).mean())
        self.auc = auc(np.concatenate(masses), np.concatenate(late))

    def beats(self, other: "Trial") -> bool:
        """Whether it is better at both measures."""
        return self.accuracy > other.accuracy and self.auc > other.auc

    def described(self) -> dict[str, Any]:
        """Return its figures for the artefact."""
        return {
            "heads": self.count,
            "source_word_accuracy": round(self.accuracy, 4),
            "truncation_auc": round(self.auc, 4),
            "loss_by_heads": [round(float(loss), 4) for loss in self.losses],
        }

    def stability(self, every: Sequence[Head]) -> dict[str, Any]:
        """Say how far the sets chosen on the halves agree."""
        sets = [{every[head] for head in path[self.count - 1].heads} for path in self._paths]
        return {"shared_heads": sorted(sets[0] & sets[1]), "of": self.count}


def _halved(seen: Sequence[Observation]) -> tuple[list[Observation], list[Observation]]:
    order = np.random.default_rng(SEED).permutation(len(seen))
    return [seen[n] for n in order[::2]], [seen[n] for n in order[1::2]]


def _combined(choice: Choice, rows: Any) -> Any:
    heads = HeadSet("", "", tuple((0, head) for head in choice.heads), weights=choice.weights)
    return heads.combine(rows[:, list(choice.heads)])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
