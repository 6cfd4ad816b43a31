"""Where utterances close under each policy: by the source, by the heads, at pauses."""

from dataclasses import replace

import numpy as np
import pytest

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.names import closings, distinct, run_name
from alignatt4llm.evaluate.sweep import settings
from alignatt4llm.events import Close, Commit, SourceWord
from alignatt4llm.policy.closings import BY_HEADS, BY_PAUSES, BY_SOURCE
from alignatt4llm.policy.table import POLICIES
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.settings.latency import LATENCIES, changed
from alignatt4llm.text.languages import Pair
from alignatt4llm.transcript import Recognition, SourceSettings, Transcript
from alignatt4llm.translators.scripted import ScriptedDrafter, word_for_word

EN_DE = Pair.parse("en-de")
SECOND = np.zeros(SAMPLE_RATE, np.float32)


def words(*timed):
    return [SourceWord(*word) for word in timed]


ONE_PAUSE = words(
    ("one", 0.0, 0.5),
    ("two.", 0.5, 1.0),
    ("three", 1.0, 1.5),
    ("four", 2.1, 2.6),
    ("five", 2.6, 3.1),
)


def session(policy, heard, script=word_for_word):
    """Play to a system that has this policy, in steps of a second; return commits and closes."""
    interpreter = ScriptedInterpreter(lambda: ScriptedDrafter(script))
    interpreter.system = replace(interpreter.system, policy=policy)
    one = interpreter.open(EN_DE, "medium", recognizer=TimedTextRecognizer(heard))
    count = int(heard[-1].end) + 1
    events = [event for _ in range(count) for event in one.feed(SECOND)]
    events += one.finish()
    commits = [(event.text, event.audio_s) for event in events if isinstance(event, Commit)]
    return commits, [event.source for event in events if isinstance(event, Close)]


def test_pause_wait_k_by_hand():
    """A word may be relied on once another is visible; k = 2: a unit for each but the first.

    At 1 s one word, none said; at 2 s two, one said; the full stop closes nothing. At 3 s "four"
    is visible, 0.6 s after "three", so the first three words are closed and said.
    """
    commits, closed = session("pause-wait-k:2", ONE_PAUSE)
    assert commits == [("ONE", 2.0), (" TWO. THREE", 3.0), (" FOUR FIVE", 4.0)]
    assert closed == ["one two. three", "four five"]


def test_wait_k_closes_at_the_full_stop_and_not_at_that_pause():
    commits, closed = session("wait-k:2", ONE_PAUSE)
    assert commits[0] == ("ONE TWO.", 2.0)
    assert closed == ["one two.", "three four five"]


def ends_after_two(source):
    """Translate two words and end, as if that were all."""
    said = word_for_word(source[:2])
    return [*said, (".", 1)] if len(source) > 2 else said


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        ("alignatt", "w0 w1"),
        ("wait-k:1", "w0 w1 w2 w3 w4 w5 w6 w7"),
        ("pause-wait-k:1", "w0 w1 w2 w3 w4 w5 w6 w7"),
        ("local-agreement:2", "w0 w1 w2 w3 w4 w5 w6 w7"),
        ("published", "w0 w1 w2 w3 w4 w5 w6 w7"),
    ],
)
def test_only_alignatt_closes_where_the_heads_say_so(policy, first):
    heard = words(*((f"w{i}", i, i + 1) for i in range(8)))
    _, closed = session(policy, heard, ends_after_two)
    assert closed[0] == first


