"""Whisper on real speech, on no speech, and on speech without a pause."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.audio.voice import FRAME, VoiceActivity
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.whisper import WhisperEngine, _words
from alignatt4llm.recognizers.window import LONGEST, PAUSE, WindowRecognizer
from alignatt4llm.text.languages import LANGUAGES, language
from alignatt4llm.transcript import Recognition

SAMPLES = Path(__file__).parent.parent / "samples"
ENGLISH = language("en")

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def engine(embedded_whisper: Path) -> WhisperEngine:
    return WhisperEngine(embedded_whisper)


def test_languages_go_by_their_own_codes_and_unknown_ones_are_refused(engine):
    for code in sorted(LANGUAGES):
        if code != "yue":
            engine.open(language(code))
    assert engine._tokenizer(language("fil")).language_code == "tl"
    with pytest.raises(UsageError, match="This Whisper model does not know Cantonese"):
        engine.open(language("yue"))


@pytest.fixture(scope="module")
def sentence() -> Samples:
    return np.concatenate(list(read(str(SAMPLES / "fleurs-en-000.ogg"))))


@pytest.fixture(scope="module")
def reading() -> Samples:
    """The first 22 seconds of continuous reading."""
    return np.concatenate(list(read(str(SAMPLES / "lj001.ogg"))))[: 22 * SAMPLE_RATE]


def seconds(duration: float) -> Samples:
    return np.zeros(round(duration * SAMPLE_RATE), np.float32)


def listen(recognizer: WindowRecognizer, audio: Samples, step: float) -> list[Recognition]:
    fed = [recognizer.feed(chunk) for chunk in chunks([audio], round(step * SAMPLE_RATE))]
    return [*fed, recognizer.finish()]


def committed(heard: list[Recognition]) -> list[SourceWord]:
    return [word for step in heard for word in step.committed]


def plain(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9 ]", "", text.lower()).split()


def error_rate(said: list[str], spoken: list[str]) -> float:
    row = list(range(len(said) + 1))
    for i, wanted in enumerate(spoken, 1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(said, 1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != got))
            diagonal, row[j] = row[j], best
    return row[-1] / len(spoken)


@pytest.mark.parametrize("step", [0.1, 1.0, 5.0, 60.0])
def test_a_sentence_in_any_chunks(engine: WhisperEngine, sentence: Samples, step: float) -> None:
    [reference] = json.loads((SAMPLES / "references.json").read_text(encoding="utf-8"))
    words = committed(listen(engine.open(ENGLISH), sentence, step))
    assert error_rate(plain(" ".join(w.text for w in words)), plain(reference["en"])) < 0.25
    assert all(a.end <= b.start for a, b in pairwise(words))
    assert all(0 <= w.start <= w.end <= len(sentence) / SAMPLE_RATE for w in words)


def test_words_come_while_somebody_speaks(engine: WhisperEngine, reading: Samples) -> None:
    recognizer = engine.open(ENGLISH)
    said, longest, clock = [], 0.0, 0.0
    delays = []
    for chunk in chunks([reading], SAMPLE_RATE):
        heard = recognizer.feed(chunk)
        clock += len(chunk) / SAMPLE_RATE
        said += heard.committed
        delays += [clock - word.end for word in heard.committed]
        longest = max(longest, recognizer.window)
        assert all(word.end <= clock for word in (*heard.committed, *heard.tail))
    said += recognizer.finish().committed
    entries = json.loads((SAMPLES / "lj001.json").read_text(encoding="utf-8"))
    spoken = [word for entry in entries for word in plain(entry["text"])]
    text = plain(" ".join(word.text for word in said))
    assert error_rate(text, spoken[: len(text)]) < 0.2
    assert np.median(delays) < 2.5
    assert min(delays) >= 0
    assert longest < LONGEST


def test_times_are_on_the_stream_clock(engine: WhisperEngine, sentence: Samples) -> None:
    first = committed(listen(engine.open(ENGLISH), sentence, 1.0))
    late = committed(listen(engine.open(ENGLISH), np.concatenate([seconds(40), sentence]), 1.0))
    assert late[0].start == pytest.approx(40 + first[0].start, abs=0.5)
    assert late[-1].end == pytest.approx(40 + first[-1].end, abs=0.5)


def test_a_pause_commits_everything(engine: WhisperEngine, sentence: Samples) -> None:
    recognizer = engine.open(ENGLISH)
    heard = [recognizer.feed(sentence), recognizer.feed(seconds(PAUSE + 1))]
    assert committed(heard)
    assert heard[-1].tail == ()
    assert recognizer.window == 0
    assert recognizer.finish() == Recognition()


def test_speech_without_a_pause_stays_bounded(engine: WhisperEngine, sentence: Samples) -> None:
    """Short silences are cut out, and a voice that never pauses still gets its words out."""
    voiced = [frame for frame, voice in VoiceActivity().feed(sentence) if voice]
    unbroken = np.concatenate(voiced * 3)
    recognizer = engine.open(ENGLISH)
    words, gap = 0, 0
    for chunk in chunks([unbroken], SAMPLE_RATE):
        count = len(recognizer.feed(chunk).committed)
        words, gap = words + count, 0 if count else gap + 1
        assert recognizer.window <= LONGEST + 1
        assert gap <= LONGEST
    assert words + len(recognizer.finish().committed) > 30


def chords(rng: np.random.Generator, time: Samples) -> Samples:
    beat = np.exp(-3 * (time % 0.5))
    notes = [220 * 2 ** (k / 12) for k in (0, 4, 7, 12)]
    return 0.15 * beat * sum(np.sin(2 * np.pi * note * time) for note in notes)


def noise(rng: np.random.Generator, time: Samples) -> Samples:
    return rng.normal(0, 0.2, len(time))


def silence(rng: np.random.Generator, time: Samples) -> Samples:
    return np.zeros(len(time))


@pytest.mark.parametrize("make", [silence, noise, chords])
def test_nothing_is_heard_where_nobody_speaks(engine: WhisperEngine, make: object) -> None:
    assert callable(make)
    time = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    audio = make(np.random.default_rng(7), time).astype(np.float32)
    recognizer = engine.open(ENGLISH)
    heard = listen(recognizer, audio, 1.0)
    assert all(step == Recognition() for step in heard)
    assert recognizer.window == 0


@pytest.mark.parametrize("make", [noise, chords])
def test_a_model_shown_no_speech_says_nothing(engine: WhisperEngine, make: object) -> None:
    """The guards behind the voice activity: what the model imagines is refused or empty."""
    assert callable(make)
    time = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    audio = make(np.random.default_rng(7), time).astype(np.float32)
    assert not engine.transcribe(audio, ENGLISH)


def test_recognisers_share_an_engine(engine: WhisperEngine, sentence: Samples) -> None:
    one, other = engine.open(ENGLISH), engine.open(ENGLISH)
    alone = committed(listen(engine.open(ENGLISH), sentence, 2.0))
    said: list[list[SourceWord]] = [[], []]
    for chunk in chunks([sentence], 2 * SAMPLE_RATE):
        said[0] += one.feed(chunk).committed
        said[1] += other.feed(chunk).committed
    assert [*said[0], *one.finish().committed] == alone
    assert [*said[1], *other.finish().committed] == alone


def test_an_empty_stream(engine: WhisperEngine) -> None:
    recognizer = engine.open(ENGLISH)
    assert recognizer.feed(seconds(0)) == Recognition()
    assert recognizer.finish() == Recognition()


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(AlignattError, match=r"model\.bin"):
        WhisperEngine(tmp_path)


def test_voice_is_the_same_in_any_chunks(sentence: Samples) -> None:
    whole = list(VoiceActivity().feed(sentence))
    piecewise = VoiceActivity()
    parts = [pair for chunk in chunks([sentence], 777) for pair in piecewise.feed(chunk)]
    assert [voice for _, voice in parts] == [voice for _, voice in whole]
    assert 0.4 < np.mean([voice for _, voice in whole]) < 1
    rest = [len(frame) for frame, _ in piecewise.finish()]
    assert rest == ([len(sentence) % FRAME] if len(sentence) % FRAME else [])


LOOP = [("p", 1.0, 1.4), *[("f", 2.0, 2.0)] * 27]
AT_ONCE = [
    ("a loop at the end", LOOP, "p"),
    ("of several words", [("a", 0.0, 0.2), *[("b", 1.0, 1.0), ("c", 1.0, 1.0)] * 9], "a"),
    ("speech goes on after it", [*LOOP, ("go", 2.3, 2.6)], "p go"),
    (
        "one that spreads",
        [("p", 1.0, 1.4), *[("f", 2 + n / 50, 2 + n / 50) for n in range(27)]],
        "p",
    ),
    ("short words", [("in", 0.1, 0.1), ("a", 0.1, 0.1), ("car", 0.1, 0.5)], "in a car"),
    (
        "said again and again",
        [("no", n / 2, n / 2 + 0.2) for n in range(12)],
        " ".join(["no"] * 12),
    ),
    ("short ones at several moments", [("a", n, n) for n in range(9)], " ".join("a" * 9)),
]


@pytest.mark.parametrize(
    ("found", "heard"), [row[1:] for row in AT_ONCE], ids=[r[0] for r in AT_ONCE]
)
def test_what_takes_no_time_was_not_said(found: list[tuple[str, float, float]], heard: str) -> None:
    pieces = [{"word": f" {text}", "start": start, "end": end} for text, start, end in found]
    assert " ".join(word.text for word in _words(pieces, "", LANGUAGES["en"])) == heard
