"""The loop, with parts that follow a script: everything is said, once, in order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import EN_DE, EN_ZH, SECOND, Watched, follow, of, play, said, session_of, talk

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import PromptTooLong, UsageError
from alignatt4llm.events import Close, Commit, End, Source, SourceWord
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.scripted import ScriptedRecognizer
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.session import SessionSettings
from alignatt4llm.text.units import units
from alignatt4llm.transcript import Recognition
from alignatt4llm.translators.scripted import ScriptedDrafter, word_for_word


def test_a_short_stream_by_hand():
    words = [
        SourceWord("We", 0.0, 0.4),
        SourceWord("saw", 0.4, 0.9),
        SourceWord("it.", 1.0, 1.5),
        SourceWord("Then", 2.1, 2.6),
    ]
    events, _ = follow(words, seconds=2.5)
    assert [(c.text, c.utterance, c.audio_s, c.covered) for c in of(Commit, events)] == [
        ("WE", 0, 1.0, 0),
        (" SAW", 0, 2.0, 1),
        (" IT.", 0, 3.0, 2),
        (" THEN", 1, 3.0, 0),
    ]
    assert [(c.source, c.target, c.start, c.end) for c in of(Close, events)] == [
        ("We saw it.", "WE SAW IT.", 0.0, 1.5),
        ("Then", "THEN", 2.1, 2.6),
    ]
    end = events[-1]
    assert end.units == ("WE", "SAW", "IT.", "THEN")
    assert end.delays == (1000.0, 2000.0, 3000.0, 3000.0)
    assert end.audio_s == 3.0


def test_silence_says_nothing():
    events, _ = follow([], seconds=20)
    assert {type(event) for event in events} == {Source, End}
    assert not any(event.committed or event.tail for event in of(Source, events))
    assert events[-1].units == () and events[-1].audio_s == 21.0
    assert play(session_of(TimedTextRecognizer([])), [])[-1].rtf == 0.0


def test_a_tail_alone_is_never_translated():
    guesses = [Recognition(tail=(SourceWord(text, 0, 0.9),)) for text in ("We", "Who", "Wow")]
    session = session_of(ScriptedRecognizer(guesses))
    assert not said([event for _ in guesses for event in session.feed(SECOND)])
    assert said(session.finish()) == "WOW"


def test_roll_over_when_the_close_for_length_comes_late():
    text = "one two three four five six, seven eight nine ten eleven twelve thirteen"
    events, _ = follow(talk(text, 13), max_words=8, pause=5)
    assert said(events) == text.upper()
    closes = of(Close, events)
    assert closes[0].source == "one two three four five six,"
    assert all(close.target == close.source.upper() for close in closes)
    assert " ".join(close.source for close in closes) == text


def test_a_close_for_length_lies_beyond_what_the_target_looks_at():
    words = talk("one two three, four five six seven eight nine", 4)
    steps = [Recognition(tuple(words[i : i + 2]), (words[i + 2],)) for i in range(0, 8, 2)]
    session = session_of(ScriptedRecognizer(steps), max_words=8, pause=5)
    events = [event for _ in range(3) for event in session.feed(SECOND)]
    assert said(events) == "ONE TWO THREE, FOUR FIVE SIX"
    assert not of(Close, events)
    events = list(session.feed(SECOND))
    [close] = of(Close, events)
    assert close.target == close.source.upper() == "ONE TWO THREE, FOUR FIVE SIX"
    assert said(events) + said(session.finish()) == " SEVEN EIGHT NINE"


def test_several_sentences_that_arrive_at_once_are_closed_one_by_one():
    words = talk("Yes. No. Well, yes! And", 2)
    events = play(session_of(ScriptedRecognizer([Recognition(tuple(words))])), [SECOND * 0])
    assert [close.target for close in of(Close, events)] == ["YES.", "NO.", "WELL, YES!", "AND"]
    assert [close.utterance for close in of(Close, events)] == [0, 1, 2, 3]
    assert said(events) == "YES. NO. WELL, YES! AND"


WORD = st.tuples(
    st.sampled_from(["", "", "", ",", ".", "?!", ':"']),  # what follows the word
    st.sampled_from([0.0, 0.1, 0.1, 0.1, 0.5, 3.0]),  # silence before it, in seconds
)
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.integers(0, 2 * SAMPLE_RATE)),
    max_size=30,
)


def spoken(marks):
    words, clock = [], 0.0
    for index, (mark, gap) in enumerate(marks):
        words.append(SourceWord(f"word{index}{mark}", clock + gap, clock + gap + 0.3))
        clock += gap + 0.3
    return words


def recognitions(words, steps):
    """Any number of words at a time; guesses that come true or not."""
    result, done = [], 0
    for committed, tail, right, _ in steps:
        now = words[done : done + committed]
        done += len(now)
        guess = words[done : done + tail]
        if not right:
            guess = [SourceWord("wrong.", word.start, word.end) for word in guess]
        result.append(Recognition(tuple(now), tuple(guess)))
    return [*result, Recognition(tuple(words[done:]))]


def without_spaces(words):
    return [(word.upper(), index) for index, word in enumerate(words)]


@given(
    st.lists(WORD, max_size=40),
    STEPS,
    st.sampled_from([EN_DE, EN_ZH]),
    st.integers(2, 12),
    st.integers(0, 2),
    st.integers(0, 2),
)
def test_whatever_the_recogniser_does(marks, steps, pair, longest, margin, history):
    words = spoken(marks)
    script = (
        word_for_word if pair is EN_DE else lambda w: [(t.strip(), i) for t, i in word_for_word(w)]
    )
    session = session_of(
        ScriptedRecognizer(recognitions(words, steps)),
        script,
        pair,
        max_words=longest,
        margin=margin,
        history=history,
    )
    events, text, utterance = [], "", 0
    for *_, samples in steps:
        for event in session.feed(np.zeros(samples, np.float32)):
            events.append(event)
            if isinstance(event, Commit):
                text += event.text
                assert event.text and event.utterance == utterance
                assert -1 <= event.covered < longest + 5
            elif isinstance(event, Close):
                utterance += 1
                assert event.utterance == utterance - 1
        assert len(session.transcript.committed) < longest
    events += session.finish()
    closes, joint = of(Close, events), pair.target.separator
    assert said(events).startswith(text)
    assert said(events) == joint.join(close.target for close in closes)
    assert said(events) == joint.join(word.text.upper() for word in words)
    assert " ".join(close.source for close in closes) == " ".join(word.text for word in words)
    end = events[-1]
    assert list(end.units) == units(said(events), pair.target)
    assert len(end.units) == len(end.delays) == len(end.elapsed)
    assert list(end.delays) == sorted(end.delays)
    assert not session.transcript.visible and not session.target.accepted


@given(st.integers(1, 7), st.sampled_from([0.2, 0.5, 1.0, 3.7]))
def test_the_chunk_size_changes_when_but_not_what_is_said(margin, chunk):
    text = "We saw the house, which was old. It stood there alone and nobody lived in it. Then"
    events, _ = follow(talk(text, 8), chunk=chunk, margin=margin)
    assert said(events) == text.upper()


def stops_after(count):
    """Translate only the first words, and make a full stop of one's own after them."""

    def script(words):
        said = word_for_word(words[:count])
        return [*said, (".", len(said) - 1)] if len(words) > count else said

    return script


