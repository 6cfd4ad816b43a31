"""Figures of several systems as text: a table for every model, a column for every engine."""

from collections.abc import Iterable, Mapping, Sequence

from alignatt4llm.bench.figures import FIGURES, Figures
from alignatt4llm.bench.run import Found, ratios

_MEANING, _WIDTH = 64, 16


def tables(found: Sequence[Found]) -> str:
    """Return a table for every model, how each engine ran it, and why figures are missing."""
    compared = ratios(found)
    models = dict.fromkeys(each.model for each in found)
    tables = (
        _table(model, [each for each in found if each.model == model], compared.get(model, {}))
        for model in models
    )
    facts = "\n".join(_facts(each) for each in found if each.facts)
    return "\n\n".join(filter(None, (*tables, facts, _left_out(found))))


def _table(model: str, found: Sequence[Found], shares: Mapping[str, Figures]) -> str:
    """Return a model's table: its engines, then every further one against the first."""
    columns = [each.figures for each in found] + list(shares.values())
    heads = [each.engine for each in found] + [f"{engine} /" for engine in shares]
    under = [""] * len(found) + [found[0].engine] * len(shares)
    lines = [_line(model, heads), *([_line("", under)] if shares else [])]
    for name, figure in FIGURES.items():
        if any(name in column for column in columns):
            meaning = f"{figure.meaning}, {figure.unit}" if figure.unit else figure.meaning
            lines.append(_line(meaning, (_number(column.get(name)) for column in columns)))
    return "\n".join(lines)


def _line(first: str, cells: Iterable[str]) -> str:
    return (f"{first:<{_MEANING}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)).rstrip()


def _number(value: float | None) -> str:
    """Return three digits that count, or more before the point."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _facts(found: Found) -> str:
    """Return how an engine ran a model: threads, hardware, weights, versions."""
    versions = ", ".join(f"{name} {number}" for name, number in found.facts["versions"].items())
    told = (f"{name} {found.facts[name]}" for name in ("threads", "hardware", "weights"))
    return f"{found.engine}, {found.model}: {', '.join(told)}, {versions}."


def _left_out(found: Sequence[Found]) -> str:
    """Return which figures are missing, by the reason, and where that is not so of all."""
    grouped: dict[str, dict[str, None]] = {}
    for each in found:
        for name, reason in each.left_out.items():
            grouped.setdefault(reason, {})[FIGURES[name].meaning] = None
    return "\n".join(f"left out ({why}): {'; '.join(what)}." for why, what in grouped.items())
