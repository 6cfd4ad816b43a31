"""Pieces of words, as recognisers give them, become the words that were written."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.pieces import joined
from alignatt4llm.recognizers.timed import read_timed_text
from alignatt4llm.recognizers.whisper import _words
from alignatt4llm.recognizers.word_repair import continued
from alignatt4llm.serve.text_protocol import Update
from alignatt4llm.text.languages import LANGUAGES, language
from alignatt4llm.text.units import units
from alignatt4llm.text.words import is_spoken, same, split_words, words_after

ENGLISH = language("en")


def pieces(texts: str) -> list[SourceWord]:
    """Pieces of half a second each, divided by bars."""
    return [SourceWord(text, i / 2, (i + 1) / 2) for i, text in enumerate(texts.split("|"))]


AS_WRITTEN = [
    ("en", " fell| by| 12|.5|%| to| 1|.|3| million", "fell by 12.5% to 1.3 million"),
    ("en", " 1|,|000|,|000| people|,| 3|/|4| of| us", "1,000,000 people, 3/4 of us"),
    ("en", " costs| €|5|,| $|1|.3|m| or| 5| €", "costs €5, $1.3m or 5 €"),
    ("en", " at| 10|:|30|,| 50| %| of| –|5|°|C", "at 10:30, 50 % of –5°C"),
    ("en", " on| 2026|-|11|-|28| or| 28|.|11|.|2026|.", "on 2026-11-28 or 28.11.2026."),
    ("en", " see| https|://|a|.|b|/|c|?|d|=|e| now", "see https://a.b/c?d=e now"),
    ("en", " write| to| mail|@|x|.|org|.| Then", "write to mail@x.org. Then"),
    ("en", " AT|&|T| and| R| &| D| in| the| U|.|S|.", "AT&T and R & D in the U.S."),
    ("en", " COVID|-|19|:| state|-of|-the|-art| C|++", "COVID-19: state-of-the-art C++"),
    ("en", " O|'|Brien| doesn|’|t| say| +|5|=|5", "O'Brien doesn’t say +5=5"),
    ("en", " he| said| –| \"|well|,| (|yes|)|.\"", 'he said – "well, (yes)."'),
    ("fr", " l|'|homme|,| «| oui| »| :| 12|,|5| %", "l'homme, « oui » : 12,5 %"),
    ("de", " z|.|B|.| am| 3|.| Oktober| 1|.|000|,|50| €", "z.B. am 3. Oktober 1.000,50 €"),
    ("ar", " بنسبة| 12|.|5|٪|،| ثم", "بنسبة 12.5٪، ثم"),
    ("hi", " १२|.|५|%| है|।| यह", "१२.५% है। यह"),
    ("zh", "涨|了| 12|.|5|%|，|见|https|://|a|.b|。", "涨了 12.5%，见https://a.b。"),
    ("ja", "1|,|000|円|、|10|:|30|に|。", "1,000円、10:30に。"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "given_pieces", "text"), AS_WRITTEN)
def test_pieces_come_out_as_written(code, given_pieces, text):
    spoken = language(code)
    words = joined(pieces(given_pieces), spoken)
    assert spoken.separator.join(word.text for word in words) == text
    assert [word.text for word in words] == split_words(text, spoken)
    assert all(before.end <= after.start for before, after in pairwise(words))


@pytest.mark.parametrize(
    "written",
    [
        "12.5%", "1,000", "$1.3m", "€5", "10:30", "2026-11-28", "28.11.2026", "AT&T", "3/4",
        "https://a.b/c?d=e", "mail@x.org", "COVID-19", "U.S.A", "O'Brien", "l’homme", "9:41",
    ],
)  # fmt: skip
@pytest.mark.parametrize("code", ["en", "de", "fr", "ru", "zh", "ja"])
def test_no_word_and_no_unit_is_cut(code, written):
    spoken = language(code)
    assert [word.strip() for word in split_words(f" {written} ", spoken)] == [written]
    if not spoken.by_character:
        assert units(f"x {written} y", spoken) == ["x", written, "y"]


@given(st.sampled_from(sorted(LANGUAGES)), st.text(max_size=60), st.data())
def test_any_cuts_join_to_the_words_of_the_text(code, text, data):
    spoken = language(code)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    edges = [0, *cuts, len(text)]
    cut = [SourceWord(text[a:b], i, i + 1) for i, (a, b) in enumerate(pairwise(edges))]
    words = joined(cut, spoken)
    expected = split_words(text, spoken) if any(map(str.isalnum, text)) else []
    assert [word.text for word in words] == expected
    assert all(0 <= word.start <= word.end <= len(cut) for word in words)
    assert all(before.end <= after.end for before, after in pairwise(words))


def test_a_word_lasts_from_its_first_piece_to_its_last():
    heard = joined(pieces(" by| 12|.|5|%|.| We"), ENGLISH)
    assert heard == [
        SourceWord("by", 0.0, 0.5), SourceWord("12.5%.", 0.5, 2.5), SourceWord("We", 3.0, 3.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "text", "new"),
    [
        ("", "by 12.5%", ["by", "12.5%"]),
        ("by", "by 12.5%", ["12.5%"]),
        ("by 12", "by 12.5% to", [".5%", "to"]),
        ("by 12.5", "by 12.5 % to", ["%", "to"]),
        ("It is", "It is. Then", ["Then"]),
        ("so", "so – yes", ["yes"]),
        ("state", "statement is", ["is"]),
        ("AT", "AT&T is", ["&T", "is"]),
        ("by 12", "by 12", []),
    ],
)
def test_what_follows_final_words(known, text, new):
    assert [word for word, _ in words_after(known, text, ENGLISH)] == new
    heard = continued(known, text, (), 4.0, ENGLISH)
    assert [word.text for word in heard] == new
    assert all(0 <= word.start <= word.end <= 4 for word in heard)


C02 = [
    (" 12", 0.8, 1.0), (".5", 1.26, 2.28), ("%", 2.28, 2.62), (" to", 2.62, 3.06),
    (" 1", 3.06, 3.38), (".3", 3.38, 4.02), (" million", 4.02, 4.36), (".", 4.36, 6.0),
]  # fmt: skip


def test_whisper_s_pieces_are_words_with_their_signs():
    found = [{"word": word, "start": start, "end": end} for word, start, end in C02]
    words = _words(found, "", ENGLISH)
    assert [word.text for word in words] == ["12.5%", "to", "1.3", "million."]
    assert (words[0].start, words[0].end) == (0.8, 2.62)
    assert words[3].end == 4.36
    assert [word.text for word in _words(found, " 12.5% to", ENGLISH)] == ["1.3", "million."]


def test_silence_is_taken_out_of_a_stretched_word_and_not_out_of_a_number():
    stretched = [{"word": " so", "start": 0.0, "end": 4.0}, {"word": ",", "start": 4.0, "end": 4.1}]
    [word] = _words(stretched, "", ENGLISH)
    assert (word.start, word.end) == (0.0, pytest.approx(0.6))
    [date] = _words([{"word": " 2026-11-28", "start": 0.0, "end": 3.2}], "", ENGLISH)
    assert (date.start, date.end) == (0.0, 3.2)


def test_signs_alone_are_no_speech():
    assert joined(pieces(" …| –|."), ENGLISH) == []
    assert [is_spoken(sign) for sign in "%€&+=°.,–…♪"] == [True] * 6 + [False] * 5


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("12.5", "125", False), ("10:30", "1030", False), ("3/4", "34", False), ("$5", "5", False),
        ("12.5%", "12.5", False), ("AT&T", "ATT", False), ("की", "का", False),
        ("12.5,", "12.5", True), ("2019.", "2019", True), ("Don’t", "don't", True),
        ("“Well,", "well", True), ("well –", "well", True), ("हैं।", "हैं", True), ("%", "%", True),
        ("-5", "5", False), ("–5°", "5°", False), ("($-5)", "($5)", False), ("5-", "5", True),
        ("COVID-19", "COVID19", True), ("- 5", "5", True),
    ],
)  # fmt: skip
def test_words_that_are_the_same(one, other, equal):
    assert (same(one) == same(other)) is equal


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([" by", " 12", ".5", "%", " to", " AT", "&", "T"], ["by", "12.5%", "to", "AT&T"]),
        ([" I met Gen. Lee", "."], ["I", "met", "Gen.", "Lee."]),
        (["by", "12.5", "%", "to", "–", "us"], ["by", "12.5", "%", "to", "–", "us"]),
    ],
)
def test_timed_text_as_recognisers_write_it(tmp_path, texts, words):
    entries = [{"text": text, "start": i, "end": i + 1} for i, text in enumerate(texts)]
    path = tmp_path / "words.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    heard = read_timed_text(path, ENGLISH)
    assert [word.text for word in heard] == words
    assert len(texts) - 1 <= heard[-1].end <= len(texts)
    assert all(before.end <= after.start for before, after in pairwise(heard))


def update(words: list[str], tail: list[str]) -> Update:
    timed = tuple((text, float(i), i + 1.0) for i, text in enumerate(words))
    return Update(1, 0, timed, tuple(tail), 9.0, False)


@pytest.mark.parametrize(
    ("words", "tail", "settled", "guess"),
    [
        ([" by", " 12"], [], ["by"], ["12"]),
        ([" by", " 12"], [".5", "%"], ["by"], ["12.5%"]),
        ([" by", " 12", ".5"], [" percent"], ["by", "12.5"], ["percent"]),
        ([" we", " said"], [" –", " yes"], ["we"], ["said –", "yes"]),
        (["by", "12"], [".5"], ["by", "12"], [".5"]),
    ],
)
def test_a_client_s_pieces_are_committed_once_they_are_whole(words, tail, settled, guess):
    read = update(words, tail).in_words(ENGLISH, final=False)
    assert [text for text, _, _ in read.words] == settled
    assert list(read.tail) == guess


def test_a_client_s_pieces_are_counted_as_it_counts_them():
    sent = update([" by", " 12", ".5", "%", " to"], [" us"])
    assert [sent.given(n, ENGLISH) for n in range(5)] == [0, 1, 4, 5, 6]
    last = sent.in_words(ENGLISH, final=True).words
    assert last == (("by", 0.0, 1.0), ("12.5%", 1.0, 4.0), ("to", 4.0, 5.0))
