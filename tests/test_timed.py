"""Known transcripts: on the clock, from files, and step by step."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.scripted import ScriptedRecognizer
from alignatt4llm.recognizers.timed import TimedTextRecognizer, read_timed_text, spread
from alignatt4llm.text.languages import language
from alignatt4llm.transcript import Recognition

SAMPLES = Path(__file__).parent.parent / "samples"
ENGLISH = language("en")
WORDS = [SourceWord("One", 0.0, 0.5), SourceWord("two", 0.5, 0.9), SourceWord("three.", 1.0, 1.5)]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16_000), np.float32)


def test_words_are_tail_then_committed() -> None:
    recognizer = TimedTextRecognizer(WORDS, hold_back=0.25)
    assert recognizer.feed(silence(0.5)) == Recognition((), (WORDS[0],))
    assert recognizer.feed(silence(0.5)) == Recognition((WORDS[0],), (WORDS[1],))
    assert recognizer.feed(silence(0.2)) == Recognition((WORDS[1],), ())
    assert recognizer.finish() == Recognition((WORDS[2],))
    assert recognizer.finish() == Recognition()


@given(st.lists(st.integers(1, 30_000), max_size=20))
def test_any_chunking_commits_every_word_once_and_in_time(sizes: list[int]) -> None:
    recognizer = TimedTextRecognizer(WORDS)
    said: list[SourceWord] = []
    clock = 0.0
    for size in sizes:
        heard = recognizer.feed(np.zeros(size, np.float32))
        clock += size / 16_000
        said += heard.committed
        assert all(word.end <= clock + 1e-9 for word in (*said, *heard.tail))
    assert [*said, *recognizer.finish().committed] == WORDS


def test_bad_settings_are_told() -> None:
    with pytest.raises(UsageError, match="hold_back"):
        TimedTextRecognizer(WORDS, hold_back=-1)
    with pytest.raises(UsageError, match="order"):
        TimedTextRecognizer(WORDS[::-1])


def test_spread_is_proportional_to_characters() -> None:
    assert spread("a bbb", 1.0, 2.0, ENGLISH) == [
        SourceWord("a", 1.0, 1.5),
        SourceWord("bbb", 1.5, 3.0),
    ]
    assert spread("  ", 0.0, 1.0, ENGLISH) == []


def test_sample_transcript() -> None:
    words = read_timed_text(SAMPLES / "lj001.json", ENGLISH)
    assert words[0].text == "Printing,"
    assert len(words) > 500
    assert words[-1].end == pytest.approx(222, abs=1)


def test_words_with_their_own_times(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(json.dumps([{"text": w.text, "start": w.start, "end": w.end} for w in WORDS]))
    assert read_timed_text(path, ENGLISH) == WORDS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "not JSON"),
        ('{"text": "a"}', "list"),
        ("[1]", "entry 1"),
        ('[{"text": 1, "start": 0, "end": 1}]', "entry 1"),
        ('[{"text": "a"}]', "'start'"),
        ('[{"text": "a", "start": "0", "end": 1}]', "'start'"),
        ('[{"text": "a", "start": -1, "end": 1}]', "'start'"),
        ('[{"text": "a", "start": 0, "end": NaN}]', "'end'"),
        ('[{"text": "a", "start": 2, "end": 1}]', "before start"),
        ('[{"text": "a", "offset": 2}]', "'duration'"),
        ('[{"text": "a", "start": 2, "end": 3}, {"text": "b", "start": 0, "end": 1}]', "order"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_timed_text(path, ENGLISH)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_timed_text(tmp_path / "none.json", ENGLISH)


def test_script_is_followed_and_finished() -> None:
    one, two, three = WORDS
    steps = [Recognition(tail=(one,)), Recognition((one,), (two,)), Recognition((two,), (three,))]
    recognizer = ScriptedRecognizer(steps)
    assert recognizer.feed(silence(1)) == steps[0]
    assert recognizer.finish() == Recognition((one, two, three))
    assert recognizer.finish() == Recognition()


def test_script_that_has_ended_keeps_its_tail() -> None:
    recognizer = ScriptedRecognizer([Recognition(tail=(WORDS[0],))])
    recognizer.feed(silence(1))
    assert recognizer.feed(silence(1)) == Recognition(tail=(WORDS[0],))
    assert recognizer.finish() == Recognition((WORDS[0],))
