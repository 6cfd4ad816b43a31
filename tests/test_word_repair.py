"""Transcript words keep their times whatever an aligner makes of the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.word_repair import give_times
from alignatt4llm.text.languages import LANGUAGES, language
from alignatt4llm.text.words import split_words


def timed(*entries: tuple[str, float, float]) -> list[SourceWord]:
    return [SourceWord(*entry) for entry in entries]


def spans(words: list[SourceWord]) -> list[tuple[float, float]]:
    return [(word.start, word.end) for word in words]


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        ("en", "Hello — world , it's ( yes ) .", ["Hello —", "world ,", "it's", "( yes ) ."]),
        ("en", "A state-of-the-art 3.5% gain", ["A", "state-of-the-art", "3.5%", "gain"]),
        ("fr", "« Bonjour » dit-il", ["« Bonjour »", "dit-il"]),
        ("zh", "我们用 GPT-4，很好。", ["我", "们", "用", " GPT-4，", "很", "好。"]),
        ("zh", "“是的”（对）", ["“是", "的”", "（对）"]),
        ("ja", "東京は、高い。", ["東", "京", "は、", "高", "い。"]),
        ("th", "เดินกำลัง", ["เดิ", "น", "กำ", "ลั", "ง"]),
        ("ar", "مرحبا، كيف حالك؟", ["مرحبا،", "كيف", "حالك؟"]),
        ("en", "", []),
    ],
)
def test_text_becomes_words(code, text, words):
    assert split_words(text, language(code)) == words


@given(st.sampled_from(sorted(LANGUAGES)), st.text(max_size=60))
def test_words_give_the_text_back(code, text):
    spoken = language(code)
    assert spoken.separator.join(split_words(text, spoken)) == " ".join(text.split())


def test_punctuation_takes_no_part_in_times():
    heard = timed(("Hello", 0.1, 0.4), ("world", 0.5, 0.9))
    assert give_times(["Hello —", "“world”!"], heard, 1.0) == timed(
        ("Hello —", 0.1, 0.4), ("“world”!", 0.5, 0.9)
    )


def test_a_hyphen_that_the_aligner_splits_at():
    heard = timed(("state", 0.0, 0.4), ("of", 0.4, 0.5), ("art", 0.5, 0.8), ("ok", 0.9, 1.0))
    assert spans(give_times(["state-of-art", "ok"], heard, 1.0)) == [(0.0, 0.8), (0.9, 1.0)]


def test_words_that_the_aligner_merges_share_its_time_by_letters():
    heard = timed(("icecream", 0.0, 0.8))
    ice, cream = give_times(["ice", "cream."], heard, 1.0)
    assert ice.end == cream.start == pytest.approx(0.3)
    assert cream.end == pytest.approx(0.8)


def test_a_word_the_aligner_lost_stands_between_its_neighbours():
    heard = timed(("one", 0.0, 0.2), ("three", 0.6, 0.9))
    one, lost, short, three = give_times(["one", "zzz", "q", "three"], heard, 1.0)
    assert one.end == lost.start == pytest.approx(0.2)
    assert lost.end == short.start == pytest.approx(0.5)
    assert short.end == three.start == pytest.approx(0.6)


def test_numbers_written_otherwise_do_not_move_the_rest():
    heard = timed(("in", 0.0, 0.2), ("nineteen", 0.2, 0.6), ("ten", 0.6, 0.8), ("we", 0.9, 1.0))
    words = give_times(["In", "1910,", "we"], heard, 1.0)
    assert [words[0], words[2]] == timed(("In", 0.0, 0.2), ("we", 0.9, 1.0))
    assert 0.2 <= words[1].start <= words[1].end <= 0.9


def test_chinese_characters_of_one_latin_word_and_one_number():
    heard = timed(("GPT4", 0.0, 0.4), ("很", 0.5, 0.6), ("好", 0.6, 0.7))
    words = split_words("ＧＰＴ-4很好。", language("zh"))
    assert words == ["ＧＰＴ-4", "很", "好。"]
    assert spans(give_times(words, heard, 1.0)) == [(0.0, 0.4), (0.5, 0.6), (0.6, 0.7)]


def test_without_an_aligner_words_are_spread_by_length():
    assert spans(give_times(["ab", "c", "d"], [], 4.0)) == [(0.0, 2.0), (2.0, 3.0), (3.0, 4.0)]


texts = st.text(alphabet="ab1 -.,'好的é", max_size=12)


@given(
    st.lists(texts.filter(str.strip), max_size=8),
    st.lists(st.tuples(texts, st.floats(0, 9), st.floats(0, 9)), max_size=8),
    st.floats(0, 8),
)
def test_every_word_gets_a_time_in_order(words, entries, duration):
    heard = [SourceWord(text, min(a, b), max(a, b)) for text, a, b in entries]
    placed = give_times(words, heard, duration)
    assert [word.text for word in placed] == words
    assert all(0 <= word.start <= word.end <= duration for word in placed)
    assert all(before.end <= after.start for before, after in pairwise(placed))
