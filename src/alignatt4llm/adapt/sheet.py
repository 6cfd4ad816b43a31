"""The data sheet of an adapter: what it was taught with, and what came of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from alignatt4llm.adapt.course import Course
from alignatt4llm.adapt.curriculum import Curriculum, described
from alignatt4llm.weights.adapters import Adapter

FILE = "README.md"


def data(courses: Sequence[Course]) -> list[dict[str, Any]]:
    """Return what was taught of each direction and data, and what was left out."""
    return [
        {
            "pair": str(course.pair),
            "data": part.data.name,
            "licence": part.data.licence,
            "sentences": len(part.sentences),
            "left_out": dict(sorted(part.left_out.items())),
        }
        for course in courses
        for part in course.parts
    ]


def lessons(curriculum: Curriculum, count: int) -> dict[str, int]:
    """Count the first lessons of a curriculum by kind; one may be of several."""
    kinds: Counter[str] = Counter()
    for number in range(count):
        kinds += described(curriculum[number])
    return dict(sorted(kinds.items()))


def curve(losses: Sequence[tuple[float, float]], every: int = 10) -> list[dict[str, float]]:
    """Return the mean losses of every few steps."""
    found = []
    for start in range(0, len(losses), every):
        part = losses[start : start + every]
        said, looked = (sum(values) / len(part) for values in zip(*part, strict=True))
        step = start + len(part)
        found.append({"step": step, "loss": round(said, 4), "guided": round(looked, 4)})
    return found


def sheet(adapter: Adapter) -> str:
    """Return the data sheet as Markdown."""
    origin = adapter.origin
    return "\n".join(
        [
            f"# {adapter.name}",
            "",
            f"An adapter for {adapter.base} that translates speech while it is spoken: "
            f"{', '.join(adapter.pairs)}. Made by `alignatt adapt`; used with",
            "",
            "```",
            f"alignatt translate talk.ogg --to {adapter.pairs[0].partition('-')[2]} "
            f"--model {adapter.model} --adapter FOLDER",
            "```",
            "",
            "## Data",
            "",
            "| direction | data | licence | sentences | left out |",
            "|---|---|---|---|---|",
            *(_row(one) for one in origin["data"]),
            "",
            "## Lessons",
            "",
            *(f"- {kind}: {count}" for kind, count in origin["lessons"].items()),
            "",
            "## On held-out sentences",
            "",
            "| direction | steps | loss | chrF | chrF, prefixes | source-word accuracy | AUC |",
            "|---|---|---|---|---|---|---|",
            *(_scores(one) for one in origin["scores"]),
            "",
            f"Loss in nats a token. {origin['steps']} steps, {origin['seconds']:.0f} s.",
            "",
        ]
    )


def _row(one: dict[str, Any]) -> str:
    left_out = ", ".join(f"{count} {reason}" for reason, count in one["left_out"].items()) or "none"
    cells = (one["pair"], one["data"], one["licence"], one["sentences"], left_out)
    return f"| {' | '.join(map(str, cells))} |"


def _scores(one: dict[str, Any]) -> str:
    names = ("pair", "step", "loss", "chrf", "chrf_prefix", "accuracy", "auc")
    return f"| {' | '.join('–' if one[name] is None else str(one[name]) for name in names)} |"