GAPS = {
    "a gap that is long enough": ([("a", 0.0, 0.5), ("b", 1.0, 1.5)], 2, 1.6, 1),
    "a gap that is not": ([("a", 0.0, 0.5), ("b", 0.9, 1.5)], 2, 1.6, 0),
    "a gap before a word of the tail": ([("a", 0.0, 0.5), ("b", 1.1, 1.5)], 1, 1.6, 1),
    "a gap within the tail": ([("a", 0.0, 0.5), ("b", 0.5, 0.8), ("c", 1.5, 2.0)], 1, 2.0, 0),
    "silence at the edge may be a word": ([("a", 0.0, 0.5)], 1, 1.2, 0),
    "silence at the edge for long": ([("a", 0.0, 0.5)], 1, 1.7, 1),
    "a full stop": ([("a.", 0.0, 0.5), ("B", 0.5, 1.0), ("c", 1.0, 1.5)], 3, 1.6, 0),
    "words that overlap": ([("a", 0.0, 0.9), ("b", 0.7, 1.5)], 2, 1.6, 0),
    "the first of two gaps": ([("a", 0.0, 0.5), ("b", 1.0, 1.5), ("c", 2.0, 2.5)], 3, 2.5, 1),
    "nothing heard": ([], 0, 9.0, 0),
}


@pytest.mark.parametrize(("timed", "committed", "clock", "count"), GAPS.values(), ids=GAPS)
def test_pauses_by_hand(timed, committed, clock, count):
    transcript = Transcript(EN_DE.source, SourceSettings(stops=False, gap=0.5))
    heard = words(*timed)
    heard = Recognition(tuple(heard[:committed]), tuple(heard[committed:]))
    transcript.update(heard, round(clock * SAMPLE_RATE))
    assert transcript.closing() == count


def test_speech_without_pauses_is_still_cut():
    transcript = Transcript(EN_DE.source, SourceSettings(stops=False, gap=0.5, max_words=10))
    heard = words(*((f"w{i}.", i / 2, i / 2 + 0.5) for i in range(10)))
    transcript.update(Recognition(tuple(heard)), 5 * SAMPLE_RATE)
    assert transcript.closing() > 0


@pytest.mark.parametrize("dial", LATENCIES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["own", "heads"])
def test_closings_change_nothing_else(policy, dial, name):
    before, after = LATENCIES[dial], settings(policy, dial, name)
    chosen = closings(policy, name)
    expected = {"stops": chosen.stops, "gap": chosen.gap}
    assert after.session.source == replace(before.session.source, **expected)
    assert after.session.unread == (3 if chosen.heads else None)
    assert replace(after, session=before.session) == before


def test_which_policies_may_be_lent_the_closings_of_the_heads():
    assert (closings("alignatt", "own"), closings("alignatt", "heads")) == (BY_HEADS, BY_HEADS)
    assert (closings("wait-k:3", "own"), closings("wait-k:3", "heads")) == (BY_SOURCE, BY_HEADS)
    assert closings("pause-wait-k", "heads") == BY_PAUSES
    ways = {policy: list(distinct(policy, ["own", "heads"])) for policy in (*POLICIES, "offline")}
    single = {policy for policy, names in ways.items() if names == ["own"]}
    assert single == {"alignatt", "pause-wait-k", "offline"}
    assert list(distinct("wait-k:1", ["heads", "heads"])) == ["heads"]


def test_a_folder_tells_whose_closings_a_rival_has():
    assert run_name("en-de", "wait-k:3", "low", "heads") == "en-de.wait-k-3.low.heads"
    assert run_name("en-de", "wait-k:3", "low", "own", ["chunk=1"]) == (
        "en-de.wait-k-3.low.own.chunk=1"
    )
    assert run_name("en-de", "alignatt", "low", "own") == "en-de.alignatt.low"
    assert run_name("en-de", "pause-wait-k:3", "low", "own") == "en-de.pause-wait-k-3.low"
    assert run_name("en-de", "offline", "low", "own") == "en-de.offline.low"


@pytest.mark.parametrize(("text", "value"), [("false", False), ("True", True)])
def test_whether_full_stops_close_can_be_set(text, value):
    assert changed(LATENCIES["medium"], "stops", text).session.source.stops is value


@pytest.mark.parametrize("text", ["", "no", "0", "falsch"])
def test_what_is_neither_true_nor_false(text):
    with pytest.raises(UsageError, match=f"'{text}' is no value for stops"):
        changed(LATENCIES["medium"], "stops", text)


def test_a_gap_must_be_above_zero():
    with pytest.raises(UsageError, match="gap is 0; it must be above 0 seconds"):
        SourceSettings(gap=0)
