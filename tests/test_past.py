"""What was said of a stream, added up: by hand, and against the session that said it."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import created, journal_of, past_of
from talks import TALKS

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import Close, Commit, End, Piece, Source, SourceWord
from alignatt4llm.prompts.context import RECENT
from alignatt4llm.prompts.prompt import Closed
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.errors import UnknownSession
from alignatt4llm.serve.past import Past, Settled, fold
from alignatt4llm.session import MOST_HISTORY, Standing
from alignatt4llm.target import Target
from alignatt4llm.text.languages import Pair, language
from alignatt4llm.translators.scripted import ScriptedDrafter

DE = language("de")


def heard(*words):
    return tuple(SourceWord(word, n, n + 0.5) for n, word in enumerate(words))


def said(*pieces, utterance=0, covered=0, wall=1.0):
    parts = tuple(Piece(text, word) for text, word in pieces)
    return Commit("".join(p.text for p in parts), utterance, 1.0, wall, covered, parts)


def added(*records, target=DE):
    past = Past()
    for record in records:
        past = fold(past, record, target)
    return past


def test_a_close_takes_as_many_words_as_it_says():
    words = heard("I", "came", "–", "at", "last", "–", "home.", "And", "–")
    past = added(
        Settled(words, 160_000),
        said(("ICH", 0), (" KAM", 1), covered=1),
        Close(0, "I came – at last – home.", "ICH KAM", 0.0, 6.5, 9.0, 7),
    )
    assert [word.text for word in past.standing.heard] == ["And", "–"]
    assert (past.closed, past.heard, past.reached, past.settled) == (7, 9, 2, 160_000)
    assert past.standing.pieces == ()
    assert past.standing.history == (Closed("I came – at last – home.", "ICH KAM"),)
    assert past.standing.recent == ("I", "came", "–", "at", "last", "–", "home.")
    assert (past.standing.utterance, past.standing.said, past.ended) == (1, True, False)


@pytest.mark.parametrize(
    ("words", "source", "count"),
    [
        (["New York", "is", "big.", "So"], "New York is big.", 3),
        (["Oui", "!", "Bien"], "Oui !", 2),
        (["Oui !", "Bien"], "Oui !", 1),
        (["我", "们", "走。", "你"], "我们走。", 3),
        (["نعم", "–", "شكرا.", "لا"], "نعم – شكرا.", 3),
    ],
)
def test_words_are_never_counted_in_the_text(words, source, count):
    past = added(Settled(heard(*words), 1), Close(0, source, "", 0.0, 1.0, 1.0, count))
    assert [word.text for word in past.standing.heard] == words[count:]


def test_what_was_said_of_later_words_is_carried_over():
    past = added(
        Settled(heard("Yes.", "Good", "–", "day"), 1),
        said(("JA.", 0), (" GUTEN", 1), (" –", 2), covered=2, wall=2.5),
        Close(0, "Yes.", "JA.", 0.0, 0.5, 3.0, 1),
    )
    assert past.standing.pieces == (Piece(" GUTEN", 0), Piece(" –", 1))
    assert (past.reached, past.standing.wall_s) == (3, 2.5)
    past = fold(past, said((" TAG", 2), utterance=1, covered=2), DE)
    assert past.reached == 4
    target = Target(DE, past.standing.pieces, past.standing.said)
    assert (target.accepted, target.covered) == ("GUTEN – TAG", 2)


def test_what_looks_nowhere_reaches_nothing():
    assert added(said(("HM", -1), covered=-1)).reached == 0


def test_the_end_is_the_end():
    assert added(End(1.0, 1.0, 1.0, 1.0)).ended


def test_a_long_past_is_no_larger_than_a_short_one():
    def sizes():
        past = Past()
        for number in range(500):
            words = heard(*(f"w{n:02}" for n in range(20)))
            past = fold(past, Settled(words, 1), DE)
            past = fold(past, said(*((" w", n) for n in range(20)), utterance=number), DE)
            past = fold(past, Close(number, "source", "target", 0.0, 1.0, 1.0, 20), DE)
            yield len(pickle.dumps(past))

    early, late = [size for number, size in enumerate(sizes()) if number in (200, 499)]
    assert late <= early + 100


def test_what_is_kept_of_closed_utterances_is_bounded():
    past = Past()
    for number in range(150):
        past = fold(past, Settled(heard("a", "b."), 1), DE)
        past = fold(past, Close(number, f"a b. {number}", "", 0.0, 1.0, 1.0, 2), DE)
    assert len(past.standing.history) == MOST_HISTORY
    assert past.standing.history[-1].source == "a b. 149"
    assert past.standing.recent == ("a", "b.") * (RECENT // 2)


SWAPPED = st.permutations(range(4))


def shuffled(order):
    """Translate four words at a time in another order."""

    def script(words):
        places = [4 * (n // 4) + order[n % 4] for n in range(len(words) + 3)]
        return [(f" {words[at].upper()}", at) for at in places if at < len(words)]

    return script


@given(
    st.sampled_from(sorted(TALKS)),
    st.sampled_from(["low", "medium", "high"]),
    SWAPPED,
    st.lists(st.sampled_from([0.0, 0.4, 1.5]), min_size=40, max_size=40),
)
def test_the_past_is_at_every_event_where_the_session_is(name, latency, order, gaps):
    pair, texts = TALKS[name]
    pair, words, at = Pair.parse(pair), [], 0.0
    for text, gap in zip(texts, gaps, strict=False):
        words.append(SourceWord(text, at + gap, at + gap + 0.3))
        at = words[-1].end
    interpreter = ScriptedInterpreter(lambda: ScriptedDrafter(shuffled(order)))
    session = interpreter.open(pair, latency, recognizer=TimedTextRecognizer(words, 1.0))
    past = Past()

    def check(events):
        nonlocal past
        for event in events:
            record = Settled(past.fresh(event), 0) if isinstance(event, Source) else event
            if isinstance(record, Settled | Commit | Close | End):
                past = fold(past, record, pair.target)
            target = Target(pair.target, past.standing.pieces, past.standing.said)
            assert (target.accepted, target.covered) == (
                session.target.accepted,
                session.target.covered,
            )
            assert list(past.standing.heard) == session.transcript.committed

    for _ in range(int(at / 0.5) + 1):
        check(session.feed(np.zeros(SAMPLE_RATE // 2, np.float32)))
    check(session.finish())
    assert past.closed == len(words) and past.ended and not past.standing.heard


def test_a_resumed_session_accounts_for_the_whole_stream(tmp_path):
    words = list(heard("We", "saw", "New York", "–", "at", "last.", "Then", "Good", "night"))
    second = np.zeros(SAMPLE_RATE, np.float32)
    journal = created(tmp_path / "a.jsonl", {"pair": "en-de", "to": ["de"]})

    def opened(recognizer):
        pair = Pair.parse("en-de")
        return ScriptedInterpreter().open(pair, recognizer=recognizer, now=lambda: 7.0)

    first = opened(TimedTextRecognizer(words, 0.0))
    said_before = [event for _ in range(7) for event in first.feed(second)]
    for event in said_before:
        if isinstance(event, Commit | Close):
            journal.append(event)
    journal.close()
    past = past_of(tmp_path / "a.jsonl").targets["de"].past
    rest = [replace(word, start=word.start - 7, end=word.end - 7) for word in words[7:]]
    resumed = opened(TimedTextRecognizer(rest, 0.0))
    standing = replace(past.standing, heard=tuple(first.transcript.committed))
    resumed.restore(standing, 7 * SAMPLE_RATE, past.delays)
    ends = [[*one.feed(second), *one.finish()][-1] for one in (first, resumed)]
    assert replace(ends[0], peak_memory_mb=0.0) == replace(ends[1], peak_memory_mb=0.0)
    assert " ".join(ends[1].units) == "WE SAW NEW YORK – AT LAST. THEN GOOD NIGHT"


def test_the_journal_of_another_version_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "a.jsonl"
    created(path, {"pair": "en-de"}).close()
    header = json.loads(path.read_text())
    path.write_text(json.dumps({key: header[key] for key in header if key != "format"}) + "\n")
    with pytest.raises(UnknownSession, match="Another version of the server"):
        journal_of(path)
    path.write_text(path.read_text()[:10])
    with pytest.raises(UnknownSession, match="damaged"):
        journal_of(path)


def test_nothing_past_is_where_a_new_session_stands():
    assert Past().standing == Standing()
