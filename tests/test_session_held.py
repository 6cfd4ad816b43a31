"""What a session holds: shown, kept, decided again, said in the end."""

from sessions import SECOND, Watched, follow, of, said, session_of, talk

from alignatt4llm.events import Close, Preview, SourceWord, Trace
from alignatt4llm.recognizers.scripted import ScriptedRecognizer
from alignatt4llm.transcript import Recognition
from alignatt4llm.translators.scripted import ScriptedDrafter, word_for_word


def test_held_text_is_shown_with_its_reason_and_said_when_its_word_may_be_relied_on():
    session = session_of(
        ScriptedRecognizer(
            [
                Recognition((SourceWord("We", 0, 0.4),), (SourceWord("saw", 0.4, 0.9),)),
                Recognition((SourceWord("saw", 0.4, 0.9),), (SourceWord("it", 1, 1.4),)),
            ]
        )
    )
    first, second = list(session.feed(SECOND)), list(session.feed(SECOND))
    assert said(first) == "WE"
    assert of(Preview, first) == [Preview("SAW", 0, "peak_inaccessible", "de")]
    [trace] = of(Trace, first)
    assert (trace.frontier, [(t.text, t.word, t.hold) for t in trace.tokens]) == (
        1,
        [(" WE", "We", ""), (" SAW", "saw", "peak_inaccessible")],
    )
    assert said(second) == " SAW"
    assert of(Preview, second) == [Preview("IT", 0, "peak_inaccessible", "de")]


def test_a_preview_of_words_that_are_no_longer_heard_is_replaced():
    session = session_of(
        ScriptedRecognizer(
            [
                Recognition((SourceWord("New", 0, 0.4),), (SourceWord("Yolk", 0.4, 0.9),)),
                Recognition((), (SourceWord("York", 0.4, 0.9),)),
                Recognition((), (SourceWord("york,", 0.4, 0.9),)),
            ]
        )
    )
    previews = [of(Preview, session.feed(SECOND)) for _ in range(3)]
    assert [[p.text for p in step] for step in previews] == [["YOLK"], ["YORK"], []]


def test_a_preview_goes_with_the_last_word_that_was_heard():
    tail = (SourceWord("we", 0, 0.4), SourceWord("wrong", 0.4, 0.9))
    session = session_of(ScriptedRecognizer([Recognition((), tail), Recognition()]), trust=0.0)
    previews = [of(Preview, session.feed(SECOND)) for _ in range(2)]
    assert [[p.text for p in step] for step in previews] == [["WRONG"], [""]]


def test_what_runs_away_is_neither_held_nor_guessed_again():
    words = talk("one two three four five six seven eight nine ten eleven twelve", 12)
    watched = Watched(ScriptedDrafter(lambda heard: [(" la", n) for n in range(len(heard))]))
    session = session_of(
        ScriptedRecognizer([Recognition(tuple(words[:10])), Recognition(tuple(words[10:]))]),
        drafter=watched,
    )
    first = list(session.feed(SECOND))
    assert said(first) == "la"
    assert [preview.text for preview in of(Preview, first)] == [""]
    assert not said(session.feed(SECOND))
    assert watched.guesses == [(), ()]


def test_only_the_frontier_moved_so_the_model_is_not_asked_again():
    one, two = SourceWord("We", 0.0, 0.4), SourceWord("saw", 0.5, 0.9)
    steps = [Recognition((one,), (two,)), Recognition((two,))]
    drafter = Watched(ScriptedDrafter(lambda words: [(" BOTH", len(words) - 1)]))
    session = session_of(ScriptedRecognizer(steps), drafter=drafter, margin=0, pause=9)
    assert not said(session.feed(SECOND))
    assert len(drafter.prompts) == 1
    assert said(session.feed(SECOND)) == "BOTH"
    assert len(drafter.prompts) == 1
    for _ in range(5):
        assert not said(session.feed(SECOND))
    assert len(drafter.prompts) <= 2


def test_a_copy_is_held_until_the_draft_turns_out_to_be_none():
    words = [SourceWord(text, n, n + 0.9) for n, text in enumerate(("In", "Berlin", "we", "have"))]
    session = session_of(
        ScriptedRecognizer(
            [
                Recognition(tuple(words[:1]), tuple(words[1:])),
                Recognition(tuple(words[1:2]), tuple(words[2:])),
            ]
        ),
        lambda _: [(" In", 0), (" Berlin", 1), (" haben", 3), (" wir", 2)],
    )
    first, second = list(session.feed(SECOND)), list(session.feed(SECOND))
    assert not said(first)
    [trace] = of(Trace, first)
    assert [t.hold for t in trace.tokens] == ["source_copied", "peak_inaccessible"]
    assert said(second) == "In Berlin"


def test_what_a_copy_that_has_ended_leaves_unread_begins_the_next_utterance():
    def okay(words):
        return [(" Okay", 0), (".", 0)] if words[0] == "Okay" else word_for_word(words)

    events, _ = follow(talk("Okay so let us begin. And", 6), okay)
    assert said(events) == "Okay. SO LET US BEGIN. AND"
    assert of(Close, events)[0].source == "Okay"
