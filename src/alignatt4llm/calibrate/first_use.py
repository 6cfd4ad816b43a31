"""Calibration on first use, where a model has no head set for what is asked of it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from filelock import AcquireReturnProxy, BaseFileLock, FileLock, Timeout

from alignatt4llm.calibrate.calibration import Corpus, calibrate
from alignatt4llm.calibrate.model import Model
from alignatt4llm.calibrate.observe import observe, whole
from alignatt4llm.calibrate.parallel import shipped_corpus
from alignatt4llm.errors import AlignattError, Tell
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.kept import keep_set, kept_set
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.cache import cache_root

PASSES = 3
"""How often a sentence is read: whole, and cut at two places."""


def calibrate_first(model: Model, pair: Pair, key: str, tell: Tell) -> HeadSet:
    """Calibrate a head set for a direction and keep it for good.

    What it will cost is told first. Interrupted, it keeps what it has read, and goes on from there
    when the same is asked for again.

    Parameters
    ----------
    model, pair
        What is calibrated.
    key
        What the model on this machine is; see `keep_set`.
    tell
        Is told the cost and the progress.

    Raises
    ------
    AlignattError
        If a package is missing, or too little can be read of the heads.
    """
    with _alone(key, tell):
        return kept_set(model.name, str(pair), key) or _calibrated(model, pair, key, tell)


def _calibrated(model: Model, pair: Pair, key: str, tell: Tell) -> HeadSet:
    corpus = shipped_corpus(pair)
    tell(
        f"There is no head set yet for {pair} with {model.name}. It is calibrated now, once, on "
        f"{len(corpus.sources)} sentences that come with the package: about "
        f"{_minutes(_seconds(model, pair, corpus))}. Ctrl-C stops it, --no-calibration refuses it."
    )
    with _told_how_to_go_on(tell):
        heads = calibrate(model, pair, corpus, tell)
    try:
        tell(f"Kept in {keep_set(heads, key)}")
    except AlignattError as problem:
        tell(f"The head set is used, but not kept: {problem}")
    return heads


def _seconds(model: Model, pair: Pair, corpus: Corpus) -> float:
    """Return about how long it will take, by reading a sentence of middling length twice."""
    assert corpus.sentences is not None
    by_length = sorted(corpus.sentences, key=lambda one: len(one.source))
    example = whole(by_length[len(by_length) // 2], pair)
    observe(model.forcer, model.form, pair, example)  # the first takes longer
    began = time.monotonic()
    observe(model.forcer, model.form, pair, example)
    return (time.monotonic() - began) * PASSES * len(by_length)


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes"


@contextmanager
def _alone(key: str, tell: Tell) -> Iterator[None]:
    """Wait while another process calibrates the same; its result is there then."""
    folder = cache_root() / "locks"
    with ExitStack() as stack:
        with suppress(OSError):  # what is wrong with the folder is told where work is kept in it
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(FileLock(folder / f"heads-{key}.lock"), tell))
        yield


def _locked(lock: BaseFileLock, tell: Tell) -> AcquireReturnProxy[BaseFileLock]:
    """Take a lock; it is told if that means to wait."""
    with suppress(Timeout):
        return lock.acquire(timeout=0)
    tell("Another process is calibrating this; waiting for it (Ctrl-C stops).")
    return lock.acquire()


@contextmanager
def _told_how_to_go_on(tell: Tell) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        tell("Calibration was interrupted; the same command goes on where it stopped.")
        raise