def test_what_a_translation_that_has_ended_leaves_unread_begins_the_next_utterance():
    text = " ".join(f"word{index}" for index in range(12))
    words = talk(text, 12)
    events, session = follow(words, stops_after(4), unread=3)
    assert [close.source for close in of(Close, events)] == [
        "word0 word1 word2 word3",
        "word4 word5 word6 word7",
        "word8 word9 word10 word11",
    ]
    assert said(events) == text.upper()
    # word 6 is the third unread one that may be relied on; it is so with word 7 heard, at 8 s
    assert next(commit.audio_s for commit in of(Commit, events) if commit.utterance == 1) <= 8
    assert not session.transcript.visible


def test_what_is_unread_at_a_full_stop_is_not_lost():
    words = [*talk("one two three four five", 2), *talk("six seven. Eight", 1, offset=2)]
    events, _ = follow(words, stops_after(4), unread=3)
    assert said(events) == "ONE TWO THREE FOUR FIVE SIX SEVEN. EIGHT"
    assert [close.source for close in of(Close, events)] == [
        "one two three four",
        "five six seven.",
        "Eight",
    ]


def test_a_few_unread_words_are_waited_for():
    events, _ = follow(talk("one two three four five six", 6), stops_after(4), unread=3)
    assert [close.source for close in of(Close, events)] == ["one two three four five six"]


