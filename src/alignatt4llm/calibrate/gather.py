"""Every head's rows over a corpus: one forward pass an example, kept so that work can resume."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.calibrate.model import Model
from alignatt4llm.calibrate.observe import Observation, examples, observe
from alignatt4llm.errors import Advance, AlignattError, Tell
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.cache import cache_root

VERSION = 2
"""Version of what is kept; work of another version is not resumed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed of one sentence: said as a whole, and with its source truncated."""

    whole: Observation
    truncated: tuple[Observation, ...]


@contextmanager
def work_folder(key: dict[str, Any]) -> Iterator[Path]:
    """Give the cache folder of the work that ``key`` describes; it goes when the work is done.

    An interruption leaves it, and the same work finds it again.

    Raises
    ------
    AlignattError
        If the cache cannot be written.
    """
    described = json.dumps({"version": VERSION, **key}, sort_keys=True)
    folder = cache_root() / "heads" / hashlib.sha256(described.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as problem:
        raise AlignattError(
            f"'{folder}' cannot be used: {problem.strerror or problem}. Free some space, or set "
            "ALIGNATT_CACHE to a folder with enough of it."
        ) from problem
    shutil.rmtree(folder)


def gather(
    model: Model, pair: Pair, sentences: Sequence[Sentence], folder: Path, tell: Tell
) -> list[Seen]:
    """Observe the sentences that are aligned, taking from the folder what is there already."""
    gathered = []
    for number, sentence in enumerate(with_progress(sentences, tell)):
        seen = []
        for part, example in examples(sentence, pair, seed=number):
            path = folder / f"{number:05}.{part}.npz"
            if (kept := Observation.kept(path)) is None:
                observe(model.forcer, model.form, pair, example).save(path)
                kept = Observation.load(path)
            seen.append(kept)
        if seen:
            gathered.append(Seen(seen[0], tuple(seen[1:])))
    return gathered


def with_progress(sentences: Sequence[Sentence], tell: Tell) -> Iterator[Sentence]:
    """Go through sentences, saying every second how many are left and how long they will take."""
    began, told = time.monotonic(), 0.0
    for done, sentence in enumerate(sentences, start=1):
        yield sentence
        passed, share = time.monotonic() - began, done / len(sentences)
        if passed - told > 1 or share == 1:
            told, left = passed, passed * (1 / share - 1)
            tell(Advance(f"{done} of {len(sentences)} sentences, {left:.0f} s left", share))
