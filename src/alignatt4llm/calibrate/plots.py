"""Pictures of head sets and of one draft."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patches import Patch, Rectangle

from alignatt4llm.draft import TokenEvidence
from alignatt4llm.errors import UsageError
from alignatt4llm.files.pictures import plain_label, save_picture
from alignatt4llm.heads.headset import Array, HeadSet, Layout

_SLIDING, _SHARED, _KEPT, _HELD = "#5b8db8", "#b8865b", "#d62728", "#d62728"


_CHINESE = ("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei")


def plot_map(heads: HeadSet, layout: Layout, path: Path) -> None:
    """Draw every head's TS, layer by layer, with the heads of the set framed.

    Coloured bars mark layers that see a window only, and layers that share keys and values.

    Raises
    ------
    UsageError
        If the file cannot be written or its name says no known format.
    """
    grid = np.full((layout.heads, layout.layers), np.nan)
    for score in heads.ranking:
        grid[score.head, score.layer] = score.ts
    size = (2.2 + 0.24 * layout.layers, 1.6 + 0.22 * layout.heads)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot(
        xlabel="layer", ylabel="head", title=plain_label(f"{heads.model} {heads.pair}")
    )
    image = axes.imshow(grid, cmap="Greys", vmin=0, aspect="auto")
    figure.colorbar(image, ax=axes, label="TS")
    for layer, head in heads.heads:
        frame = Rectangle((layer - 0.45, head - 0.45), 0.9, 0.9, fill=False, ec=_KEPT, lw=1.6)
        axes.add_patch(frame)
    legend = [Patch(fill=False, ec=_KEPT, label="in the set")]
    kinds = ((layout.sliding, _SLIDING, "sliding window"), (layout.shared, _SHARED, "shared KV"))
    for row, (layers, colour, label) in enumerate(kinds):
        for layer in layers:
            bar = Rectangle((layer - 0.5, -0.75 - 0.25 * row), 1, 0.2, color=colour, clip_on=False)
            axes.add_patch(bar)
        if layers:
            legend.append(Patch(color=colour, label=label))
    axes.set_yticks(range(layout.heads))
    axes.set_ylim(layout.heads - 0.5, -1.1)
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False)
    _save(figure, path)


def plot_ablation(heads: HeadSet, path: Path) -> None:
    """Draw held-out source-word accuracy by number of heads, for both combinations.

    Raises
    ------
    UsageError
        If the artefact holds no ablation, or the file cannot be written.
    """
    sizes = heads.origin.get("ablation")
    if not sizes:
        raise UsageError(f"The head set for {heads.model} {heads.pair} holds no ablation.")
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.add_subplot(
        xlabel="heads",
        ylabel="source-word accuracy",
        title=plain_label(f"{heads.model} {heads.pair}"),
    )
    for combination in ("log-linear", "mean"):
        points = [
            (int(name.partition("@")[2]), each)
            for name, each in sizes.items()
            if name.startswith(combination)
        ]
        _line(axes, points, combination)
    rivals = {"all_heads": "all heads, mean", "published_recipe": "published recipe"}
    for (name, label), style in zip(rivals.items(), (":", "--"), strict=True):
        value = heads.origin["held_out"][name]["value"]
        axes.axhline(value, color="grey", linestyle=style, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks := [size for size, _ in points], [str(size) for size in ticks])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, path)


def _line(axes: Axes, points: Sequence[tuple[int, dict[str, float]]], label: str) -> None:
    sizes = [size for size, _ in points]
    values = np.array([each["value"] for _, each in points])
    bounds = np.array([[each["low"], each["high"]] for _, each in points])
    errors = np.abs(bounds.T - values)
    axes.errorbar(sizes, values, yerr=errors, marker="o", capsize=2, label=label)


def plot_draft(
    rows: Array,
    words: Sequence[str],
    tokens: Sequence[str],
    evidence: Sequence[TokenEvidence],
    frontier: int,
    path: Path,
) -> None:
    """Draw where each token of a draft looks, the frontier, and the first token that is held.

    Parameters
    ----------
    rows
        Combined rows over the source words, shape [T, W].
    words, tokens
        Source words W and draft tokens T, as text.
    evidence
        The policy's decision on each token.
    frontier
        Number of accessible words.
    path
        Where to.

    Raises
    ------
    UsageError
        If the file cannot be written or its name says no known format.
    """
    size = (1.8 + 0.42 * len(words), 1.4 + 0.24 * len(tokens))
    with rc_context({"font.family": _families()}):
        figure = Figure(figsize=size, layout="constrained")
        _draw_draft(figure, rows, words, tokens, evidence, frontier)
        _save(figure, path)


def _draw_draft(
    figure: Figure,
    rows: Array,
    words: Sequence[str],
    tokens: Sequence[str],
    evidence: Sequence[TokenEvidence],
    frontier: int,
) -> None:
    axes = figure.add_subplot()
    axes.imshow(rows, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(
        range(len(words)), map(plain_label, words), rotation=60, ha="left", rotation_mode="anchor"
    )
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(tokens)), map(plain_label, tokens))
    axes.axvline(frontier - 0.5, color="black", lw=1.2, label="frontier")
    held = next((n for n, token in enumerate(evidence) if token.hold), None)
    if held is not None:
        reason = f"first held: {evidence[held].hold}"
        axes.axhline(held - 0.5, color=_HELD, lw=1.2, linestyle="--", label=reason)
        for tick in axes.get_yticklabels()[held:]:
            tick.set_color(_HELD)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)


def _families() -> list[str]:
    """Return fonts for any language: the usual one, and the Chinese ones that are installed."""
    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _CHINESE if name in installed)]


def _save(figure: Figure, path: Path) -> None:
    """Write a picture; text in an SVG stays text, so that its viewer finds the glyphs."""
    with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        save_picture(figure, path, dpi=120)
