"""The source side: what may be relied on, and when the source makes a full stop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.text.languages import language
from alignatt4llm.transcript import Recognition, SourceSettings, Transcript

ENGLISH = language("en")


def timed(text, start=0.0, each=0.3, gap=0.1):
    """Words of a speaker without pauses."""
    step = each + gap
    return tuple(
        SourceWord(word, round(start + i * step, 3), round(start + i * step + each, 3))
        for i, word in enumerate(text.split())
    )


def heard(committed, tail="", *, start=0.0, **settings):
    """A transcript that has just heard these words."""
    words = timed(f"{committed} {tail}", start)
    count = len(committed.split())
    transcript = Transcript(ENGLISH, SourceSettings(**settings))
    end = words[-1].end if words else start
    transcript.update(Recognition(words[:count], words[count:]), round(end * SAMPLE_RATE))
    return transcript


def texts(words):
    return " ".join(word.text for word in words)


@pytest.mark.parametrize(
    ("committed", "tail", "margin", "accessible"),
    [
        ("", "", 1, 0),
        ("", "We saw", 1, 0),
        ("We", "", 1, 0),
        ("We saw", "", 1, 1),
        ("We saw", "it", 1, 2),
        ("We saw", "it", 0, 2),
        ("We saw", "it", 2, 1),
        ("We saw", "it", 9, 0),
        ("Well, yes, we saw it, then", "", 1, 5),
    ],
)
def test_the_margin_keeps_the_last_visible_words_inaccessible(committed, tail, margin, accessible):
    transcript = heard(committed, tail, margin=margin)
    assert transcript.accessible == accessible
    assert texts(transcript.visible) == f"{committed} {tail}".strip()


@pytest.mark.parametrize("start", [0.0, 137.0, 9_000.0])
def test_accessibility_is_the_same_late_in_the_stream(start):
    words = timed("this is heard late, and it goes on", start)
    recognizer = TimedTextRecognizer(words)
    transcript = Transcript(ENGLISH)
    silence = np.zeros(round(start * SAMPLE_RATE), np.float32)
    transcript.update(recognizer.feed(silence), len(silence))
    accessible = []
    for _ in range(16):
        chunk = np.zeros(SAMPLE_RATE // 5, np.float32)
        transcript.update(recognizer.feed(chunk), len(chunk))
        accessible.append(transcript.accessible)
    assert accessible == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]
    assert transcript.clock == pytest.approx(start + 3.2)


def test_after_the_end_everything_is_accessible():
    transcript = heard("We saw", "it")
    transcript.finish(Recognition(transcript.tail))
    assert texts(transcript.visible) == "We saw it"
    assert transcript.accessible == 3 == transcript.closing()


def test_a_full_stop_closes_once_something_follows():
    assert heard("We saw it.").closing() == 0
    assert heard("We saw it.", "Then").closing() == 3
    assert heard("We saw it. Then we left. And").closing() == 3
    assert heard("We met Dr. Smith at 3. It", "rained").closing() == 6
    assert heard("We met Dr. Smith at 3 p.m. sharp", "and").closing() == 0


def test_a_pause_closes_wherever_it_is():
    transcript = heard("We saw")
    transcript.update(Recognition(), SAMPLE_RATE)
    assert transcript.closing() == 0
    transcript.update(Recognition(), SAMPLE_RATE // 4)
    assert transcript.closing() == 2
    later = timed("and left", transcript.clock + 0.2)
    transcript.update(Recognition(later), SAMPLE_RATE)
    assert transcript.closing() == 2
    assert texts(transcript.close(2)) == "We saw"
    assert transcript.closing() == 0


def test_a_speaker_without_pauses_is_closed_at_a_clause_or_the_longest_pause():
    words = list("abcdefghi")
    assert heard(" ".join(words), max_words=10).closing() == 0
    words[6] = "g,"
    assert heard(" ".join(words), max_words=10).closing() == 7
    assert heard(" ".join(words), max_words=10).closing(covered=7) == 0
    plain = timed("a b c d e f g h i j")
    late = tuple(SourceWord(w.text, w.start + 0.4, w.end + 0.4) for w in plain[8:])
    transcript = Transcript(ENGLISH, SourceSettings(max_words=10))
    transcript.update(Recognition((*plain[:8], *late)), round(late[-1].end * SAMPLE_RATE))
    assert transcript.closing() == 8
    assert transcript.closing(covered=8) > 8


def test_a_close_for_length_lies_beyond_what_the_target_looks_at():
    for covered in range(-1, 30):
        count = heard("word, " * 20, max_words=20).closing(covered)
        assert count > min(covered, 19)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 4), st.floats(0, 2), st.sampled_from(" ,.")),
        max_size=60,
    ),
    st.integers(2, 12),
    st.integers(-1, 20),
)
def test_an_utterance_never_grows_without_bound(steps, longest, covered):
    transcript = Transcript(ENGLISH, SourceSettings(max_words=longest))
    said, closed, clock = [], [], 0.0
    for committed, tail, gap, mark in steps:
        words = timed(f"word{mark.strip()} " * (committed + tail), clock + gap)
        clock = words[-1].end if words else clock + gap
        due = round(clock * SAMPLE_RATE) - transcript.samples
        transcript.update(Recognition(words[:committed], words[committed:]), max(0, due))
        said += words[:committed]
        while count := transcript.closing(covered):
            closed += transcript.close(count)
        assert len(transcript.committed) < longest
        assert closed + transcript.committed == said
        assert 0 <= transcript.accessible <= len(transcript.committed)
    transcript.finish(Recognition(transcript.tail))
    said = closed + transcript.committed
    while count := transcript.closing():
        closed += transcript.close(count)
    assert closed == said and not transcript.visible


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"margin": -1}, "margin is -1; it counts words"),
        ({"pause": 0}, "pause is 0; it must be above 0 seconds"),
        ({"max_words": 1}, "max_words is 1; it must be 2 or more"),
    ],
)
def test_impossible_settings_name_themselves(setting, sentence):
    with pytest.raises(UsageError, match=sentence):
        SourceSettings(**setting)
