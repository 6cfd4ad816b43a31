"""Said words become cues that can be read: whole lines, long enough, every word once."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignatt4llm.events import Close, Commit, Piece, Source, SourceWord
from alignatt4llm.outputs.captions import FinalCues, LiveCues
from alignatt4llm.outputs.check import violations
from alignatt4llm.outputs.cues import Cue, Said, spans_of
from alignatt4llm.outputs.layout import Text, cues_of
from alignatt4llm.outputs.rules import NAMED, Rules, rules_for
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.subtitles import MARK, directed
from alignatt4llm.text.languages import LANGUAGES, Pair, language
from alignatt4llm.text.width import width

FAST = Rules(line=20, speed=1000, shortest=0.1, gap=0.0, bridge=0.0)
"""Rules in which only lines matter."""


def said(text, code, rate=0.4):
    """Words of a text, one after the other, so many seconds each."""
    spans = list(spans_of(text, language(code)))
    joints = [" " if a > b else "" for (_, b), (a, _) in pairwise([(0, -1), *spans])]
    return [
        Said(text[a:b], n * rate, (n + 1) * rate, joint)
        for n, ((a, b), joint) in enumerate(zip(spans, joints, strict=True))
    ]


BREAKS = [
    ("en", "We went home early, because it rained.", ["We went home early,", "because it rained."]),
    ("en", "She put the bread on the table.", ["She put the bread", "on the table."]),
    ("de", "Er ging nach Hause und sie blieb dort.", ["Er ging nach Hause", "und sie blieb dort."]),
    ("de", "Das Treffen ist am 3. Oktober hier.", ["Das Treffen ist", "am 3. Oktober hier."]),
    ("fr", "Nous voyons souvent la maison bleue.", ["Nous voyons souvent", "la maison bleue."]),
    ("it", "Il treno parte presto dalla stazione.", ["Il treno parte presto", "dalla stazione."]),
    ("es", "El perro duerme siempre en la cama.", ["El perro duerme", "siempre en la cama."]),
    ("pt", "A menina canta muito bem na escola.", ["A menina canta", "muito bem na escola."]),
    (
        "en",
        "We saw the good old Angela Merkel again.",
        ["We saw the good old", "Angela Merkel again."],
    ),
    ("zh", "我们今天讨论语言模型，它用在同声传译中的很多不同的地方。", None),
    ("th", "วันนี้อากาศดีมากเราจะไปเที่ยวกันที่ทะเล", None),
    ("ja", "始発列車は朝七時に駅を出ます。", None),
]
"""Texts, and the lines of 22 characters into which they fall; None: only rules are looked at."""


@pytest.mark.parametrize(("code", "text", "lines"), BREAKS)
def test_lines_end_where_one_would_pause(code, text, lines):
    cues = cues_of(said(text, code), replace(FAST, line=22 if lines else 20), language(code))
    found = [line for cue in cues for line in cue.lines]
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    if lines:
        assert found == lines
    assert all(width(line, False) <= 22 for line in found)


KEPT_TOGETHER = [
    ("zh", "我们在二〇二六年用Transformer模型和GPT-4做翻译，", ["Transformer", "GPT-4"]),
    ("ja", "このモデルはAttentionという仕組みで2026年に作られた。", ["Attention", "2026年"]),
    ("th", "วันนี้อากาศดีมาก เราใช้ Transformer ไปเที่ยวกัน", ["Transformer", "อากาศ"]),
    ("ko", "우리는 오늘 Transformer 모델을 사용하여 번역을 합니다.", ["Transformer", "사용하여"]),
    ("de", "Der Satz 他们在这里 steht in einem deutschen Text.", ["deutschen"]),
]
"""What no line may cut, in texts that must be broken."""


@pytest.mark.parametrize(("code", "text", "whole"), KEPT_TOGETHER)
@pytest.mark.parametrize("line", [12, 14, 17, 21])
def test_words_are_not_cut_and_no_line_begins_with_a_closing_mark(code, text, whole, line):
    cues = cues_of(said(text, code), replace(FAST, line=line), language(code))
    lines = [line for cue in cues for line in cue.lines]
    assert len(lines) > 1
    assert all(any(word in line for line in lines) for word in whole)
    assert not any(line[0] in "，。、！？」』）.,!?)" for line in lines)
    assert not any(line[-1] in "「『（(" for line in lines)


def test_a_line_that_fits_stays_whole():
    (cue,) = cues_of(
        said("Guten Tag, Welt.", "de"), rules_for("netflix", language("de")), language("de")
    )
    assert cue == Cue(("Guten Tag, Welt.",), 0, 1200)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        # 30 characters want 1.765 s, whatever time they are spoken in
        ([(0.0, 1.0)], [(0, 1765)]),
        ([(0.0, 5.0)], [(0, 5000)]),
        # no cue shows for longer than seven seconds
        ([(0.0, 12.0)], [(0, 7000)]),
        # one waits until the one before it is read, two frames apart
        ([(0.0, 1.0), (1.0, 4.0)], [(0, 1765), (1849, 4000)]),
        # a gap below half a second is closed to two frames, a longer one stays
        ([(0.0, 2.0), (2.3, 5.0)], [(0, 2216), (2300, 5000)]),
        ([(0.0, 2.0), (2.6, 5.0)], [(0, 2000), (2600, 5000)]),
        # where closing it would make the cue too long, it is opened instead
        ([(0.0, 6.9), (7.2, 9.0)], [(0, 6700), (7200, 9000)]),
    ],
)
def test_times_by_hand(times, expected):
    text = "einmaldreissigbuchstabenlang!!"
    assert len(text) == 30
    words = [Said(text, start, end) for start, end in times]
    rules = replace(rules_for("netflix", language("de")), line=30, lines=1)
    cues = cues_of(words, rules, language("de"))
    assert [(cue.start, cue.end) for cue in cues] == expected


@pytest.mark.parametrize("sentences", [60, 180])
def test_a_speaker_who_is_too_fast_is_followed(sentences):
    """The cues lag only so far; then some of them show too short a time, and none is left out."""
    words = said("Das ist ein wirklich langer Satz. " * sentences, "de", rate=0.12)
    cues = cues_of(words, rules_for("netflix", language("de")), language("de"))
    assert sum(len(line.split()) for cue in cues for line in cue.lines) == len(words)
    assert cues[-1].start / 1000 < words[-1].end + 20
    broken = {one.rule for one in violations(cues, rules_for("netflix", language("de")))}
    assert broken <= {"speed"}


LATIN = st.text("abcdefgäßéñ", min_size=1, max_size=11)
WORDS = {
    "de": LATIN | st.sampled_from(["Dr.", "3.", "und", "der,", "„Ja!“", "(x)", "z.B.", "5,5", "–"]),
    "en": LATIN | st.sampled_from(["the", "a.m.", "Mr.", "and,", "U.S."]),
    "zh": st.sampled_from(["你", "好吗", "模型，", "「他」", "GPT-4", "2026年", "。", "a", "ｂ"]),
    "ja": st.sampled_from(["始発", "列車は", "。", "、", "Tokyo", "「", "」", "ー", "ッ"]),
    "th": st.sampled_from(["วัน", "นี้", "เรา", "จะ", "GPT", " ", "ๆ", "ไป"]),
    "ko": st.sampled_from(["우리는", "오늘", "GPT-4", "합니다.", "그,"]),
    "ar": st.sampled_from(["السلام", "عليكم،", "و", "GPT-4", "كتاب؟", "هذا"]),
    "he": st.sampled_from(["שלום", "עולם,", "של", "A4", "זה?"]),
    "hi": st.sampled_from(["नमस्ते", "दुनिया।", "और", "GPT"]),
    "cs": LATIN,
}
"""Words of every script."""


@st.composite
def streams(draw):
    """A language and events of a session in it, with odd times."""
    code = draw(st.sampled_from(sorted(WORDS)))
    target = LANGUAGES[code]
    events, clock = [], 0.0
    for number in range(draw(st.integers(0, 4))):
        words = draw(st.lists(WORDS[code], max_size=25))
        text = target.separator.join(words).strip()
        start = clock + draw(st.floats(0, 3))
        clock = start + draw(st.floats(0, 9))
        heard = tuple(
            SourceWord(
                f"w{number}.{n}",
                start + (clock - start) * n / 5,
                start + (clock - start) * (n + 1) / 5,
            )
            for n in range(5)
        )
        if draw(st.booleans()):
            events.append(Source(number, heard, (), clock))
        joint = target.separator if events else ""
        looks = draw(st.lists(st.integers(-1, 6), min_size=1, max_size=5))
        pieces = [Piece(piece, looks[n % len(looks)]) for n, piece in enumerate(text)]
        if text:
            pieces = [Piece(joint + pieces[0].text, pieces[0].word), *pieces[1:]]
            events.append(Commit(joint + text, number, clock, clock, -1, tuple(pieces)))
        spoken = " ".join(word.text for word in heard)
        events.append(Close(number, spoken, text, start, clock, clock + 0.5, 5))
    if events and draw(st.booleans()):
        events.pop()  # the stream ends inside an utterance
    return code, events


def read(cues):
    return "".join("".join("".join(cue.lines).split()) for cue in cues)


def spoken_text(events):
    return "".join("".join(event.text for event in events if isinstance(event, Commit)).split())


@settings(max_examples=150)
@given(streams(), st.sampled_from(sorted(NAMED)))
def test_every_word_stands_in_the_cues_once_and_in_order(stream, name):
    code, events = stream
    style = Style.of(Pair(language("en"), language(code)), name)
    live, cues = LiveCues(style), []
    for event in events:
        cues.extend(live.add(event))
    cues.extend(live.end())
    final = FinalCues(style)
    for event in events:
        final.add(event)
    words = "".join(event.text for event in events if isinstance(event, Commit)).split()
    for found in (cues, final.end()):
        assert read(found) == spoken_text(events)
        if LANGUAGES[code].separator:
            assert [word for cue in found for line in cue.lines for word in line.split()] == words
        assert all(cue.start < cue.end for cue in found)
        assert all(before.end <= after.start for before, after in pairwise(found))
        assert all(len(cue.lines) <= style.rules.lines for cue in found)


@settings(max_examples=60)
@given(streams())
def test_rules_are_kept_where_they_can_be(stream):
    """Speech that is slow enough breaks no rule, but where a single word is too long for a line."""
    code, events = stream
    style = Style.of(Pair(language("en"), language(code)))
    text = "".join(event.text for event in events if isinstance(event, Commit))
    words = said(text, code, rate=1.2 * style.rules.line / style.rules.speed)
    cues = cues_of(words, style.rules, language(code))
    too_long = {
        word.text for word in words if width(word.text, style.rules.halves) > style.rules.line
    }
    broken = violations(cues, style.rules)
    assert all(one.rule in ("line", "speed") and one.text in too_long for one in broken)


@given(streams())
def test_the_source_stands_once_and_in_order_too(stream):
    code, events = stream
    style = Style.of(Pair(language("en"), language(code)), with_source=True)
    final = FinalCues(style)
    for event in events:
        final.add(event)
    cues = final.end()
    below = [word for cue in cues for line in cue.below for word in line.split()]
    heard = [event.source.split() for event in events if isinstance(event, Close)]
    if cues and events and isinstance(events[-1], Close):
        assert below == [word for words in heard for word in words]
    assert all(len(cue.below) <= style.source_rules.lines for cue in cues)


def test_a_cue_is_spoken_when_the_words_that_it_looks_at_are():
    """The verb at the end of a German clause looks at a word before; no time goes back."""
    heard = tuple(SourceWord(f"w{n}", float(n), n + 1.0) for n in range(12))
    text = "Wir haben das gestern gesehen."
    words = text.replace(" ", "| ").split("|")
    pieces = tuple(map(Piece, words, (0, 2, 3, 4, 1)))
    style = Style.of(Pair.parse("en-de"))
    live = LiveCues(replace(style, rules=replace(FAST, line=14, lines=1)))
    cues = []
    for event in (
        Source(0, heard, (), 12.0),
        Commit(text, 0, 12.0, 12.0, 4, pieces),
        Close(0, "x", text, 0.0, 12.0, 12.0, 12),
    ):
        cues.extend(live.add(event))
    cues.extend(live.end())
    assert [cue.lines for cue in cues] == [("Wir haben",), ("das gestern",), ("gesehen.",)]
    # haben: 2; then 3, 4 and 1 are pooled by their letters: das 3, gestern and gesehen 2.5
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)
    assert cues[0].start == 0 and 2000 <= cues[1].start <= 3000


def test_lines_from_the_right_are_marked():
    style = Style.of(Pair.parse("en-he"), with_source=True)
    cue = directed(Cue(("GPT אומר שלום.",), 0, 1, ("GPT says.",)), style)
    assert cue.lines == (f"{MARK}GPT אומר שלום.{MARK}",) and cue.below == ("GPT says.",)
    assert width(cue.lines[0], False) == 14


def test_long_texts_are_laid_out_in_bounded_time():
    """Work grows with the text and not with its square: every word is looked at in few cues."""
    calls = []

    class Counted(Text):
        def lines(self, first, last):
            calls.append(last - first)
            return super().lines(first, last)

    words = said("Das ist ein Satz, und noch einer. " * 40, "de")
    text = Counted(words, rules_for("netflix", language("de")), language("de"))
    from alignatt4llm.outputs.layout import _Layout

    _Layout(text, rules_for("netflix", language("de")), None, goes_on=False).best(0)
    assert max(calls) < 30 and len(calls) < 30 * len(words)
