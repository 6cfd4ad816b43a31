"""The terminal: lines roll up, and what stands above the last never changes."""

import io

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from alignatt4llm.cli.display import LiveDisplay
from alignatt4llm.events import Close, Commit, End, Preview, Source, SourceWord
from alignatt4llm.text.languages import Pair

WORDS = [
    "Guten",
    "Morgen,",
    "zusammen",
    "und",
    "vielen",
    "Dank.",
    "für",
    "das",
    "Kommen",
    "heute!",
    "Wir",
    "sehen",
    "uns",
]
COLUMNS = 30


class Screen:
    """What somebody at a terminal sees, and has seen."""

    def __init__(self, pair, columns=COLUMNS, rows=400):
        self._file = io.StringIO()
        console = Console(file=self._file, force_terminal=True, color_system=None, width=columns)
        self.display = LiveDisplay(console, Pair.parse(pair))
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._read = 0

    def write(self, event):
        self.display.write(event)
        return self.lines()

    def lines(self):
        self.display._live.refresh()
        text = self._file.getvalue()
        self._stream.feed(text[self._read :].replace("\n", "\r\n"))
        self._read = len(text)
        return [line.rstrip() for line in self._screen.display]


def commit(text, utterance=0):
    return Commit(text, utterance, 1.0, 1.0, 0)


def close(source, target, utterance=0):
    return Close(utterance, source, target, 0.0, 1.0, 1.0, 3)


def test_a_line_is_filled_before_the_next_begins():
    screen = Screen("en-de")
    screen.write(Source(0, (SourceWord("Good", 0, 1),), (SourceWord("morning", 1, 2),), 2.0))
    lines = screen.write(commit("Guten Morgen zusammen und"))
    assert lines[:2] == ["Guten Morgen zusammen und", "Good morning"]
    lines = screen.write(commit(" vielen Dank"))
    assert lines[:3] == ["Guten Morgen zusammen und", "vielen Dank", "Good morning"]
    lines = screen.write(Preview("für das", 0, "ahead"))
    assert lines[:2] == ["Guten Morgen zusammen und", "vielen Dank für das"]
    lines = screen.write(commit("."))
    assert lines[1] == "vielen Dank."
    lines = screen.write(close("Good morning.", "Guten Morgen zusammen und vielen Dank."))
    assert lines[1:4] == ["vielen Dank.", "Good morning.", ""]
    screen.write(commit(" Heute", 1))
    lines = screen.write(End(2.0, 2.0, 1.0, 1.0))
    assert lines[4] == "Heute"
    screen.display.close()


def test_text_that_runs_ahead_of_a_close_is_not_torn():
    screen = Screen("en-de")
    screen.write(commit("Guten Tag. Heute"))
    lines = screen.write(close("Good day.", "Guten Tag."))
    assert lines[0] == "Guten Tag. Heute" and "Good day." not in lines
    screen.write(commit(" geht es.", 1))
    lines = screen.write(close("Today it is.", "Heute geht es.", 1))
    assert lines[:2] == ["Guten Tag. Heute geht es.", "Good day. Today it is."]
    screen.display.close()


def test_a_sign_that_closes_hangs_at_the_end_of_a_full_line():
    screen = Screen("en-zh", 10)
    for text in ("今天", "天气", "。", "好"):
        screen.write(commit(text))
    assert screen.lines()[:2] == ["今天天气。", "好"]
    screen.display.close()


@pytest.mark.parametrize(
    ("pair", "commits", "shown"),
    [
        ("en-zh", ["今天天气很好今天天气很好今天天气", "。然后"], "今天天气很好今天天气很好今天"),
        ("en-ar", ["صباح الخير جميعا وشكرا لكم على", " حضوركم"], "صباح الخير جميعا وشكرا لكم"),
        ("en-ko", ["여러분 안녕하세요 오늘은", " 도시의 지도를"], "여러분 안녕하세요 오늘은"),
    ],
)
def test_wide_letters_take_two_columns(pair, commits, shown):
    screen = Screen(pair)
    for text in commits:
        screen.write(commit(text))
    assert "".join(screen.lines()[0].split()) == "".join(shown.split())
    screen.display.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 6)),
        st.tuples(st.just("hold"), st.integers(0, 5)),
        st.tuples(st.just("close"), st.integers(0, 3)),
        st.tuples(st.just("hear"), st.integers(0, 9)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_what_stands_above_the_last_line_never_changes(steps):
    screen, above, spoken, opened = Screen("en-de"), [], 0, ""
    for kind, count in steps:
        if kind == "say":
            words = [WORDS[(spoken + n) % len(WORDS)] for n in range(count)]
            text = "".join(f" {word}" for word in words)
            spoken, opened = spoken + count, opened + text
            lines = screen.write(commit(text))
        elif kind == "hold":
            lines = screen.write(Preview(" ".join(WORDS[:count]), 0, "ahead"))
        elif kind == "hear":
            heard = tuple(SourceWord(word, 0, 1) for word in WORDS[:count])
            lines = screen.write(Source(0, heard, (), 1.0))
        else:
            words = opened.split()
            closed = words[: max(0, len(words) - count)]
            opened = "".join(f" {word}" for word in words[len(closed) :])
            lines = screen.write(close("so it was heard", " ".join(closed)))
        assert lines[: len(above)] == above
        last = screen.display.picture().renderables[0].plain.split()
        if kind == "say":  # what is held stands behind the last line otherwise
            rows = range(len(above), len(lines))
            above = lines[: next(row for row in rows if lines[row].split() == last)]
    screen.display.close()
