"""What a model is taught: golden lessons by hand, and what holds of all of them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.adapt.clean import clean, is_badly_linked, numbers, wrong
from alignatt4llm.adapt.curriculum import Curriculum, Mix, Subject
from alignatt4llm.adapt.lessons import continued, prefix, supported, whole
from alignatt4llm.adapt.noise import Style, heard
from alignatt4llm.adapt.passage import Passage, breaks, cut, join
from alignatt4llm.adapt.verbatim import replaced, verbatim
from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.errors import UsageError
from alignatt4llm.text.languages import Pair

DE, ZH, FROM_ZH = Pair.parse("en-de"), Pair.parse("en-zh"), Pair.parse("zh-en")


def passage(source, target, links, pair=DE):
    found = frozenset(tuple(map(int, link.split("-"))) for link in links.split())
    return Passage.of(Sentence(source, target, found), pair)


#                   0 1    2   3    4
EATEN = passage("I have not eaten it.", "Ich habe es nicht gegessen.", "0-0 1-1 4-2 2-3 3-4")
WIND = passage(
    "When it rains, we stay at home.",
    "Wenn es regnet, bleiben wir zu Hause.",
    "0-0 1-1 2-2 4-3 3-4 5-5 6-6",
)
TRAIN = passage("The train leaves.", "列车离开。", "1-0 1-1 2-2 2-3", ZH)


def say(lesson):
    return lesson.target[lesson.accepted : lesson.said]


@pytest.mark.parametrize(
    ("source", "visible", "said", "ends"),
    [
        (EATEN, 1, "Ich", True),
        (EATEN, 2, "Ich habe", True),
        (EATEN, 3, "Ich habe", True),  # "es" comes with "it"
        (EATEN, 4, "Ich habe", True),
        (passage("I have really not eaten it.", "Ich habe es nicht gegessen.",
                 "0-0 1-1 5-2 3-3 4-4"), 5, "Ich habe", False),  # three words would be unread
        (WIND, 2, "Wenn es", True),
        (WIND, 4, "Wenn es regnet,", True),  # the verb is still to come
        (WIND, 5, "Wenn es regnet, bleiben wir", True),
        (TRAIN, 1, "", True),
        (TRAIN, 2, "列车", True),
        (passage("We ate. Then we left.", "Wir aßen. Dann gingen wir.",
                 "0-0 1-1 2-2 3-4 4-3"), 2, "Wir aßen", True),  # no full stop has been heard
        (passage("We ate. Then we left.", "Wir aßen. Dann gingen wir.",
                 "0-0 1-1 2-2 3-4 4-3"), 3, "Wir aßen. Dann", True),
    ],
)  # fmt: skip
def test_a_prefix_is_translated_as_far_as_it_supports(source, visible, said, ends):
    pair = ZH if source is TRAIN else DE
    lesson = prefix(source, pair, visible)
    assert (say(lesson), lesson.ends) == (said, ends)
    assert len(lesson.words) == visible
    assert not lesson.words[-1].endswith(".")


def test_units_without_links_wait_for_what_they_belong_to():
    gold = [frozenset({0}), frozenset(), frozenset({2})]
    assert [supported(gold, visible) for visible in range(4)] == [0, 1, 1, 3]
    assert supported([frozenset({0}), frozenset(), frozenset({1})], 2) == 3
    assert supported([], 3) == 0


def test_what_follows_is_known_but_not_to_be_said():
    lesson = prefix(EATEN, DE, 2)
    assert lesson.target == "Ich habe es nicht gegessen."
    assert lesson.gold == tuple(frozenset({word}) for word in (0, 1, 4, 2, 3))


@pytest.mark.parametrize(
    ("visible", "word", "said"),
    [(1, "I", ""), (2, "ha", "Ich"), (4, "ea", "Ich habe")],
)
def test_a_misheard_last_word_can_be_relied_on_for_nothing(visible, word, said):
    lesson = prefix(EATEN, DE, visible, misheard=True)
    assert (lesson.words[-1], say(lesson), lesson.visible) == (word, said, visible - 1)


@pytest.mark.parametrize(
    ("source", "closed", "words", "said"),
    [
        (EATEN, True, "I have not eaten it.", "Ich habe es nicht gegessen."),
        (EATEN, False, "I have not eaten it", "Ich habe es nicht gegessen"),
        (passage("Is it?", "Ist es?", "0-0 1-1"), False, "Is it", "Ist es"),
        (passage("Yes", "Ja.", "0-0"), True, "Yes", "Ja"),
        (TRAIN, False, "The train leaves", "列车离开"),
    ],
)
def test_the_target_makes_the_full_stop_that_the_source_makes(source, closed, words, said):
    lesson = whole(source, ZH if source is TRAIN else DE, closed=closed)
    assert (" ".join(lesson.words), say(lesson), lesson.ends) == (words, said, True)
    assert lesson.is_whole


@pytest.mark.parametrize(
    ("share", "accepted"),
    [(0.0, ""), (0.25, "Ich"), (0.5, "Ich habe"), (0.99, "Ich habe es nicht")],
)
def test_what_was_accepted_ends_at_a_unit(share, accepted):
    lesson = continued(whole(EATEN, DE), share)
    assert lesson.target[: lesson.accepted] == accepted


def test_accepted_text_cuts_no_latin_word_in_chinese():
    lesson = whole(passage("He used ATP.", "他用了ATP。", "0-0 2-3", ZH), ZH)
    cuts = {continued(lesson, n / 50).accepted for n in range(50)}
    assert cuts == {0, 1, 2, 3, 6}


def test_sentences_are_joined_and_their_links_with_them():
    both = join([EATEN, WIND], DE)
    assert both.target == f"{EATEN.target} {WIND.target}"
    assert (5, 5) in both.links and (11, 11) in both.links
    chinese = join([TRAIN, TRAIN], ZH)
    assert chinese.target == "列车离开。列车离开。"
    assert (4, 5) in chinese.links


def test_utterances_are_cut_where_both_languages_pause():
    assert breaks(WIND, DE) == [(3, 3)]
    first, second = cut(WIND, (3, 3), DE)
    assert (" ".join(first.words), first.target) == ("When it rains,", "Wenn es regnet,")
    assert (" ".join(second.words), second.target) == ("we stay at home.", "bleiben wir zu Hause.")
    assert second.links == {(1, 0), (0, 1), (2, 2), (3, 3)}
    crossed = passage("a b c, d e f", "d, e f a b c", "0-3 3-0 1-4 4-1")
    assert breaks(crossed, DE) == []


@pytest.mark.parametrize(
    ("style", "words"),
    [
        (Style.WRITTEN, "“Well, 80% of U.S. exports (or so) don’t pay €5.”"),
        (Style.PLAIN, "Well 80% of U.S exports or so don’t pay €5"),
        (Style.LOWER, "well 80% of u.s exports or so don’t pay €5"),
        (Style.COMMAS, "“Well 80% of U.S. exports (or so) don’t pay €5.”"),
    ],
)
def test_recognisers_write_the_same_words_less_well(style, words):
    said = ("“Well,", "80%", "of", "U.S.", "exports", "(or", "so)", "don’t", "pay", "€5.”")
    assert " ".join(heard(said, style)) == words
    assert heard(("—", "…"), style) == ("—", "…")


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("Good morning, my friends.", "Guten Morgen, meine Freunde.", ""),
        ("", "Guten Morgen.", "empty"),
        ("…", "Guten Morgen.", "empty"),
        ("The world is not enough.", "The world is not enough.", "copied"),
        ("The world is not enough today.", "the WORLD, is not genug heute", "copied"),
        ("Tom Jackson, New York", "Tom Jackson, New York", "copied"),
        ("Barack Obama met Angela Merkel.", "Barack Obama traf Angela Merkel.", "copied"),
        ("Anna met Tom.", "Anna traf Tom.", ""),
        ("Yes.", "Ja, das ist es, was ich gestern schon allen sagte.", "of uneven length"),
        ("A long sentence that goes on and on and on for quite a while.", "Ja.",
         "of uneven length"),
        ("In 1935 he left.", "1936 ging er.", "with other numbers"),
        ("It cost 1,000,000.50 dollars.", "Es kostete 1.000.000,50 Dollar.", ""),
        ("It was five.", "Es waren 5.", "with other numbers"),
        ("word " * 81, "Wort " * 81, "long"),
    ],
)  # fmt: skip
def test_pairs_that_teach_the_wrong_thing_have_a_reason(source, target, reason):
    assert wrong(source, target, DE) == reason


def test_chinese_is_no_copy_and_no_uneven_length():
    pairs = [
        (f"This is sentence number {n} of many.", f"这是许多句子中的第{n}句。") for n in range(9)
    ]
    kept = clean([*pairs, pairs[0]], ZH)
    assert len(kept.pairs) == 9
    assert kept.left_out == Counter({"said before": 1})


def test_numbers_are_the_same_however_they_are_grouped():
    assert numbers("5,000 and 3.5 and 10:30") == numbers("5.000 und 3,5 und 10.30")
    assert numbers("1 2") != numbers("12")


def test_pairs_with_few_links_are_badly_aligned():
    text = ("one two three four five", "eins zwei drei vier fünf")
    assert is_badly_linked(Sentence(*text, frozenset({(0, 0)})), DE)
    assert not is_badly_linked(Sentence(*text, frozenset({(0, 0), (1, 1)})), DE)


@pytest.mark.parametrize(
    ("source", "target", "pair", "same"),
    [
        ("In 1935 we saw Boston.", "1935 sahen wir Boston.", DE, ["1935", "Boston"]),
        ("Boston is big.", "Groß ist Boston.", DE, []),  # begins the source
        ("He saw Boston and Boston.", "Er sah Boston.", DE, []),
        ("He paid 1,935 to Tom.", "Er zahlte Tom 1.935.", DE, ["Tom"]),
        ("In 1935 we saw Boston.", "1935年我们看到了Boston。", ZH, ["1935"]),
        ("We have 7.", "Wir haben 7.", DE, []),  # often a word instead
    ],
)
def test_names_and_numbers_that_are_kept(source, target, pair, same):
    assert verbatim(passage(source, target, "", pair), pair) == same


def test_names_and_numbers_are_replaced_on_both_sides():
    seen = passage("In 1935 we saw Boston.", "1935 sahen wir Boston.", "1-0 4-3")
    other = replaced(seen, DE, ("Lima",), lambda below: below - 1)
    assert (" ".join(other.words), other.target) == ("In 9999 we saw Lima.", "9999 sahen wir Lima.")
    assert other.links == seen.links
    here = passage("We in Lima saw Boston.", "Wir sahen in Lima Boston.", "")
    assert replaced(here, DE, ("Lima",), lambda below: 0) == here, "Lima is there already"


SENTENCES = (EATEN, WIND, passage("In 1935 we saw Boston.", "1935 sahen wir Boston.", "1-0 4-3"))


@given(st.integers(0, 400), st.integers(0, 3))
def test_every_lesson_is_one_that_a_session_could_hear(number, seed):
    lesson = Curriculum([[Subject(DE, SENTENCES)], [Subject(ZH, (TRAIN,))]], seed)[number]
    assert 0 <= lesson.accepted <= lesson.said <= len(lesson.target)
    assert len(lesson.words) - lesson.visible in (0, 1)
    assert lesson.words and all(word.strip() for word in lesson.words)
    assert say(lesson) or lesson.ends, "there is always something to learn"
    if not lesson.words[-1].endswith((".", "?")) and lesson.is_whole:
        assert not lesson.target.endswith((".", "?", "。"))


@given(st.integers(0, 50))
def test_a_lesson_depends_on_seed_and_number_alone(number):
    made = [Curriculum([[Subject(DE, SENTENCES)]], 5) for _ in range(2)]
    assert made[0][7] is not None
    assert made[0][number] == made[1][number]


def test_directions_and_data_take_turns_and_nothing_is_skipped():
    plain = Mix(*[0.0] * 8)
    two = [Subject(DE, SENTENCES), Subject(DE, (passage("No.", "Nein.", "0-0"),))]
    lessons = Curriculum([two, [Subject(ZH, (TRAIN,))]], 1, plain)
    drawn = [lessons[number] for number in range(12)]
    assert [str(one.pair) for one in drawn] == ["en-de", "en-zh"] * 6
    assert [one.words[0] for one in drawn[2::4]] == ["No."] * 3
    assert {one.words for one in drawn[::4]} == {one.words for one in SENTENCES}


def test_other_seeds_teach_other_lessons():
    first, second = (Curriculum([[Subject(DE, SENTENCES)]], seed) for seed in (1, 2))
    assert [first[n] for n in range(20)] != [second[n] for n in range(20)]


def test_a_mix_is_of_shares():
    with pytest.raises(UsageError, match=r"prefix is 1\.5; it is a share"):
        Mix(prefix=1.5)


def test_sources_without_spaces_are_taught_by_their_characters():
    sentence = passage("列车离开。", "The train leaves.", "0-1 1-1 2-2 3-2", FROM_ZH)
    lesson = prefix(sentence, FROM_ZH, 2)
    assert (lesson.words, say(lesson)) == (("列", "车"), "The train")
