"""Calibration: from sentence pairs to a head set, with what held-out sentences say of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from alignatt4llm.calibrate.align import Sentence, aligned
from alignatt4llm.calibrate.gather import Seen, gather, work_folder
from alignatt4llm.calibrate.measure import measure
from alignatt4llm.calibrate.model import Model
from alignatt4llm.calibrate.scores import evidence, rank_heads
from alignatt4llm.calibrate.select import Tokens, grow
from alignatt4llm.calibrate.trial import Trial
from alignatt4llm.errors import Tell, UsageError
from alignatt4llm.heads.headset import HeadScore, HeadSet, Row
from alignatt4llm.machine.packages import installed
from alignatt4llm.text.languages import Pair

MOST = 16
"""Most heads in a set."""
SIZES = (1, 2, 4, 8, 16)
"""Sizes of the sets in the ablation."""
LEAST_SENTENCES = 8
"""Calibration sentences below which nothing can be chosen."""
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
    aligner
        What aligned them, where that is given.
    held_out
        How many of the others they are measured on; all by default.
    """

    name: str
    sources: Sequence[str]
    targets: Sequence[str]
    sentences: Sequence[Sentence] | None
    calibration: int
    aligner: str = "given"
    held_out: int | None = None

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


def calibrate(
    model: Model, pair: Pair, corpus: Corpus, tell: Tell, row: Row | None = None
) -> HeadSet:
    """Choose a head set on the calibration sentences and measure it on those held out.

    The number of heads and the row are chosen by cross-validation between two random halves of
    the calibration sentences. ``own`` exists one token later than ``predicting``, so it is taken
    only where it lowers the loss by more than 5 %.

    Parameters
    ----------
    model, pair, corpus
        What is calibrated, and on what.
    tell
        Is told the progress.
    row
        The row to be read; chosen if None.

    Raises
    ------
    AlignattError
        If the sentences cannot be aligned, or too little of them is.
    """
    key = {
        "model": model.name,
        "revision": model.revision,
        "weights": model.weights,
        "prompt": model.form((), "", ()).text,
        "pair": str(pair),
        "corpus": corpus.digest,
    }
    with work_folder(key) as folder:
        sentences = corpus.sentences or aligned(
            folder / "links.txt", corpus.sources, corpus.targets, pair, tell
        )
        chosen_on, others = sentences[: corpus.calibration], sentences[corpus.calibration :]
        held_out = others[: corpus.held_out]
        tell(f"{pair}: reading {len(model.layout.every)} heads of {model.name}")
        seen = gather(model, pair, chosen_on, folder, tell)
        heads, smaller = _choose(model, pair, seen, row, tell)
        tell(f"{pair}: measuring on {len(held_out)} held-out sentences")
        figures = measure(model, pair, heads, held_out, tell, smaller)
    origin = {
        "kind": "calibrated",
        "data": corpus.name,
        "aligner": corpus.aligner
        if corpus.sentences
        else "eflomal, intersection of both directions",
        "sentences": {"calibration": len(chosen_on), "held_out": len(held_out)},
        "aligned_tokens": int(sum(one.whole.gold.any(1).sum() for one in seen)),
        **heads.origin,
        "held_out": {name: each for name, each in figures.items() if "@" not in name},
        "ablation": {name: figures[name] for name in smaller if name in figures},
        "versions": {package: installed(package) for package in _VERSIONS},
    }
    return replace(heads, origin=origin)


def _choose(
    model: Model, pair: Pair, seen: Sequence[Seen], row: Row | None, tell: Tell
) -> tuple[HeadSet, dict[str, HeadSet]]:
    """Choose row, number of heads, heads and weights; return the sets of other sizes as well."""
    cut = sum(len(one.truncated) for one in seen)
    if min(len(seen), cut) < LEAST_SENTENCES:
        raise UsageError(
            f"Only {len(seen)} sentences could be aligned and {cut} truncated; give more sentence "
            "pairs, or longer ones."
        )
    trials = {}
    for each in (row,) if row else get_args(Row):
        tell(f"{pair}: choosing heads at the {each} row")
        trials[each] = Trial(seen, each, MOST)
    best: Row = row or ("own" if trials["own"].beats(trials["predicting"]) else "predicting")
    examples = [evidence(x, best) for one in seen for x in (one.whole, *one.truncated)]
    path = grow(Tokens(examples), MOST)
    every = model.layout.every
    sets = [
        HeadSet(
            model=model.name,
            pair=str(pair),
            heads=tuple(every[head] for head in choice.heads),
            row=best,
            weights=choice.weights,
            layout=model.layout,
            revision=model.revision,
        )
        for choice in path
    ]
    ranking = rank_heads(every, seen, best)
    chosen = replace(
        sets[trials[best].count - 1],
        ranking=ranking,
        origin={
            "cross_validation": {each: one.described() for each, one in trials.items()},
            "stability": trials[best].stability(every),
        },
    )
    return chosen, _of_other_sizes(sets, sorted(ranking, key=lambda one: -one.accuracy_at(best)))


def _of_other_sizes(
    sets: Sequence[HeadSet], by_accuracy: Sequence[HeadScore]
) -> dict[str, HeadSet]:
    """Return sets of 1, 2, 4, … heads: as chosen, and the best by accuracy with equal weights."""
    others = {}
    for count in SIZES:
        if count <= len(sets):
            one = sets[count - 1]
            best = tuple((score.layer, score.head) for score in by_accuracy[:count])
            others[f"log-linear@{count}"] = one
            others[f"mean@{count}"] = replace(one, heads=best, weights=())
    return others
