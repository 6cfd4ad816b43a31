"""The risk of the tail: alignment with an unfinished transcript, and curves that are known."""

import json
import wave
from pathlib import Path

import jiwer
import numpy as np
import pytest
from evaluating import recording
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.evaluate.corpus import Recording, Segment
from alignatt4llm.evaluate.prefix import PrefixAlignment
from alignatt4llm.evaluate.tail import Heard, listen, plot, table, tail_risk
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.agreement import HOLD_BACK
from alignatt4llm.recognizers.scripted import ScriptedRecognizer
from alignatt4llm.text.languages import language
from alignatt4llm.transcript import Recognition

SAMPLES = Path(__file__).parent.parent / "samples"


def wrong(reference, committed, tail=""):
    alignment = PrefixAlignment(reference.split())
    alignment.commit(committed.split())
    words = committed.split() + tail.split()
    found = alignment.wrong(tail.split(), len(words))
    return " ".join(word.upper() if bad else word for word, bad in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("reference", "committed", "tail", "expected"),
    [
        ("a b c d", "a b", "c", "a b c"),
        ("a b c d", "a x", "c", "a X c"),
        ("a b c d", "a b x", "", "a b X"),
        ("a b c d", "a x b", "", "a X b"),  # one too many
        ("a b c d", "a c", "", "a c"),  # one too few
        ("a b c the d the", "a b", "the", "a b the"),  # c was dropped
        ("a b c d e the", "a b", "the", "a b THE"),  # too far away to have been said
        ("a b", "a b", "c d", "a b C D"),  # beyond the end
        ("", "a", "", "A"),
        ("a b", "", "", ""),
    ],
)
def test_which_words_are_wrong(reference, committed, tail, expected):
    assert wrong(reference, committed, tail) == expected


WORDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=10)


@given(WORDS, WORDS)
def test_the_best_beginning_is_found(reference, words):
    """No more is wrong than the edit distance to the best beginning; the rest is in order."""
    alignment = PrefixAlignment(reference)
    bad = alignment.wrong(words, len(words))
    beginnings = (" ".join(reference[: n + 1]) for n in range(len(reference)))
    counts = [jiwer.process_words(beginning, " ".join(words)) for beginning in beginnings]
    best = min(one.substitutions + one.insertions + one.deletions for one in counts)
    assert sum(bad) <= min(best, len(words))
    rest = iter(reference)
    assert all(word in rest for word, is_wrong in zip(words, bad, strict=True) if not is_wrong)


@given(WORDS, WORDS, st.integers(0, 10))
def test_what_is_committed_counts_as_the_tail_does(reference, words, split):
    one, other = PrefixAlignment(reference), PrefixAlignment(reference)
    one.commit(words[:split])
    assert one.wrong(words[split:], len(words)) == other.wrong(words, len(words))
    assert one.wrong(words[split:], 1) == other.wrong(words, len(words))[-1:]


def write_wav(path, duration):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.zeros(round(16_000 * duration), "<i2").tobytes())
    return path


def words(*timed):
    return tuple(SourceWord(text, end - 0.2, end) for text, end in timed)


def test_words_are_observed_after_every_step(tmp_path):
    audio = write_wav(tmp_path / "a.wav", 2.0)
    segments = (Segment(0.0, 1.0, "One, two.", None), Segment(1.0, 1.0, "Three four.", None))
    recogniser = ScriptedRecognizer(
        [
            Recognition(tail=words(("one", 0.5), ("too", 0.9))),
            Recognition(words(("One,", 0.5), ("two.", 0.95)), words(("three", 1.9))),
        ]
    )
    heard = list(listen(Recording("a", 2.0, audio, segments), recogniser, 1.0, language("en")))
    assert [(one.stretch, round(one.distance, 2), one.wrong) for one in heard] == [
        (0, 0.5, False),
        (0, 0.1, True),
        (0, 1.05, False),  # "One," is 1.5 s behind by now and no longer counted
        (1, 0.1, False),
    ]


def test_timed_text_has_no_tail_to_measure():
    with pytest.raises(UsageError, match="has no audio"):
        silent = recording("talk", (0.0, 1.0, "one", None))
        next(listen(silent, ScriptedRecognizer([]), 1.0, language("en")))


def heard(distance, wrong, count, segments=20):
    """Words of which a share is wrong in every segment alike."""
    bad = round(wrong * count)
    return [Heard(s, distance, n < bad) for s in range(segments) for n in range(count)]


