"""What becomes final, from hypotheses alone."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.agreement import Agreement
from alignatt4llm.text.words import same


def timed(text: str, start: float = 0.0, step: float = 0.5) -> list[SourceWord]:
    """Words of half a second each."""
    return [
        SourceWord(word, start + i * step, start + (i + 1) * step)
        for i, word in enumerate(text.split())
    ]


def texts(words: list[SourceWord]) -> str:
    return " ".join(word.text for word in words)


def test_two_hypotheses_must_agree() -> None:
    agreement = Agreement()
    assert agreement.update(timed("the cat sat"), 2.0) == []
    assert texts(agreement.update(timed("The cat, sad on"), 2.5)) == "The cat,"
    assert texts(list(agreement.pending)) == "sad on"


def test_audio_must_follow_a_word() -> None:
    agreement = Agreement(hold_back=0.25)
    agreement.update(timed("the cat sat"), 1.2)
    assert texts(agreement.update(timed("the cat sat"), 1.2)) == "the"
    assert texts(agreement.update(timed("the cat sat"), 1.25)) == "cat"


def test_the_last_word_waits_for_what_follows() -> None:
    agreement = Agreement()
    agreement.update(timed("it ends."), 9.0)
    assert texts(agreement.update(timed("it ends."), 9.0)) == "it"
    assert texts(agreement.flush()) == "ends."
    assert agreement.pending == ()


def test_a_word_that_keeps_changing_keeps_nobody_waiting() -> None:
    agreement = Agreement()
    said = [
        texts(agreement.update(timed(f"{name} and others"), clock))
        for name, clock in [("Lubeck", 2.0), ("Lubach", 2.5), ("Lubeck", 2.9), ("Lübeck", 3.0)]
    ]
    assert said == ["", "", "", "Lübeck"]


def test_a_number_is_not_final_in_parts() -> None:
    agreement = Agreement()
    heard = [("by 12.5% to", 2.0), ("my 12. I'm 1% to", 4.2), ("fell 12.5% to", 4.9)]
    said = [texts(agreement.update(timed(text), clock)) for text, clock in heard]
    assert said == ["", "", ""]
    assert texts(agreement.update(timed("by 12.5% to us"), 5.3)) == ""
    assert texts(agreement.update(timed("by 12.5% to us"), 5.4)) == "by 12.5% to"


def test_a_number_that_keeps_changing_keeps_nobody_waiting_for_ever() -> None:
    agreement = Agreement()
    heard = [("12 to us", 2.0), ("13 so us", 4.0), ("12 to us", 5.4), ("13 so us", 5.6)]
    assert [texts(agreement.update(timed(text), clock)) for text, clock in heard] == [
        "", "", "", "13",
    ]  # fmt: skip


def test_words_said_again_are_dropped_by_text_and_time() -> None:
    agreement = Agreement()
    agreement.update(timed("one two three four"), 2.0)
    assert texts(agreement.update(timed("one two three four"), 2.0)) == "one two three"
    agreement.update(timed("Three four five", start=0.9), 2.0)
    assert texts(list(agreement.pending)) == "four five"
    agreement.update(timed("to free four five", start=0.5), 2.0)
    assert texts(list(agreement.pending)) == "four five"


def test_a_word_really_said_twice_stays() -> None:
    agreement = Agreement()
    agreement.update(timed("he had had enough"), 2.0)
    said = agreement.update(timed("he had x y"), 2.0)
    agreement.update(timed("had enough", start=1.0), 2.0)
    assert texts([*said, *agreement.flush()]) == "he had had enough"


def test_flush_until_a_time() -> None:
    agreement = Agreement()
    agreement.update(timed("one two three"), 1.5)
    assert texts(agreement.flush(1.0)) == "one two"
    assert texts(agreement.flush()) == "three"


def test_same_word_in_other_clothes() -> None:
    assert same("“Hello,") == same("hello")
    assert same("…") == "…"
    assert same("Straße") == same("STRASSE")


HYPOTHESES = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b.", "C", ",d", "e"]), st.integers(0, 80), st.integers(0, 20)
        ),
        max_size=8,
    ),
    max_size=12,
)


@given(HYPOTHESES, st.floats(0, 1))
def test_committed_words_are_in_order_and_never_early(
    steps: list[list[tuple[str, int, int]]], hold_back: float
) -> None:
    agreement = Agreement(hold_back)
    said: list[SourceWord] = []
    for i, step in enumerate(steps):
        clock = 1.0 + i
        words = [SourceWord(text, s / 10, (s + d) / 10) for text, s, d in step]
        committed = agreement.update(words, clock)
        assert all(word.end <= clock - hold_back for word in committed)
        said += committed
    said += agreement.flush()
    assert all(word.start <= word.end for word in said)
    assert all(a.end <= b.start for a, b in pairwise(said))
    assert agreement.pending == ()


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), st.integers(0, 6))
def test_growing_speech_is_said_exactly_once(spoken: list[str], overlap: int) -> None:
    """Hypotheses that end anywhere and begin up to some committed words back lose nothing."""
    words = timed(" ".join(spoken))
    agreement = Agreement()
    said: list[SourceWord] = []
    for heard in range(1, len(words) + 1):
        begin = max(0, len(said) - overlap)
        said += agreement.update(words[begin:heard], heard * 0.5)
    assert [*said, *agreement.flush()] == words
