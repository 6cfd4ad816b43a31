"""The target side: units, cuts between them, roll-over from one utterance to the next."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.events import Piece
from alignatt4llm.target import Target
from alignatt4llm.text.languages import language
from alignatt4llm.text.units import is_boundary, trim, units

DE, IT, ZH, JA, FR = (language(code) for code in ("de", "it", "zh", "ja", "fr"))


def cut(text, target):
    """The text with a bar wherever it may be cut."""
    return "".join(
        ("|" if is_boundary(text, at, target) else "") + char for at, char in enumerate(text)
    ).removeprefix("|")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (DE, "Das| Haus|,| das| wir| sahen|."),
        (DE, "Nord-Süd| und| Andreas'| Buch"),
        (DE, "um| 3.5| statt| 1,000| oder| 12:30| Uhr"),
        (DE, "am| 3|.| Mai|,| z.B|.| hier"),
        (DE, 'er| sagte| "ja|",| dann'),
        (DE, "für| 10|%| mehr"),
        (IT, "l'acqua| dell’anno| un| po'| fa"),
        (IT, "perche\u0301| no"),
        (FR, "l'État| c'est| moi"),
        (ZH, "我|们|用|GPT-4.5|，|快|3.5|倍|。"),
        (ZH, "去|Zürich| 玩"),
        (ZH, "𠮷|野|家|か\u3099|好"),
        (JA, "東|京|タ|ワ|ー|は|333| m"),
    ],
)
def test_where_text_may_be_cut(target, expected):
    assert cut(expected.replace("|", ""), target) == expected


def test_nothing_is_a_boundary_in_the_middle_of_a_visible_character():
    for cluster in ("e\u0301", "ก\u0e33", "กิ", "👍🏽", "👩\u200d🚀", "❤\ufe0f"):
        for target in (DE, ZH):
            assert not any(is_boundary(cluster, at, target) for at in range(1, len(cluster)))


@pytest.mark.parametrize(
    ("text", "at", "ended", "expected"),
    [
        ("Das Haus", 8, True, "Das Haus"),
        ("Das Haus", 8, False, "Das"),
        ("Das Haus", 6, True, "Das"),
        ("Das Haus", 2, True, ""),
        ("Das Haus ist", 9, False, "Das Haus"),
        ("um 3", 4, False, "um"),
        ("um 3.", 4, False, "um"),
        ("um 3. Mai", 4, False, "um 3"),
        ("", 0, True, ""),
    ],
)
def test_trimming_to_the_last_whole_unit(text, at, ended, expected):
    assert text[: trim(text, at, DE, ended)] == expected


TEXT = st.text(st.sampled_from("abü1 .,'-–他们。，\u0301\n👍🏽\u200d"), max_size=20)


@given(TEXT, st.integers(0, 20), st.booleans(), st.sampled_from([DE, ZH]))
def test_trimming_only_shortens_and_what_is_trimmed_stays(text, at, ended, target):
    at = min(at, len(text))
    once = trim(text, at, target, ended)
    assert 0 <= once <= at
    assert once == len(text) or trim(text, once, target, ended) == once
    if 0 < once < len(text):
        assert not unicodedata.combining(text[once])
        assert target.by_character or not (text[once - 1].isalnum() and text[once].isalnum())


def test_units_are_words_or_characters():
    assert units(" Das Haus, das l'acqua ", DE) == ["Das", "Haus,", "das", "l'acqua"]
    assert units("我们 用 GPT", ZH) == list("我们用GPT")
    assert units("", DE) == units(" ", ZH) == []


def pieces(*entries):
    return [Piece(text, word) for text, word in entries]


def test_text_only_grows_and_utterances_are_joined_once():
    target = Target(DE)
    assert target.extend(pieces((" ", 0), (" Das", 0), (" Haus", 1))) == "Das Haus"
    assert (target.accepted, target.covered) == ("Das Haus", 1)
    assert target.extend([]) == ""
    assert target.extend(pieces((".", -1))) == "."
    assert target.close(2) == "Das Haus."
    assert (target.accepted, target.covered) == ("", -1)
    assert target.extend(pieces((" Es", 0))) == " Es"
    assert target.close(1) == "Es"


def test_utterances_of_chinese_are_joined_by_nothing():
    target = Target(ZH)
    assert target.extend(pieces((" 我们", 0))) == "我们"
    target.close(1)
    assert target.extend(pieces((" 他们", 0))) == "他们"


def test_what_belongs_to_later_words_opens_the_next_utterance():
    target = Target(DE)
    target.extend(pieces((" Ja", 0), (".", 0), (" Gut", 1), ("en", 2), (" Tag", 2)))
    assert target.runs_ahead(1) and not target.runs_ahead(3)
    assert target.close(1) == "Ja."
    assert (target.accepted, target.covered) == ("Guten Tag", 1)
    assert target.extend(pieces((" zusammen", 2))) == " zusammen"
    assert target.close(3) == "Guten Tag zusammen"


def test_one_stray_glance_ahead_moves_nothing():
    target = Target(DE)
    target.extend(pieces((" das", 0), (" alte", 7), (" Haus", 1), (" dort", 2)))
    assert not target.runs_ahead(3)
    assert target.close(3) == "das alte Haus dort"


WORDS = st.lists(
    st.tuples(st.sampled_from([" ja", " ne", "in", ".", "-", " 他", "们"]), st.integers(-1, 9)),
    max_size=12,
)


@given(st.lists(st.tuples(WORDS, st.integers(1, 6)), max_size=5), st.sampled_from([DE, ZH]))
def test_closes_neither_lose_nor_repeat_text(rounds, target_language):
    target = Target(target_language)
    said, closed = "", []
    for entries, words in rounds:
        said += target.extend(pieces(*entries))
        closed.append(target.close(words))
    closed.append(target.close(99))
    assert target.accepted == ""
    joint = target_language.separator
    told = joint.join(text for text in closed if text)
    if target_language.by_character:  # the space at a joint belongs to neither
        assert "".join(told.split()) == "".join(said.split())
    else:
        assert told.split() == said.split()


@pytest.mark.parametrize(
    ("pieces", "closed", "carried"),
    [
        (["我们", " Atlas"], "我们", "Atlas"),
        (["我们", "“", "好"], "我们", "“好"),
        (["我们", "。", "《", "书"], "我们。", "《书"),
        (["我们", "，", "好"], "我们，", "好"),
    ],
)
def test_what_opens_belongs_to_what_follows_where_no_spaces_are(pieces, closed, carried):
    target = Target(language("zh"))
    first = 1 + sum(piece in "。，" for piece in pieces)
    target.extend([Piece(piece, int(index >= first)) for index, piece in enumerate(pieces)])
    assert target.close(1) == closed
    assert target.accepted == carried