def test_a_constant_risk_is_flat_and_certain():
    words = [one for distance in np.arange(0, 1.2, 0.02) for one in heard(distance, 0.2, 10)]
    risk = tail_risk([words], "test")
    assert risk.wrong == pytest.approx([0.2] * 40)
    assert risk.low == pytest.approx(risk.wrong)
    assert risk.high == pytest.approx(risk.wrong)
    assert risk.distance_ms[0] == 12.5
    assert "n:20" in risk.signature and "kernel:75ms" in risk.signature


def test_smoothing_is_a_gaussian_average_of_the_bins():
    """Two bins 150 ms, two deviations, apart: weights 1 and e^-2 at either, 1 to 1 between."""
    risk = tail_risk([heard(0.01, 1.0, 5) + heard(0.16, 0.0, 5)], "test")
    weight = np.exp(-2)
    assert risk.wrong[0] == pytest.approx(1 / (1 + weight))
    assert risk.wrong[3] == pytest.approx(0.5)
    assert risk.wrong[6] == pytest.approx(weight / (1 + weight))
    assert risk.words[0] == risk.words[6] == 100
    assert risk.wrong[-1] is None  # nothing was heard near 1 s


def test_bands_are_those_of_segments_that_differ():
    """Half of 40 segments is all wrong: the mean of 40 coins, 1.645 deviations either way."""
    words = [Heard(n, 0.0, n % 2 == 0) for n in range(40)]
    risk = tail_risk([words], "test")
    assert risk.wrong[0] == pytest.approx(0.5)
    assert risk.low[0] == pytest.approx(0.5 - 1.645 * 0.5 / 40**0.5, abs=0.03)
    assert risk.high[0] == pytest.approx(0.5 + 1.645 * 0.5 / 40**0.5, abs=0.03)


def test_recordings_do_not_share_segments():
    words = [Heard(0, 0.0, True)]
    assert "n:2" in tail_risk([words, words], "test").signature


def test_silence_has_no_curve():
    with pytest.raises(AlignattError, match="heard no word"):
        tail_risk([[], []], "test")


def test_the_table_and_the_picture(tmp_path):
    risk = tail_risk([heard(0.05, 0.5, 4)], "test")
    lines = table(risk).splitlines()
    assert lines[2] == "| 0 | 50.0 | [50.0, 50.0] | 80 |"
    assert lines[-1] == "| 900 | – | – | 0 |"
    plot({"some recogniser": risk}, tmp_path / "tail.svg")
    assert "some recogniser" in (tmp_path / "tail.svg").read_text("utf-8")
    with pytest.raises(UsageError, match="cannot be drawn"):
        plot({"some recogniser": risk}, tmp_path / "tail.none")


def test_the_command_refuses_what_it_cannot_measure(tmp_path, capsys):
    assert main(["evaluate", "tail", "--data", str(tmp_path)]) == 2
    assert "is no corpus" in capsys.readouterr().err
    assert main(["evaluate", "tail", "--data", str(tmp_path), "--chunk", "0"]) == 2
    assert "--chunk is 0; it must be above 0 seconds." in capsys.readouterr().err


@pytest.mark.models
def test_the_command_on_real_speech(tmp_path, capsys):
    files = ["--json", str(tmp_path / "tail.json"), "--out", str(tmp_path / "tail.svg")]
    assert main(["evaluate", "tail", "--data", str(SAMPLES), "--chunk", "2", *files]) == 0
    [(name, risk)] = json.loads((tmp_path / "tail.json").read_text("utf-8")).items()
    assert name == "embedded"
    assert len(risk["distance_ms"]) == len(risk["wrong"]) == len(risk["words"]) == 40
    assert sum(risk["words"]) > 3
    assert (
        f"recognizer:embedded|hold_back:{HOLD_BACK:g}s|data:samples|chunk:2s" in risk["signature"]
    )
    assert "| 0 |" in capsys.readouterr().out
    assert (tmp_path / "tail.svg").exists()


@pytest.mark.slow
def test_whisper_is_less_sure_of_what_it_hears_last(tmp_path):
    samples = tmp_path / "samples"
    samples.mkdir()
    for name in ("lj001.ogg", "lj001.json"):
        (samples / name).symlink_to(SAMPLES / name)
    file = tmp_path / "tail.json"
    assert main(["evaluate", "tail", "--data", str(samples), "--json", str(file)]) == 0
    [risk] = json.loads(file.read_text("utf-8")).values()
    assert risk["low"][0] > risk["high"][20]
