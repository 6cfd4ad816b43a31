"""AlignAtt on rows computed by hand, and what must hold of any rows."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alignatt4llm.draft import Draft, TokenEvidence
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Piece
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.accept import accept, accept_all
from alignatt4llm.policy.alignatt import (
    AlignAtt,
    AlignAttSettings,
    hold_reason,
    weigh,
    words_from_columns,
)
from alignatt4llm.policy.base import View
from alignatt4llm.text.languages import language
from alignatt4llm.text.repeats import repeats

DE, ZH = language("de"), language("zh")
COLUMNS = np.array([0, 0, 1, 2, 2, 2])
"""Three words of two, one and three tokens."""


HEADS = HeadSet("m", "en-de", ((0, 0),))


def weighed(rows, columns, words, frontier):
    """The evidence on rows of one head, shape [T, S]."""
    view = View(("w",) * words, frontier, "")
    return weigh(HEADS, np.asarray(rows, np.float32)[:, None], np.asarray(columns), view)


def test_columns_are_summed_into_words():
    rows = np.array([[0.1, 0.2, 0.05, 0.0, 0.25, 0.4], [0.5, 0, 0, 0, 0, 0]], np.float32)
    expected = [[0.3, 0.05, 0.65, 0.0], [0.5, 0, 0, 0]]
    assert words_from_columns(rows, COLUMNS, 4) == pytest.approx(np.array(expected))


def test_a_word_of_many_weak_columns_is_the_peak():
    [token] = weighed([[0.0, 0.0, 0.4, 0.2, 0.2, 0.2]], COLUMNS, 3, frontier=2)
    assert token.word == 2
    assert token.inaccessible == pytest.approx(0.6)


def test_weighing_by_hand():
    rows = [[0.02, 0.04, 0.10, 0.01, 0.01, 0.02], [0, 0, 0, 0, 0, 0]]
    looking, blind = weighed(rows, COLUMNS, 3, frontier=2)
    assert looking.word == 1
    assert looking.accessible == pytest.approx(0.8)
    assert looking.inaccessible == pytest.approx(0.2)
    assert looking.source_mass == pytest.approx(0.2)
    assert blind == TokenEvidence(-1, 0.0, 0.0, 0.0)


NAN = float("nan")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (TokenEvidence(1, 0.9, 0.1, 0.5), ""),
        (TokenEvidence(2, 0.9, 0.1, 0.5), "peak_inaccessible"),
        (TokenEvidence(1, 0.8, 0.2, 0.5), ""),
        (TokenEvidence(1, 0.79, 0.21, 0.5), "mass_inaccessible"),
        (TokenEvidence(1, 0.9, 0.1, 0.04), ""),
        (TokenEvidence(-1, 0.0, 0.0, 0.0), "source_unseen"),
        (TokenEvidence(5, 0.1, 0.9, 0.5), "peak_inaccessible"),
        (TokenEvidence(0, 1.0, 0.0, NAN), "nonfinite"),
        (TokenEvidence(0, NAN, NAN, 0.5), "nonfinite"),
    ],
)
def test_the_first_test_that_fails_names_the_hold(token, reason):
    settings = AlignAttSettings(max_inaccessible=0.2)
    assert hold_reason(token, 2, settings) == reason


@pytest.mark.parametrize("share", [1.1, -0.1])
def test_an_impossible_threshold_names_itself(share):
    with pytest.raises(UsageError, match=f"max_inaccessible is {share}; .*must lie in 0..1"):
        AlignAttSettings(max_inaccessible=share)


def test_an_impossible_count_of_copied_words_names_itself():
    with pytest.raises(UsageError, match="copied is -1; it counts words, 0 or more"):
        AlignAttSettings(copied=-1)


@pytest.mark.parametrize(
    ("target", "copies"),
    [
        ("We find", True),
        ("we fi", True),
        ("Find that", True),
        ("We, find: that", True),
        ("We found", False),
        ("Wir", False),
        ("find we", False),
        ("nd that", False),
        ("WE FIND", False),
        (" ,", False),
        ("", False),
    ],
)
def test_a_target_copies_that_is_nothing_but_words_of_the_source_in_their_order(target, copies):
    assert repeats(target, ("We", "find", "that")) is copies


def test_a_copy_is_seen_in_a_language_without_spaces():
    assert repeats("我们用", ("我", "们", "用"))
    assert not repeats("我用", ("我", "们", "用"))


@pytest.mark.parametrize(("draft", "held"), [(" We find that", True), (" We find", False)])
def test_a_copy_that_has_ended_is_held_if_it_leaves_out_nothing(draft, held):
    ended = replace(word_by_word(draft), ended=True)
    evidence = AlignAtt(HEADS).decide(ended, View(("We", "find", "that"), 3, ""))
    assert {token.hold for token in evidence} == ({"source_copied"} if held else {""})


def word_by_word(text: str) -> Draft:
    """A draft of up to three words, each of which looks at the source word in its place."""
    tokens = re.findall(r" \w+", text)
    rows = np.zeros((len(tokens), 1, 3), np.float32)
    rows[range(len(tokens)), 0, range(len(tokens))] = 1
    ends = tuple(np.cumsum([len(token) for token in tokens]).tolist())
    blank = np.zeros(len(tokens), np.float32)
    return Draft(text, tuple(range(len(tokens))), ends, rows, np.arange(3), False, blank)


@pytest.mark.parametrize(
    ("draft", "accepted", "frontier", "copied", "holds"),
    [
        (" We find", "", 2, 2, ["source_copied", "source_copied"]),
        (" We find that", "", 2, 2, ["source_copied", "source_copied", "peak_inaccessible"]),
        (" that", "We find", 3, 3, ["source_copied"]),
        (" We find", "", 3, 2, ["", ""]),
        (" We sehen", "", 2, 2, ["", ""]),
        (" find", "Wir", 2, 2, [""]),
        (" We find", "", 2, 1, ["", ""]),
    ],
)
def test_a_copy_is_held_until_more_words_are_accessible(draft, accepted, frontier, copied, holds):
    policy = AlignAtt(HEADS, AlignAttSettings(copied=copied))
    view = View(("We", "find", "that"), frontier, accepted)
    assert [token.hold for token in policy.decide(word_by_word(draft), view)] == holds


@given(
    arrays.arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=32)),
    st.integers(0, 5),
    st.floats(0, 1),
)
def test_more_accessible_words_never_hold_a_token_that_was_let_through(by_word, frontier, dial):
    settings = AlignAttSettings(max_inaccessible=dial)
    further = min(5, frontier + 1)
    for before, after in zip(
        weighed(by_word, range(5), 5, frontier),
        weighed(by_word, range(5), 5, further),
        strict=True,
    ):
        shares = before.accessible + before.inaccessible
        assert shares == pytest.approx(1 if before.word >= 0 else 0)
        assert after.inaccessible <= before.inaccessible + 1e-6
        if not hold_reason(before, frontier, settings):
            exact = replace(after, inaccessible=min(after.inaccessible, before.inaccessible))
            assert not hold_reason(exact, further, settings)


def drafted(text, *, ended=True):
    """A draft of the tokens between bars; every one looks at a word of its own."""
    tokens = text.split("|")
    ends = tuple(int(end) for end in np.cumsum([len(token) for token in tokens]))
    rows, words = np.zeros((len(tokens), 1, 1), np.float32), np.zeros(1, np.int64)
    logprobs = np.zeros(len(tokens), np.float32)
    whole = "".join(tokens)
    return Draft(whole, tuple(range(len(tokens))), ends, rows, words, ended, logprobs)


def evidence(draft, let_through, reason="peak_inaccessible"):
    return [
        TokenEvidence(index, 1.0, 0.0, 1.0, "" if index < let_through else reason)
        for index in range(len(draft.ids))
    ]


def accepted(text, let_through, *, ended=True, target=DE):
    draft = drafted(text, ended=ended)
    decision = accept(draft, evidence(draft, let_through), target)
    said = "".join(piece.text for piece in decision.pieces)
    assert said == draft.text[: decision.cut]
    return said, decision.reason


@pytest.mark.parametrize(
    ("text", "let_through", "ended", "expected", "reason"),
    [
        (" Das| Haus| ist", 3, True, " Das Haus ist", ""),
        (" Das| Haus| ist", 3, False, " Das Haus", "unit_incomplete"),
        (" Das| Haus| ist", 2, False, " Das Haus", "peak_inaccessible"),
        (" Das| Haus| ist", 0, True, "", "peak_inaccessible"),
        (" Dampf|schiff| fährt", 1, True, "", "peak_inaccessible"),
        (" Das| Dampf|schiff", 2, True, " Das", "peak_inaccessible"),
        (" Das| Haus|.", 3, True, " Das Haus", "sentence_open"),
        (" Das| Haus|.", 2, True, " Das Haus", "peak_inaccessible"),
        (" Ja|.| Gut|.", 4, True, " Ja. Gut", "sentence_open"),
        (" Ja|.| Gut|.", 2, True, " Ja.", "peak_inaccessible"),
        (" er|:| „|Ja|.|“", 6, True, " er: „Ja", "sentence_open"),
        (" um| 3|.|5| Uhr", 2, True, " um", "peak_inaccessible"),
        (" un|'|altra", 2, True, "", "peak_inaccessible"),
    ],
)
def test_accepting_up_to_a_held_token(text, let_through, ended, expected, reason):
    assert accepted(text, let_through, ended=ended) == (expected, reason)


@pytest.mark.parametrize(
    ("text", "let_through", "ended", "expected"),
    [
        ("我们|用", 2, True, "我们用"),
        ("我们|用", 2, False, "我们"[:2]),
        ("我们|用|G|PT|。", 3, True, "我们用"),
        ("我们|用|G|PT|。", 5, True, "我们用GPT"),
        ("你好|。|。", 2, True, "你好"),
    ],
)
def test_accepting_characters(text, let_through, ended, expected):
    assert accepted(text, let_through, ended=ended, target=ZH)[0] == expected


def test_every_token_beyond_the_cut_has_a_reason():
    draft = drafted(" Das| Dampf|schiff| fährt")
    tokens = accept(draft, evidence(draft, 2, "mass_inaccessible"), DE).tokens
    assert [token.hold for token in tokens] == ["", *["mass_inaccessible"] * 3]


def test_pieces_carry_the_words_they_look_at():
    draft = drafted(" Das| Haus|.")
    assert accept_all(draft, evidence(draft, 3), DE) == [
        Piece(" Das", 0),
        Piece(" Haus", 1),
        Piece(".", 2),
    ]


def test_a_complete_source_lets_everything_through_but_half_a_word():
    whole = drafted(" Das| Dampf|schiff|.| ")
    assert "".join(p.text for p in accept_all(whole, evidence(whole, 0), DE)) == " Das Dampfschiff."
    half = drafted(" Das| Dampf", ended=False)
    assert "".join(p.text for p in accept_all(half, evidence(half, 0), DE)) == " Das"


def test_the_whole_policy_on_a_draft_by_hand():
    rows = np.array([[0.4, 0.0, 0.0], [0.2, 0.3, 0.1], [0.0, 0.1, 0.4]], np.float32)[:, None]
    draft = replace(drafted(" wir| sahen| es"), rows=rows, words=np.arange(3))
    policy = AlignAtt(HEADS, AlignAttSettings(max_inaccessible=0.2))
    view = View(("we", "saw", "it"), 2, "")
    evidence = policy.decide(draft, view)
    assert [token.word for token in evidence] == [0, 1, 2]
    assert [token.hold for token in evidence] == ["", "", "peak_inaccessible"]
    assert policy.judge(view)(rows, draft.words) == evidence
    assert policy.judge(view)(rows[:2], draft.words) == evidence[:2]
    assert policy.decide(replace(draft, evidence=tuple(evidence), rows=rows * 0), view) == evidence
    assert accept(draft, evidence, DE).cut == len(" wir sahen")
    earlier = policy.decide(draft, View(view.words, 1, ""))
    assert [token.hold for token in earlier] == ["", *["peak_inaccessible"] * 2]


TOKENS = st.lists(
    st.sampled_from(
        [" das", " Haus", "e", ".", ",", "'", " 3", "5", "我", "们", "。", " ", "“", ""]
    ),
    min_size=1,
    max_size=8,
)


@given(TOKENS, st.integers(0, 8), st.booleans(), st.sampled_from([DE, ZH]))
def test_one_more_token_let_through_never_accepts_less(tokens, let_through, ended, target):
    text = "|".join(tokens)
    less, more = (
        accepted(text, count, ended=ended, target=target)[0]
        for count in (let_through, let_through + 1)
    )
    assert more.startswith(less)
    draft = drafted(text, ended=ended)
    everything = "".join(p.text for p in accept_all(draft, evidence(draft, 0), target))
    assert everything.startswith(more)
    if draft.text.strip() and not more:
        assert accepted(text, let_through + 1, ended=ended, target=target)[1]
