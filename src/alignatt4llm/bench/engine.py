"""A vLLM engine under a crowd: what a token costs, and what reading its rows adds."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

from alignatt4llm.errors import Tell
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.prompts.prompt import PromptForm, source_columns
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Serving
from alignatt4llm.translators.vllm.steps import Ask, Engine, Head
from alignatt4llm.translators.vocabulary import Vocabulary

STREAMS = (1, 2, 4, 8, 16)
"""How many streams draft at the same time."""
NEW = 20
"""Tokens of a draft."""
TEXTS = (
    "The first train leaves the station at seven in the morning.",
    "We found that the new method is faster, but it needs more memory.",
    "Nobody in the room had expected such a clear answer to the question.",
    "In the second part of this talk I will show you how the model was trained.",
    "The results were the same in every language that we have looked at so far.",
    "When the weather is bad, most people in this city take the underground.",
    "Our data comes from recordings that were made in more than twenty countries.",
    "She told us that the bridge would be closed until the end of the summer.",
)
ACCEPTED = ("", "Ich denke, dass")
"""Each sentence is translated from the beginning, and once more after a few tokens."""

Speeds = dict[str, dict[str, float]]
"""By number of streams: milliseconds a token ``plain`` and with ``rows``, and their ``ratio``."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt's tokens, and the positions of its source."""

    ids: list[int]
    columns: list[int]


def run(interpreter: Interpreter, pair: Pair, repeats: int, tell: Tell) -> dict[str, Any]:
    """Measure a served model, one whose translator is `Serving`; return what ``--json`` writes.

    ``capture_overhead`` is a token with its rows against a token without, the median over numbers
    of streams; prompts are in the prefix cache, so that decoding is all that is measured.
    """
    translator, heads = interpreter.translator, interpreter.heads(pair)
    assert isinstance(translator, Serving)
    asked = prompts(translator.vocabulary, translator.prompt_form(pair))
    tell(f"{', '.join(map(str, STREAMS))} streams")
    speeds = crowded(translator.engine, heads.heads, asked, repeats)
    translator.engine.close()
    return {
        "capture_overhead": median(found["ratio"] for found in speeds.values()),
        "ms_per_token": speeds,
        "settings": {
            "model": interpreter.system.model,
            "pair": str(pair),
            "repeats": repeats,
            "versions": {name: version(name) for name in ("alignatt4llm", "torch", "transformers")}
            | {"vllm": _vllm_version()},
        },
    }


def prompts(vocabulary: Vocabulary, form: PromptForm) -> list[Asked]:
    """Return the benchmark's prompts."""
    found = []
    for text in TEXTS:
        for accepted in ACCEPTED:
            prompt = form(text.split(), accepted, ())
            ids, offsets = vocabulary.encode(prompt.text)
            found.append(Asked(ids, source_columns(prompt, offsets)[0].tolist()))
    return found


def crowded(engine: Engine, heads: Sequence[Head], asked: Sequence[Asked], repeats: int) -> Speeds:
    """Draft all prompts with 1 to 16 of them on their way at a time, with rows and without.

    Returns
    -------
    Speeds
        Medians over repeats: of the time for all drafts divided by their tokens, and of the ratio
        of two runs that follow each other, which a machine that changes its speed blurs less.
    """
    arms: dict[str, Sequence[Head]] = {"plain": [], "rows": heads}
    found: Speeds = {}
    for streams in STREAMS:
        taken: dict[str, list[float]] = {name: [] for name in arms}
        with ThreadPoolExecutor(streams) as pool:
            for n in range(1 + repeats):
                for name in sorted(arms, reverse=n % 2 == 1):  # each is first in turn
                    taken[name].append(_milliseconds(pool, engine, arms[name], asked))
        measured = {name: times[1:] for name, times in taken.items()}
        ratios = [b / a for a, b in zip(measured["plain"], measured["rows"], strict=True)]
        medians = {name: median(times) for name, times in measured.items()}
        found[str(streams)] = {**medians, "ratio": median(ratios)}
    return found


def _milliseconds(
    pool: ThreadPoolExecutor, engine: Engine, heads: Sequence[Head], asked: Sequence[Asked]
) -> float:
    """Draft all prompts; return the time divided by their tokens."""
    begin = time.perf_counter()
    tokens = sum(pool.map(lambda each: draft(engine, each, heads), asked))
    return 1000 * (time.perf_counter() - begin) / tokens


def draft(engine: Engine, asked: Asked, heads: Sequence[Head]) -> int:
    """Draft once, whatever comes; return the number of tokens."""
    steps = engine.steps(Ask(asked.ids, 0, NEW, heads, asked.columns))
    return sum(len(step.tokens) for step in steps)


def _vllm_version() -> str:
    import vllm

    return str(vllm.__version__)
