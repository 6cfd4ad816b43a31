"""Quality against latency: a table, and a plot with one line a policy."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from alignatt4llm.evaluate.names import HEADS
from alignatt4llm.files.pictures import plain_label, save_picture

SYSTEM = ("model", "engine", "recognizer", "prompt", "data")
"""What of a manifest is named in a plot where it is not the same of all its runs."""
LENT = " (closings of the heads)"
COLUMNS = {
    "LongYAAL CU (ms)": ("longyaal_cu_ms", 0),
    "LongYAAL CA (ms)": ("longyaal_ca_ms", 0),
    "chrF": ("chrf", 1),
    "BLEU": ("bleu", 1),
    "RTF": ("rtf", 2),
}
"""Title of each column, its measure and how many decimals it is shown with."""


@dataclass(frozen=True, slots=True)
class Point:
    """One scored run.

    Attributes
    ----------
    pair, policy, latency
        As in its manifest, the changes of ``--set`` with the latency.
    result
        What `score.score_run` returns.
    folder
        Where it lies, as it is shown.
    lent
        Whether it is a rival that is lent the closings of the heads.
    """

    pair: str
    policy: str
    latency: str
    result: dict[str, Any]
    folder: str
    lent: bool = False

    @property
    def shown(self) -> str:
        """Its policy, and whose closings it has if they are not its own."""
        return f"{self.policy}{LENT}" if self.lent else self.policy

    def line(self, differing: Sequence[str] = ()) -> str:
        """What its line in a plot is called: every number of a policy is on one of a system."""
        policy = self.policy.partition(":")[0]
        system = filter(None, map(self.result["run"].get, differing))
        return " ".join([self.pair, f"{policy}{LENT if self.lent else ''}", *system])

    @property
    def step(self) -> str:
        """What sets it apart on its line: the policy's number, the dial, and what was set."""
        return ", ".join(filter(None, [self.policy.partition(":")[2], self.latency]))

    def value(self, measure: str) -> float | None:
        """Return a figure, or None where it could not be measured."""
        value: float | None = self.result[measure]["value"]
        return value


def point(result: dict[str, Any], folder: str) -> Point:
    """Describe a scored run by its manifest."""
    run = result["run"]
    changes = [f"{name}={value}" for name, value in run.get("changes", {}).items()]
    latency = ", ".join([run.get("latency") or "", *changes])
    lent = run.get("closings") == HEADS
    return Point(run["pair"], run["policy"], latency, result, folder, lent)


def table(points: Sequence[Point]) -> str:
    """Return a Markdown table, one line a run, intervals in brackets."""
    titles = ["run", "pair", "policy", "latency", *COLUMNS]
    lines = [titles, ["---"] * 4 + ["---:"] * len(COLUMNS)]
    for one in points:
        figures = [_figure(one.result[measure], digits) for measure, digits in COLUMNS.values()]
        lines.append([one.folder, one.pair, one.shown, one.latency, *figures])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(points: Sequence[Point], path: Path) -> None:
    """Draw chrF over LongYAAL (CU), one line a pair, policy and system; offline runs lie across.

    A policy's number is a point of its line, as every k of wait-k is; each point says its own.

    Raises
    ------
    UsageError
        If the file cannot be written or its name says no known format.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="LongYAAL CU (s)", ylabel="chrF")
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    differing = [
        name for name in SYSTEM if len({str(one.result["run"].get(name)) for one in points}) > 1
    ]
    for one in points:
        quality, latency = one.value("chrf"), one.value("longyaal_cu_ms")
        if quality is not None and one.policy == "offline":
            axes.axhline(
                quality, linestyle=":", color="grey", label=plain_label(one.line(differing))
            )
        elif quality is not None and latency is not None:
            place = latency / 1000, quality
            lines[one.line(differing)].append(place)
            axes.annotate(plain_label(one.step), place, (3, 3), textcoords="offset points", size=7)
    for label, line in lines.items():
        axes.plot(*zip(*sorted(line), strict=True), marker="o", label=plain_label(label))
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside right upper")
    save_picture(figure, path)


def _figure(score: dict[str, Any], digits: int) -> str:
    if score["value"] is None:
        return "–"
    shown = f"{score['value']:.{digits}f}"
    if score["low"] is None:
        return shown
    return f"{shown} [{score['low']:.{digits}f}, {score['high']:.{digits}f}]"
