"""Repetition: what the source repeats is said as often, what runs away is cut once, the rest lives.

One row an input: what is said again, in which languages, and what of it is kept.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import EN_DE, EN_ZH, SECOND, follow, of, play, said, talk

from alignatt4llm.events import Close
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.text.languages import Pair, language
from alignatt4llm.text.repeats import kept, repetition
from alignatt4llm.text.units import trim
from alignatt4llm.text.words import split_words
from alignatt4llm.transcript import SourceSettings
from alignatt4llm.translators.scripted import word_for_word
from alignatt4llm.translators.transformers import TransformersTranslator

ROW = "row row row your boat gently down the stream"
RUDER = "rudert rudert rudert dein Boot sanft den Bach hinunter"
BEACHES = "we shall fight on the beaches we shall fight on the landing grounds"
STRAND = "wir werden an den Stränden kämpfen, wir werden an den Landeplätzen kämpfen"

ALIKE = [
    ("en-de", "is 1 1 1 1 and the door", "ist 1 1 1 1 und die Tür"),
    ("en-de", "is 1 1 1 1 and the door", "ist eins, eins, eins, eins und die Tür"),
    ("en-de", "is 1111 and the door", "ist eins eins eins eins und die Tür"),
    ("en-de", "7 7 7 7 7 7 7", "sieben sieben sieben sieben sieben sieben sieben"),
    ("en-de", "20000 people", "20000 Leute"),
    ("en-de", "100000 people", "eins null null null null null"),
    ("en-de", "about 3.33333", "etwa drei Komma drei drei drei drei drei"),
    ("en-de", "call 555-7777", "fünf fünf fünf sieben sieben sieben sieben"),
    ("en-de", "call 4444 4444 4444 4444", "ruf " + "vier " * 16),
    ("en-de", "no no no no no", "Nein, nein, nein, nein, nein!"),
    ("en-de", "bla bla bla", "bla bla bla"),
    ("en-de", "hahahaha", "ha ha ha ha"),
    ("en-de", "very very very very good", "sehr sehr sehr sehr gut"),
    ("en-de", "very good", "sehr sehr sehr gut"),
    ("en-de", "sorry sorry sorry", "es tut mir leid es tut mir leid es tut mir leid"),
    ("en-de", "tick tock " * 5, "tick tack " * 5),
    ("en-de", "zero zero zero zero one zero zero zero two", "null null null null eins null null"),
    ("en-de", "0 1 0 1 0 1 0 1 0 1", "null eins " * 5),
    ("en-de", f"{ROW} {ROW}", f"{RUDER} {RUDER}"),
    ("en-de", BEACHES, STRAND),
    ("en-de", "1 2 3 4 5 6 I repeat 1 2 3 4 5 6", "1 2 3 4 5 6 ich wiederhole 1 2 3 4 5 6"),
    ("en-cs", "a trillion people", "1 000 000 000 000 000 lidí"),
    ("en-fr", "a quadrillion", "1\u202f000\u202f000\u202f000\u202f000\u202f000"),
    ("en-it", "sì " * 6, "sì, " * 6),
    ("de-en", "ja ja ja ja", "yes yes yes yes"),
    ("en-zh", "is 1 1 1 1 and the door", "是1 1 1 1，门开着"),
    ("en-zh", "is 1111", "是一一一一"),
    ("en-zh", "20000 people", "20000人"),
    ("en-zh", "20000 people", "２００００人"),
    ("en-zh", "20000 people", "二〇〇〇〇人"),
    ("en-zh", "a trillion people", "1,000,000,000,000,000人"),
    ("en-zh", "no no no no no", "不，不，不，不，不"),
    ("en-zh", "ha ha ha ha", "哈哈哈哈"),
    ("en-zh", "bla bla bla", "等等等等等等"),
    ("en-zh", "very very very very good", "非常非常非常非常好"),
    ("en-zh", "natural language", "自然语言处理和自然语言处理"),
    ("en-ja", "no no no no", "いいえ、いいえ、いいえ、いいえ"),
    ("en-ja", "sorry sorry sorry", "ごめんなさいごめんなさいごめんなさい"),
    ("en-th", "very very very very", "มากมากมากมาก"),
    ("zh-en", "哈哈哈哈哈", "ha ha ha ha ha"),
    ("zh-en", "不不不不不", "no, no, no, no, no"),
    ("ja-en", "ドキドキドキドキする", "thump thump thump thump"),
    ("ja-de", "ゼロゼロゼロゼロ", "null null null null"),
    ("th-en", "ไม่ไม่ไม่ไม่", "no no no no"),
]
"""Pair, source, a target that is kept whole."""

AWAY = [
    ("en-de", "the ship", "Dampfschiff" + " Dampfschiff" * 9, "Dampfschiff"),
    ("en-de", "it was so", "es war so " * 9, "es war so"),
    ("en-de", "the ship", "Ja, ja! JA ja… ja", "Ja,"),
    ("en-de", "he came", "er kam und ging und ging und ging und ging", "er kam und ging"),
    (
        "en-de",
        "the same way as then",
        "die in der gleichen Weise, wie Die in der gleichen Weise wie damals",
        "die in der gleichen Weise, wie",
    ),
    ("en-de", "is 1 1 1 1 and the door", "ist" + " 1" * 40, "ist 1 1 1 1"),
    ("en-de", "no no no no no", "nein " * 40, "nein nein nein nein nein"),
    ("en-de", "20000 people", "2" + "0" * 60, "20000"),
    (
        "en-de",
        "20000 people",
        "20.000 Leute " + "und sie kamen alle " * 9,
        "20.000 Leute und sie kamen alle",
    ),
    ("en-de", "the ship", "das Schiff" + "." * 60, "das Schiff."),
    ("en-de", "the ship", "das Schiff" + " -" * 60, "das Schiff -"),
    ("en-de", "the ship", "ha" * 60, "ha"),
    ("en-zh", "the ship", "船" * 9, "船"),
    ("en-zh", "the ship", "轮船，" * 9, "轮船，"),
    (
        "en-zh",
        "natural language",
        "自然语言处理和机器学习的方法" * 2,
        "自然语言处理和机器学习的方法",
    ),
    ("en-zh", "ha ha ha ha", "哈" * 40, "哈哈哈哈"),
    ("en-ja", "no no no", "いいえ" * 20, "いいえいいえいいえ"),
    ("en-th", "the ship", "เรือ" * 9, "เรือ"),
    ("zh-en", "哈哈哈哈哈", "ha " * 40, "ha ha ha ha ha"),
    ("zh-en", "船", "ship " * 40, "ship"),
]
"""Pair, source, a target that runs away, what is kept of it."""


def keep(pair, source, target, before="", ended=True):
    one, _, other = pair.partition("-")
    words = split_words(source, language(one))
    return target[: kept(before, target, words, language(other), ended)]


@pytest.mark.parametrize(("pair", "source", "target"), ALIKE)
def test_what_the_source_repeats_the_target_may_repeat(pair, source, target):
    assert keep(pair, source, target) == target


@pytest.mark.parametrize(("pair", "source", "target", "expected"), AWAY)
def test_what_runs_away_is_cut_to_what_the_source_says(pair, source, target, expected):
    assert keep(pair, source, target).strip() == expected
    assert keep(pair, source, target + " x", ended=False).strip() == expected


@pytest.mark.parametrize(("pair", "source", "target", "expected"), AWAY)
def test_what_was_said_before_counts(pair, source, target, expected):
    """A draft a character longer than the last: what was said stays, and then nothing more is."""
    told, other = "", language(pair.partition("-")[2])
    for end in range(1, len(target) + 1):
        draft = target[len(told) : end]
        may = keep(pair, source, draft, told, ended=False)
        told += may[: trim(may, len(may), other, may != draft)]
    assert target.startswith(told)
    assert len(told) <= 3 * len(expected) + 26
    assert keep(pair, source, target[len(told) :], told) == ""


def test_a_unit_that_may_still_grow_is_no_repetition_yet():
    assert keep("en-de", "a", "ein ein ein ein", ended=False) == "ein ein ein ein"
    assert keep("en-de", "a", "ein ein ein einer") == "ein ein ein einer"
    assert keep("en-de", "a", "ein ein ein ein") == "ein"


def test_a_digit_in_the_source_is_no_reason_to_repeat_a_sentence():
    assert repetition(("20000",), size=1, ratio=4) == 4
    assert repetition(("20000",), size=5, ratio=4) == 1
    assert repetition(("we", "go", "we", "go"), size=5, ratio=4) == 2


WORDS = ["no", "ja", "bla", "1", "7", "0", "20000", "3.33333", "555-7777", "50%", "€", "-", "–"]
WORDS += ["AT&T", "O'Brien,", "so.", "we", "go", "1,000"]
PHRASES = st.lists(
    st.tuples(
        st.lists(
            st.sampled_from(WORDS),
            min_size=1,
            max_size=7,
        ),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=5,
)


@given(PHRASES, st.sampled_from([EN_DE, EN_ZH]), st.integers(4, 40))
def test_everything_is_said_once_in_order(phrases, pair, longest):
    text = " ".join(word for phrase, times in phrases for word in phrase * times)
    words = talk(text, len(text.split()) / 2)
    events, _ = follow(words, pair=pair, max_words=longest)
    spoken = "".join(word.text for word in words).replace(" ", "")
    assert "".join(said(events).split()) == spoken.upper()


def stuck(word, loop):
    """Translate word for word, but get stuck in a loop after one of them."""

    def script(words):
        pieces = word_for_word(words)
        at = next((n for n, heard in enumerate(words) if heard.startswith(word)), None)
        if at is None:
            return pieces
        return [*pieces[: at + 1], *[(piece, at) for piece in loop] * 100, *pieces[at + 1 :]]

    return script


@pytest.mark.parametrize("chunk", [1.0, 3.0, 20.0])
@pytest.mark.parametrize("end", ["", "."])
@pytest.mark.parametrize(
    ("word", "loop", "expected"),
    [
        ("house", [" ja"], "WE SAW THE HOUSE ja BY THE SEA AND WENT HOME"),
        ("house", [" oh", " ja,"], "WE SAW THE HOUSE oh ja, BY THE SEA AND WENT HOME"),
        ("We", [" ja"], "WE ja SAW THE HOUSE BY THE SEA AND WENT HOME"),
        ("We", [" WE"], "WE SAW THE HOUSE BY THE SEA AND WENT HOME"),
        ("and", [" und", " so", " weiter", " und", " so", " fort"],
         "WE SAW THE HOUSE BY THE SEA AND und so weiter und so fort WENT HOME"),
        ("house", ["ha"], "WE SAW THE HOUSEha BY THE SEA AND WENT HOME"),
        ("house", [" ."], "WE SAW THE HOUSE BY THE SEA AND WENT HOME"),
        ("home", [" heim"], "WE SAW THE HOUSE BY THE SEA AND WENT HOME heim"),
    ],
)  # fmt: skip
def test_what_follows_a_run_away_draft_is_said(word, loop, expected, end, chunk):
    words = talk("We saw the house by the sea and went home" + end, 10)
    events, _ = follow(words, stuck(word, loop), chunk=chunk)
    plain = said(events).replace(".", "").split()
    assert plain == expected.split()
    closed = " ".join(close.source for close in of(Close, events))
    assert closed == " ".join(word.text for word in words)


@pytest.mark.parametrize("chunk", [1.0, 3.0, 20.0])
@pytest.mark.parametrize("word", ["house", "saw", "and", "went"])
def test_a_word_that_only_runs_away_takes_no_other_along(word, chunk):
    before = {"house": " THE", "saw": " WE", "and": " SEA", "went": " AND"}

    def script(words):
        at = next((n for n, heard in enumerate(words) if heard == word), None)
        pieces = word_for_word(words)
        return pieces if at is None else [*pieces[:at], *[(before[word], at)] * 99]

    events, _ = follow(talk("We saw the house by the sea and went home", 10), script, chunk=chunk)
    plain = said(events).split()
    assert all(word in plain for word in ["WE", "THE", "BY", "SEA", "HOME"])


def test_two_loops_in_a_sentence():
    def script(words):
        return (
            stuck("sea", [" oh"])(words) if "house" not in words else stuck("house", [" ja"])(words)
        )

    events, _ = follow(talk("We saw the house by the sea and went home", 5), script)
    assert said(events) == "WE SAW THE HOUSE ja BY THE SEA oh AND WENT HOME"


def test_a_translation_that_only_runs_away_is_said_once():
    events, _ = follow(
        talk("We saw the house by the sea and went home", 5), lambda w: [(" ja", 0)] * 99
    )
    assert said(events) == "ja"


def test_a_run_away_draft_in_characters():
    def script(words):
        pieces = [(piece.strip(), n) for piece, n in word_for_word(words)]
        at = words.index("b") if "b" in words else None
        return pieces if at is None else [*pieces[: at + 1], *[("船", at)] * 99, *pieces[at + 1 :]]

    events, _ = follow(talk("a b c d e", 5), script, pair=EN_ZH)
    assert said(events) == "AB船CDE"


REAL = [
    ("en-de", "The room number is 1 1 1 1 and the door is open.", ["1", "Tür", "offen"]),
    ("en-zh", "The room number is 1 1 1 1 and the door is open.", ["1", "门", "开"]),
    ("en-de", "There are 20000 people in the hall and the doors are open.", ["20", "Türen"]),
    ("en-de", "My number is 555-7777 and my name is Anna.", ["555-7777", "Anna"]),
    ("en-zh", "My number is 555-7777 and my name is Anna.", ["7777", "名"]),
    (
        "en-de",
        "He said no no no no no and then he left the house.",
        ["nein nein nein nein nein", "ging"],
    ),
]
"""Pair, source, what the embedded model's translation has in it."""


@pytest.fixture(scope="module")
def embedded(embedded_llm):
    return TransformersTranslator(embedded_llm, threads=1)


@pytest.mark.parametrize(("pair", "source", "parts"), REAL)
def test_the_embedded_model_says_numbers_and_what_follows_them(embedded, pair, source, parts):
    both, words = Pair.parse(pair), talk(source, 6)
    heads = head_set_for("gemma-3-270m", pair)
    session = Session(
        TimedTextRecognizer(words),
        embedded.open(both, heads),
        AlignAtt(heads),
        embedded.prompt_form(both),
        both,
        SessionSettings(SourceSettings()),
    )
    text = said(play(session, [SECOND] * 8))
    at = [text.casefold().find(part.casefold()) for part in parts]
    assert -1 not in at and at == sorted(at), text
