"""Every head's rows over a corpus: one forward pass an example, kept so that work can resume."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignatt4llm.cache import cache_root
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.align import Sentence
from alignatt4llm.heads.observe import Forcer, Observation, examples, observe
from alignatt4llm.languages import Pair
from alignatt4llm.prompts import PromptForm

Tell = Callable[[str], None]

VERSION = 1
"""Version of what is kept; work of another version is not resumed."""


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
    forcer: Forcer,
    form: PromptForm,
    pair: Pair,
    sentences: Sequence[Sentence],
    folder: Path,
    tell: Tell,
) -> tuple[list[Observation], list[Observation]]:
    """Observe whole sentences and truncated ones, taking from the folder what is there already."""
    whole: list[Observation] = []
    truncated: list[Observation] = []
    for number, sentence in enumerate(with_progress(sentences, tell)):
        for part, example in examples(sentence, pair, seed=number):
            path = folder / f"{number:05}.{part}.npz"
            if not path.exists():
                observe(forcer, form, pair, example).save(path)
            (truncated if part else whole).append(Observation.load(path))
    return whole, truncated


def with_progress(sentences: Sequence[Sentence], tell: Tell) -> Iterator[Sentence]:
    """Go through sentences, saying now and then how many are left and how long they will take."""
    began, told = time.monotonic(), 0.0
    for done, sentence in enumerate(sentences):
        yield sentence
        passed = time.monotonic() - began
        if passed - told > 10 or done + 1 == len(sentences):
            told, left = passed, len(sentences) - done - 1
            tell(f"{done + 1} of {len(sentences)} sentences, {passed / (done + 1) * left:.0f} s left")
