"""How fast models are on this computer: measured once for each, and kept in the cache."""

import time
from contextlib import suppress
from dataclasses import asdict
from statistics import median
from typing import Protocol, runtime_checkable

from alignatt4llm.errors import Tell, silent
from alignatt4llm.files.kept import keep, kept
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.machine.live import Speed, machine
from alignatt4llm.machine.packages import installed
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Asked, Translator
from alignatt4llm.translators.table import ENGINES, load_translator
from alignatt4llm.weights.cache import cache_root
from alignatt4llm.weights.embedded import Embedded

FILE = "speeds.json"
"""What was measured, in the folder of the cache."""
PAIR = Pair.parse("en-de")
SOURCE = (
    "We found that the new method is faster, but it needs more memory than the old one and it "
    "takes some time to learn what the first results of all these long experiments mean for people"
)
"""What is heard; measuring begins with half of it."""
ACCEPTED = "Wir haben festgestellt, dass die neue Methode schneller ist, aber"
_NEW = 2
"""Words that a chunk brings."""
_STEPS = 6
"""Tokens that are decoded after them."""
_ROUNDS = 3


@runtime_checkable
class _Closing(Protocol):
    """A translator that frees its model."""

    def close(self) -> None:
        """Free it."""
        ...


def known_speed(model: Embedded, engine: str) -> Speed | None:
    """Return what was measured here of a model in an engine; None if nothing was."""
    entry = kept(cache_root() / FILE).get(_key(model, engine))
    with suppress(TypeError, KeyError, ValueError):
        return Speed(float(entry["read"]), float(entry["step"])) if entry else None
    return None


def speed(model: Embedded, engine: str, tell: Tell = silent) -> Speed:
    """Return how fast a model is in an engine, measuring it unless that is known.

    Raises
    ------
    AlignattError
        If the model cannot be loaded.
    """
    return known_speed(model, engine) or measure(model, engine, tell)


def measure(model: Embedded, engine: str, tell: Tell = silent) -> Speed:
    """Load a model, measure it for a second or so, and keep the result; errors as for `speed`."""
    tell(f"Measuring once how fast {model.title} is here in {engine}")
    translator = load_translator(engine, Asked(model.name, tell=tell)).translator
    found = _speed(translator, head_set_for(model.model, str(PAIR)))
    if isinstance(translator, _Closing):
        translator.close()
    keep(cache_root() / FILE, _key(model, engine), asdict(found))
    return found


def _speed(translator: Translator, heads: HeadSet) -> Speed:
    """Draft for a source that grows as one that is spoken does; rows are read as in a session."""
    form = translator.prompt_form(PAIR)
    drafter = translator.open(PAIR, heads, form(()).prefix)
    words, reads, steps = SOURCE.split(), [], []
    for n in range(1 + _ROUNDS):
        prompt = form(words[: len(words) // 2 + _NEW * n], ACCEPTED)
        begin = time.perf_counter()
        drafter.draft(prompt, 1)
        read = time.perf_counter()
        drafted = drafter.draft(prompt, _STEPS)
        reads.append(read - begin)
        steps.append((time.perf_counter() - read) / max(1, len(drafted.ids)))
    drafter.close()
    return Speed(median(reads[1:]), median(steps[1:]))  # the first reads everything


def _key(model: Embedded, engine: str) -> str:
    """Name what a speed depends on: computer, weights, engine and its version."""
    versions = {package: installed(package) for package in ENGINES[engine].packages}
    built = ", ".join(f"{package} {number}" for package, number in versions.items() if number)
    return f"{machine()}; {model.source[:16]}; {engine}: {built}"
