"""Lines that roll up, and how fast one must read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.events import Commit
from alignatt4llm.outputs.lines import Lines, joins, parts
from alignatt4llm.outputs.rules import rules_for
from alignatt4llm.outputs.speed import ReadingSpeed
from alignatt4llm.text.languages import LANGUAGES
from alignatt4llm.text.units import unit_spans

PARTS = [
    ("de", " und dann, heute", [" und", " dann,", " heute"]),
    ("de", "Guten  Tag ", ["Guten", "  Tag "]),
    ("de", ".", ["."]),
    ("de", " ", [" "]),
    ("de", "", []),
    ("fr", " Oui ! Non", [" Oui !", " Non"]),
    ("ar", " مع GPS و3.5 كم.", [" مع", " GPS", " و3.5", " كم."]),
    ("zh", "今天天气很好。", ["今天", "天气", "很", "好。"]),
    ("zh", "用Google Maps看", ["用", "Google", " Maps", "看"]),
    ("zh", "“好”，他说", ["“好”，", "他", "说"]),
    ("ja", "今日は良い。", ["今日は", "良い。"]),
    ("de", "zum 你好", ["zum", " 你好"]),
    ("de", ", meine Damen", [",", " meine", " Damen"]),
    ("de", ". Und", [".", " Und"]),
    ("fr", " ! Non", [" !", " Non"]),
    ("zh", "。然后", ["。", "然后"]),
    ("ja", "ーは", ["ー", "は"]),
    ("th", "สวัสดีครับ", ["สวัสดี", "ครับ"]),
]


@pytest.mark.parametrize(("code", "text", "found"), PARTS)
def test_where_a_line_may_end(code, text, found):
    assert parts(text, LANGUAGES[code]) == found


JOINS = [
    ("de", " und", False),
    ("de", ".", True),
    ("de", "s Haus", True),
    ("de", "", False),
    ("zh", "。然后", True),
    ("zh", "你好", False),
    ("zh", "“你好", False),
    ("zh", "”他说", True),
    ("zh", "Maps", False),
    ("ja", "、そして", True),
    ("ja", "ー", True),
    ("th", "ะ", True),
    ("ja", "っと", True),
    ("fr", " !", True),
    ("fr", " » dit-il", True),
    ("fr", " « oui", False),
    ("de", " – und", True),
    ("ar", "،", True),
    ("ko", " 안녕", False),
]


@pytest.mark.parametrize(("code", "text", "joined"), JOINS)
def test_what_cannot_begin_a_line(code, text, joined):
    assert joins(text, LANGUAGES[code]) is joined


def test_lines_are_filled_and_signs_hang():
    lines = Lines(10, LANGUAGES["de"])
    assert list(lines.add("Guten Tag")) == [] and lines.last == "Guten Tag"
    assert list(lines.add(", meine")) == ["Guten Tag,"]
    assert list(lines.add(" Damen und Herren")) == ["meine", "Damen und"]
    assert list(lines.add("!")) == [] and lines.last == "Herren!"
    assert list(lines.add(" Donaudampfschiff ab")) == ["Herren!", "Donaudampfschiff"]
    assert lines.end() == "ab" and lines.last == "" and lines.end() == ""


TEXTS = st.text(st.sampled_from("ab ,.“”'3é你好。、，Zกะ ع\u0301"), max_size=60)


@given(st.sampled_from(sorted(LANGUAGES)), TEXTS)
def test_parts_give_the_text_back(code, text):
    found = parts(text, LANGUAGES[code])
    assert "".join(found) == text and all(found)


@given(st.sampled_from(sorted(LANGUAGES)), st.lists(TEXTS, max_size=8), st.integers(1, 30))
def test_lines_only_grow_and_hold_everything(code, commits, room):
    language = LANGUAGES[code]
    lines, done = Lines(room, language), []
    for text in commits:
        before = lines.last
        done += lines.add(text)
        assert any(line.startswith(before.strip()) for line in [*done, lines.last])
    done.append(lines.end())
    assert "".join("".join(done).split()) == "".join("".join(commits).split())


@given(st.text(st.sampled_from("abc ,."), max_size=80), st.integers(4, 20))
def test_the_next_word_would_not_have_fitted(text, room):
    language = LANGUAGES["de"]
    lines = Lines(room, language)
    done = [*lines.add(" ".join(text.split())), lines.end()]
    for line, following in pairwise(done):
        assert len(line) + 1 + len(parts(following, language)[0]) > room
    assert all(len(line) <= room or len(parts(line, language)) == 1 for line in done)


def commit(text, at):
    return Commit(text, 0, at, at, 0)


@pytest.mark.parametrize(
    ("code", "said", "now", "speed"),
    [
        ("de", [("x" * 100, 1.0)], 1.0, 10.0),
        ("de", [("x" * 100, 1.0)], 10.9, 10.0),
        ("de", [("x" * 100, 1.0)], 11.0, 0.0),
        ("de", [("x" * 100, 1.0), ("y" * 50, 9.0), ("z" * 20, 12.0)], 12.0, 7.0),
        ("zh", [("好" * 100, 3.0)], 4.0, 10.0),
        ("zh", [("ab" * 50, 3.0)], 4.0, 5.0),
        ("ar", [("ب\u064e" * 100, 3.0)], 4.0, 10.0),
        ("de", [], 5.0, 0.0),
    ],
)
def test_reading_speed_is_of_the_last_ten_seconds(code, said, now, speed):
    reading = ReadingSpeed(rules_for("netflix", LANGUAGES[code]))
    for text, at in said:
        reading.add(commit(text, at))
    assert reading.speed(now) == pytest.approx(speed)


@given(st.lists(st.floats(0, 1e5), max_size=50))
def test_what_is_kept_of_it_is_bounded_by_the_window(times):
    reading = ReadingSpeed(rules_for("netflix", LANGUAGES["de"]))
    for at in sorted(times):
        reading.add(commit("x", at))
        assert len(reading._recent) <= sum(at - 10 < other <= at for other in times)


def test_units_are_never_torn():
    text = "Heute um 3.5 Uhr: z.B. AT&T, a.b/c."
    language = LANGUAGES["de"]
    ends = {0}
    for part in parts(text, language):
        ends.add(max(ends) + len(part))
    assert all(not start < end < stop for start, stop in unit_spans(text, language) for end in ends)