HOLDING = {
    "looks at the last word": lambda words: [(f" {w.upper()}", len(words) - 1) for w in words],
    "looks nowhere": lambda words: [(" HM", 0)] if len(words) > 99 else [],
    "loops": lambda words: [(" ja", 0)] * 1000,
    "loops in blocks": lambda words: [(" ja", 0), (" nein", 0), (" doch", 0)] * 400,
    "grows one word": lambda words: [(" ha", 0), *[("ha", 0)] * 1000],
}


@pytest.mark.parametrize("script", HOLDING)
@pytest.mark.parametrize("mark", ["", "."])
def test_every_hold_ends(script, mark):
    text = " ".join(f"word{index}" + mark * (index % 5 == 4) for index in range(60))
    words = talk(text, 30)
    events, session = follow(words, HOLDING[script], max_words=12)
    closes = of(Close, events)
    assert " ".join(close.source for close in closes) == text
    assert len(closes) >= 3
    assert said(events) == " ".join(close.target for close in closes if close.target)
    assert max((len(close.target.split()) for close in closes), default=0) <= 3 * 12 + 24
    if script == "looks at the last word":
        assert said(events) == text.upper()
    if script == "loops":
        assert all(set(close.target.split()) == {"ja"} for close in closes)
        assert max(len(close.target.split()) for close in closes) <= 3
    assert not session.transcript.visible


def test_a_long_stream_costs_no_more_at_its_end_than_at_its_beginning():
    text = " ".join(f"word{i:05}" for i in range(3_000))
    drafter = Watched(ScriptedDrafter())
    session = session_of(
        TimedTextRecognizer(talk(text, 1_200)), drafter=drafter, max_words=20, history=2
    )
    largest = []
    for _ in range(1_200):
        for _event in session.feed(SECOND):
            pass
        largest.append((len(session.transcript.visible), len(session.target.accepted)))
    assert max(visible for visible, _ in largest) <= 20 + 4
    assert max(accepted for _, accepted in largest) <= 20 * 10
    lengths = [len(prompt.text) for prompt in drafter.prompts]
    assert max(lengths[-300:]) <= max(lengths[:300])
    list(session.finish())
    assert drafter.closed


def test_history_shows_the_model_what_was_closed_before():
    drafter = Watched(ScriptedDrafter())
    words = talk("Yes it is. No not now. Well then. Good", 8)
    events = play(session_of(TimedTextRecognizer(words), drafter=drafter, history=2), [SECOND] * 10)
    assert said(events) == "YES IT IS. NO NOT NOW. WELL THEN. GOOD"
    assert "English: Yes it is.\nDeutsch: YES IT IS.\n" in drafter.prompts[-2].text
    assert "Yes it is." not in drafter.prompts[-1].text
    assert "English: Well then.\nDeutsch: WELL THEN.\n" in drafter.prompts[-1].text


def test_history_is_forgotten_rather_than_the_stream_ended():
    words = talk("Yes it is. No not now. Well then. Good", 8)
    longest = len(FewShotPrompt(EN_DE)(["x"], "", ()).text) + 40
    drafter = Watched(ScriptedDrafter(), context=longest)
    recognizer = TimedTextRecognizer(words)
    events = play(session_of(recognizer, drafter=drafter, history=9), [SECOND] * 10)
    assert said(events) == "YES IT IS. NO NOT NOW. WELL THEN. GOOD"


def test_a_context_too_small_for_one_utterance_is_an_error():
    session = session_of(
        TimedTextRecognizer(talk("one two three", 1)), drafter=Watched(ScriptedDrafter(), context=9)
    )
    with pytest.raises(PromptTooLong):
        play(session, [SECOND, SECOND])


def test_a_stream_that_breaks_off_accounts_for_what_was_said():
    session = session_of(TimedTextRecognizer(talk("one two three four", 4)))
    events = [event for _ in range(3) for event in session.feed(SECOND)]
    assert said(events) == "ONE TWO"
    assert session.end().units == ("ONE", "TWO")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"history": -1}, "history is -1; it counts"),
        ({"budget": 0}, "budget is 0; it counts"),
        ({"unread": 0}, "unread is 0; it counts"),
    ],
)
def test_impossible_settings_name_themselves(setting, sentence):
    with pytest.raises(UsageError, match=sentence):
        SessionSettings(**setting)
