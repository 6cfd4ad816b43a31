"""What is said of a stream: silence, near silence, clipping, no speech, another language."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions import EN_DE, session_of, talk

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.level import FULL, Level
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import Commit, End, Notice
from alignatt4llm.recognizers.scripted import ScriptedRecognizer
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.recognizers.whisper import WhisperEngine
from alignatt4llm.schedule.feeder import REGIMES, Feeder, run
from alignatt4llm.schedule.spoken import SpokenLanguage
from alignatt4llm.schedule.timelines import LiveTimeline, Pulled
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.text.languages import language
from alignatt4llm.transcript import Recognition, Spoken

SAMPLES = Path(__file__).parent.parent / "samples"
ENGLISH = EN_DE.source


def zeros(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def noise(seconds, dbfs):
    return _at(np.random.default_rng(1).standard_normal(round(seconds * SAMPLE_RATE)), dbfs)


def tone(seconds, hertz, peak):
    return (
        peak * np.sin(np.arange(seconds * SAMPLE_RATE) * 2 * np.pi * hertz / SAMPLE_RATE)
    ).astype(np.float32)


def _at(sound, dbfs):
    """Scale a sound so that its loudest second has a given RMS."""
    level = Level()
    level.feed(sound.astype(np.float32) / np.abs(sound).max())
    level.finish()
    scale = 10 ** ((dbfs - level.loudest) / 20) / np.abs(sound).max()
    return (sound * scale).astype(np.float32)


@pytest.fixture(scope="module")
def reading():
    """A minute of continuous reading."""
    return np.concatenate(list(read(str(SAMPLES / "lj001.ogg"))))[: 60 * SAMPLE_RATE]


def notices(events):
    return [event for event in events if isinstance(event, Notice)]


def kinds(events):
    return [event.kind for event in notices(events)]


def fed(audio, recognizer=None, told=tuple, chunk=1.0, start=0):
    """Return the events of a stream of samples, with words from 0.5 s on by default."""
    session = session_of(recognizer or TimedTextRecognizer(talk("good morning to you", 3, 0.5)))
    feeder = Feeder(session, chunk, watch=Watch(ENGLISH, told, start))
    return list(run(feeder, Pulled(chunks([audio], 1600))))


class Deaf(ScriptedRecognizer):
    """Hears no words."""

    def __init__(self, spoken=()):
        super().__init__([])
        self._spoken = iter(spoken)

    def feed(self, samples):
        return Recognition(spoken=next(self._spoken, None))


# The level ---------------------------------------------------------------------------------------

LEVELS = {
    "speech": (lambda x: x, []),
    "-35 dBFS": (lambda x: _at(x, -35), []),
    "-50 dBFS": (lambda x: _at(x, -50), []),
    "-60 dBFS": (lambda x: _at(x, -60), ["quiet"]),
    "-75 dBFS, of which 16 bits leave little": (
        lambda x: np.round(_at(x, -75) * 32768).astype(np.float32) / 32768,
        ["quiet"],
    ),
    "full scale, not above it": (lambda x: x / np.abs(x).max(), []),
    "limited, not clipped": (lambda x: np.tanh(4 * x / np.abs(x).max()) * 0.99, []),
    "12 dB above full scale": (lambda x: (4 * x / np.abs(x).max()).clip(-1, 1), ["clipped"]),
    "20 dB above full scale": (lambda x: (10 * x / np.abs(x).max()).clip(-1, 1), ["clipped"]),
    "clipped above only": (lambda x: (8 * x / np.abs(x).max()).clip(-0.7, 1), ["clipped"]),
    "a knock at the microphone": (
        lambda x: np.concatenate([x[: 5 * SAMPLE_RATE], np.ones(800, np.float32), x]),
        [],
    ),
    "a tone at full scale": (lambda x: tone(20, 440, 1.0), []),
    "a low voice's tone at full scale": (lambda x: tone(20, 110, 1.0), []),
    "half a minute of silence before it": (lambda x: np.concatenate([zeros(30), x]), []),
    "a pause of a minute in it": (lambda x: np.concatenate([x, zeros(60), x]), []),
    "a quiet beginning": (lambda x: np.concatenate([noise(20, -65), x]), []),
    "a quiet end": (lambda x: np.concatenate([x, noise(40, -65)]), []),
}


@pytest.mark.parametrize("name", LEVELS)
def test_the_level_of_what_has_words_in_it(reading, name):
    make, expected = LEVELS[name]
    assert kinds(fed(make(reading))) == expected


WORDLESS = {
    "digital silence": (zeros(6), ["silent", "no_speech"]),
    "one sample": (zeros(1 / SAMPLE_RATE), ["silent", "no_speech"]),
    "the last bit": (np.float32(1 / 32768) * np.sign(noise(6, -20)), ["silent", "no_speech"]),
    "an offset and nothing else": (np.full(96_000, 2e-5, np.float32), ["silent", "no_speech"]),
    "a quiet room": (noise(6, -65), ["quiet", "no_speech"]),
    "noise": (noise(6, -30), ["no_speech"]),
    "music": (tone(6, 440, 0.3), ["no_speech"]),
    "a minute of silence": (zeros(60), ["silent", "no_speech"]),
    "a minute of noise": (noise(60, -30), ["no_speech"]),
    "a horn that is clipped": (tone(6, 300, 4.0).clip(-1, 1), ["clipped", "no_speech"]),
    "nothing": (zeros(0), []),
}


@pytest.mark.parametrize("name", WORDLESS)
def test_what_has_no_words_in_it(name):
    audio, expected = WORDLESS[name]
    events = fed(audio, Deaf())
    assert kinds(events) == expected
    assert isinstance(events[-1], End)


def test_clipping_is_seen_behind_the_resampler(reading, tmp_path):
    loud = np.repeat((8 * reading[: 20 * SAMPLE_RATE] / np.abs(reading).max()).clip(-1, 1), 3)
    with wave.open(str(tmp_path / "loud.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes((loud * 32767).astype("<i2").tobytes())
    audio = np.concatenate(list(read(str(tmp_path / "loud.wav"))))
    assert kinds(fed(audio)) == ["clipped"]


def test_what_is_noticed_is_said_when_it_is_noticed_and_once():
    events = fed(zeros(120), Deaf())
    times = {event.kind: round(event.audio_s) for event in notices(events)}
    assert times == {"silent": 10, "no_speech": 30}
    assert "30 s of audio no speech was heard" in notices(events)[1].text


def test_a_stream_that_goes_on_is_not_judged_by_its_rest():
    assert kinds(fed(zeros(40), Deaf(), start=60 * SAMPLE_RATE)) == []


def test_a_stream_without_a_watch_has_no_notices():
    feeder = Feeder(session_of(Deaf()), 1.0)
    assert kinds(run(feeder, Pulled([zeros(40)]))) == []


@given(st.lists(st.integers(1, 40_000), max_size=8), st.floats(0.0, 2.0))
@settings(deadline=None)
def test_the_level_does_not_depend_on_how_the_samples_come(lengths, scale):
    audio = np.clip(noise(sum(lengths) / SAMPLE_RATE, -12) * scale if lengths else zeros(0), -1, 1)
    whole, cut = Level(), Level()
    whole.feed(audio)
    for piece in np.split(audio, np.cumsum(lengths)):
        cut.feed(piece)
    whole.finish()
    cut.finish()
    assert cut.seconds == pytest.approx(whole.seconds)
    assert (cut.loudest, cut.peak, cut.clipped) == (whole.loudest, whole.peak, whole.clipped)


@given(st.floats(0, FULL - 0.001), st.integers(1, 5))
def test_what_stays_below_full_scale_is_not_clipped(peak, seconds):
    level = Level()
    level.feed(np.full(seconds * SAMPLE_RATE, peak, np.float32))
    assert not level.clipped


# What the source says ----------------------------------------------------------------------------

TRACK = Notice("track", "Track 2 of 3 (English) is heard.", 0.0)
DAMAGED = Notice("damaged", "Parts of it could not be decoded.", 2.5)


@pytest.mark.parametrize("regime", sorted(REGIMES))
def test_what_the_source_says_comes_in_order_and_before_the_end(regime):
    told = [TRACK]

    def sound():
        for second in range(5):
            if second == 3:
                told.extend([DAMAGED, DAMAGED])
            yield zeros(1)
        told.append(Notice("broken_off", "It breaks off early.", 5.0))

    session = session_of(TimedTextRecognizer(talk("good morning to you", 3, 0.5)))
    feeder = Feeder(session, 1.0, REGIMES[regime], watch=Watch(ENGLISH, lambda: told))
    with LiveTimeline(sound()) as timeline:
        events = list(run(feeder, timeline))
    assert kinds(events) == ["track", "damaged", "broken_off"]
    assert events[0] == TRACK and isinstance(events[-1], End)


def test_what_the_source_says_before_it_fails_is_said():
    told = []

    def sound():
        yield zeros(1)
        told.append(DAMAGED)
        raise RuntimeError("gone")

    events = []
    feeder = Feeder(session_of(Deaf()), 1.0, watch=Watch(ENGLISH, lambda: told))
    with pytest.raises(RuntimeError, match="gone"):
        for event in run(feeder, Pulled(sound())):
            events.append(event)
    assert DAMAGED in events


# The language ------------------------------------------------------------------------------------

EN, DE, FR = (Spoken(code, 0.95) for code in ("en", "de", "fr"))
UNSURE, NOISE = Spoken("de", 0.4), Spoken("cy", 0.25)

LANGUAGES = {
    "another all the time": ("en", [DE] * 20, "de"),
    "half a minute of it": ("en", [DE] * 12, "de"),
    "ten seconds of it are too few while it goes on": ("en", [DE] * 6, None),
    "the right one": ("en", [EN] * 20, None),
    "a sentence of another": ("en", [EN] * 10 + [DE] * 4 + [EN] * 10, None),
    "a greeting in another": ("en", [DE] * 5 + [EN] * 15, None),
    "two speakers in turn": ("en", ([EN] * 4 + [DE] * 4) * 5, None),
    "another speaker from some time on": ("en", [EN] * 40 + [DE] * 16, "de"),
    "others in turn": ("en", [DE, FR] * 10, None),
    "unsure": ("en", [UNSURE] * 20, None),
    "sure, with noise between": ("en", [DE, DE, DE, NOISE] * 5, "de"),
    "Norwegian for Danish": ("da", [Spoken("no", 0.9)] * 20, None),
    "Cantonese for Chinese": ("zh", [Spoken("yue", 0.9)] * 20, None),
    "Malay for Indonesian": ("id", [Spoken("ms", 0.9)] * 20, None),
    "Slovak for Czech": ("cs", [Spoken("sk", 0.9)] * 20, None),
    "Spanish for Portuguese": ("pt", [Spoken("es", 0.9)] * 20, "es"),
    "one that is not in the table": ("en", [Spoken("sw", 0.95)] * 20, "sw"),
    "nothing observed": ("en", [], None),
}


@pytest.mark.parametrize("name", LANGUAGES)
def test_another_language_is_told_while_it_is_spoken_where_it_is_sure(name):
    expected, observed, other = LANGUAGES[name]
    spoken, told = SpokenLanguage(language(expected)), set()
    for observation in observed:
        spoken.hear(observation)
        told.add(spoken.other(ended=False))
    assert told - {None} == ({other} if other else set())


AT_THE_END = {
    "a short recording in another": ([DE, DE], "de"),
    "one glance": ([DE], None),
    "short, and unsure": ([UNSURE, UNSURE], None),
    "half of it": ([DE, DE, EN, EN], None),
    "most of it": ([DE] * 9 + [EN], "de"),
}


@pytest.mark.parametrize("name", AT_THE_END)
def test_less_is_enough_at_the_end(name):
    observed, other = AT_THE_END[name]
    spoken = SpokenLanguage(ENGLISH)
    for observation in observed:
        spoken.hear(observation)
    assert spoken.other(ended=True) == other


@pytest.mark.parametrize(
    ("code", "name", "advice"),
    [
        ("de", "German", "; give de as the spoken language (--from de)"),
        ("iw", "Hebrew", "; give he as the spoken language (--from he)"),
        ("sw", "Another language", ""),
        ("no", "Another language", ""),  # whose nearest in the table is Danish
    ],
)
def test_the_sentence_says_what_to_do_if_it_can_be_done(code, name, advice):
    events = fed(noise(30, -30), Deaf([Spoken(code, 0.95)] * 30))
    assert [notice.text for notice in notices(events) if notice.kind == "language"] == [
        f"{name} is spoken, it seems, not English{advice}."
    ]


class Told(TimedTextRecognizer):
    """Hears known words, and a language."""

    def feed(self, samples):
        heard = super().feed(samples)
        return Recognition(heard.committed, heard.tail, Spoken("de", 0.9))


def test_a_wrong_language_stops_nothing():
    events = fed(noise(30, -30), Told(talk("guten Morgen und willkommen", 20, 0.5)))
    assert kinds(events) == ["language"]
    assert any(isinstance(event, Commit) for event in events[: events.index(notices(events)[0])])
    assert any(isinstance(event, Commit) for event in events[events.index(notices(events)[0]) :])


@pytest.fixture(scope="module")
def whisper(embedded_whisper):
    return WhisperEngine(embedded_whisper)


@pytest.mark.models
@pytest.mark.parametrize(
    ("recording", "expected", "told"),
    [
        ("fleurs-de-003.ogg", "en", ["language"]),
        ("fleurs-de-003.ogg", "fr", ["language"]),
        ("fleurs-de-003.ogg", "de", []),
        ("fleurs-en-000.ogg", "en", []),
        ("fleurs-en-000.ogg", "de", ["language"]),
    ],
)
def test_whisper_tells_the_language_of_a_recording(whisper, recording, expected, told):
    spoken = language(expected)
    session = session_of(whisper.open(spoken))
    sound = chunks(read(str(SAMPLES / recording)), SAMPLE_RATE)
    events = list(run(Feeder(session, 1.0, watch=Watch(spoken)), Pulled(sound)))
    assert kinds(events) == told


@pytest.mark.slow
@pytest.mark.parametrize("change", ["as it is", "-35 dBFS", "full scale"])
def test_a_minute_of_reading_gives_no_notice(whisper, reading, change):
    make = {"as it is": lambda x: x, "-35 dBFS": lambda x: _at(x, -35)}
    audio = make.get(change, lambda x: x / np.abs(x).max())(reading)
    session = session_of(whisper.open(ENGLISH))
    sound = chunks([audio], SAMPLE_RATE)
    assert kinds(run(Feeder(session, 1.0, watch=Watch(ENGLISH)), Pulled(sound))) == []


@pytest.mark.models
def test_half_a_minute_of_german_is_told_while_it_goes_on(whisper):
    german = np.concatenate(list(read(str(SAMPLES / "fleurs-de-003.ogg"))))
    audio = np.concatenate([german] * 5)
    session = session_of(whisper.open(ENGLISH))
    sound = chunks([audio], SAMPLE_RATE)
    events = list(run(Feeder(session, 1.0, watch=Watch(ENGLISH)), Pulled(sound)))
    [notice] = notices(events)
    assert notice.kind == "language" and 20 < notice.audio_s < 45
