"""The tables of a page: blocks between markers that are written from what was measured."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.names import HEADS
from alignatt4llm.evaluate.record import Entry

_BLOCK = re.compile(r"(<!-- table: (?P<name>[^\n]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
_MARK = re.compile(r"<!-- (?:table:[^\n]*?|end) -->")

COLUMNS: dict[str, tuple[str, str, str, int]] = {
    "cu": ("LongYAAL CU (ms)", "figures", "longyaal_cu_ms", 0),
    "ca": ("LongYAAL CA (ms)", "figures", "longyaal_ca_ms", 0),
    "chrf": ("chrF", "figures", "chrf", 1),
    "bleu": ("BLEU", "figures", "bleu", 1),
    "wer": ("WER", "figures", "wer", 2),
    "rtf": ("RTF", "figures", "rtf", 2),
    "erasure": ("erasure", "figures", "preview_erasure", 2),
    "chrf-over-rivals": ("chrF over rivals", "over", "chrf", 1),
    "bleu-over-rivals": ("BLEU over rivals", "over", "bleu", 1),
    "chrf-against": ("chrF against AlignAtt", "against", "chrf", 1),
    "bleu-against": ("BLEU against AlignAtt", "against", "bleu", 1),
    "cu-against": ("ms against AlignAtt", "against", "longyaal_cu_ms", 0),
}
"""Title of each column, where its figure stands in an entry, and how many decimals are shown."""

NOTHING = "Not measured yet."


def fill(page: str, tables: Mapping[str, str]) -> str:
    """Put tables between their markers; what stands there before is replaced.

    A block is ``<!-- table: NAME -->`` on a line, then anything, then ``<!-- end -->``.

    Raises
    ------
    UsageError
        If a block is not ended or names a table that there is not, or a table has no block.
    """

    def filled(block: re.Match[str]) -> str:
        name = block["name"]
        if name not in tables:
            raise UsageError(f"There is no table '{name}'. There are: {', '.join(tables)}.")
        return f"{block[1]}\n{tables[name].strip()}\n\n{block[3]}"

    marks, blocks = _MARK.findall(page), list(_BLOCK.finditer(page))
    named = [block["name"] for block in blocks]
    whole = [mark for block in blocks for mark in _MARK.findall(block[0])]
    if len(marks) != 2 * len(blocks) or whole != marks:
        raise UsageError("A table of the page has no end: each begins and ends with its marker.")
    page = _BLOCK.sub(filled, page)
    if left := [name for name in tables if name not in named]:
        raise UsageError(f"The page has no place for {', '.join(left)}: no such marker.")
    return page


def table(entries: Sequence[Entry], columns: Sequence[str]) -> str:
    """Return a Markdown table, one line a run, intervals in brackets.

    Raises
    ------
    UsageError
        If there is no such column.
    """
    for name in columns:
        if name not in COLUMNS:
            raise UsageError(f"There is no column '{name}'. There are: {', '.join(COLUMNS)}.")
    if not entries:
        return NOTHING
    titles = ["", "model", "latency", *(COLUMNS[name][0] for name in columns), "commit"]
    lines = [titles, ["---"] * 3 + ["---:"] * len(columns) + ["---"]]
    lines += [_line(entry, columns) for entry in entries]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(entry: Entry, columns: Sequence[str]) -> list[str]:
    run = entry["run"]
    lent = " (lent)" if run["closings"] == HEADS else ""
    latency = [run["latency"] or "", *(f"{key}={value}" for key, value in run["changes"].items())]
    commits = ", ".join(f"`{commit}`" for commit in entry["commits"])
    figures = [_shown(entry, name) for name in columns]
    name = f"{run['pair']} {run['policy']}{lent}"
    return [name, run["model"], " ".join(latency).strip(), *figures, commits]


def _shown(entry: Entry, column: str) -> str:
    _, place, measure, digits = COLUMNS[column]
    figure: Any = entry[place].get(measure) if entry[place] else None
    if not figure or figure[0] is None:
        return "–"
    value, low, high = figure
    sign = "" if place == "figures" else "+"
    shown = f"{value:{sign}.{digits}f}"
    return shown if low is None else f"{shown} [{low:.{digits}f}, {high:.{digits}f}]"
