"""Qwen3-ASR and its aligner, real architectures with tiny weights, on a real recording."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_speech import save_forced_aligner, save_qwen3_asr

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.audio.voice import VoiceActivity
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.recognizers.forced_aligner import ForcedAligner
from alignatt4llm.recognizers.qwen3_asr import Qwen3AsrEngine, Qwen3AsrStream, named
from alignatt4llm.recognizers.timed import spread
from alignatt4llm.text.languages import language
from alignatt4llm.transcript import Spoken

SAMPLES = Path(__file__).parent.parent / "samples"
ENGLISH, CHINESE = language("en"), language("zh")


@pytest.fixture(scope="module")
def audio():
    """Eight seconds of speech without a pause."""
    recording = np.concatenate(list(read(str(SAMPLES / "fleurs-en-000.ogg"))))
    voiced = [frame for frame, voice in VoiceActivity().feed(np.tile(recording, 2)) if voice]
    return np.concatenate(voiced)[: 8 * SAMPLE_RATE]


@pytest.fixture(scope="module")
def spoken():
    """The words that the models are taught, with times."""
    [reference] = json.loads((SAMPLES / "references.json").read_text("utf-8"))
    return spread(reference["en"], 0, 11, ENGLISH)


@pytest.fixture(scope="module")
def aligner(tmp_path_factory, audio, spoken):
    return ForcedAligner(save_forced_aligner(tmp_path_factory.mktemp("aligner"), audio, spoken))


@pytest.fixture(scope="module")
def engine(tmp_path_factory, audio, spoken, aligner):
    folder = tmp_path_factory.mktemp("qwen3-asr")
    return Qwen3AsrEngine(save_qwen3_asr(folder, audio, spoken), aligner)


def listen(recognizer, audio, step):
    heard = [recognizer.feed(chunk) for chunk in chunks([audio], round(step * SAMPLE_RATE))]
    heard.append(recognizer.finish())
    return [word for step in heard for word in step.committed]


@pytest.mark.parametrize("step", [0.5, 1.3])
def test_a_recording_is_heard_word_by_word(engine, audio, spoken, step):
    recognizer = engine.open(ENGLISH)
    clock, early = 0.0, []
    for chunk in chunks([audio], round(step * SAMPLE_RATE)):
        clock += len(chunk) / SAMPLE_RATE
        heard = recognizer.feed(chunk)
        early += heard.committed
        assert all(word.end <= clock for word in (*heard.committed, *heard.tail))
    words = [*early, *recognizer.finish().committed]
    assert len(early) >= 5
    assert len(words) > 8
    assert [word.text for word in words] == [word.text for word in spoken[: len(words)]]
    late = [abs(word.end - taught.end) for word, taught in zip(words, spoken, strict=False)]
    assert np.median(late) < 0.3
    assert all(before.end <= after.start for before, after in pairwise(words))


def test_times_are_on_the_stream_clock(engine, audio):
    late = np.concatenate([np.zeros(40 * SAMPLE_RATE, np.float32), audio])
    words = listen(engine.open(ENGLISH), late, 1.0)
    assert words and words[0].start >= 40 and words[-1].end <= 48
    assert all(before.end <= after.start for before, after in pairwise(words))


def test_keeping_what_was_computed_changes_no_word(engine, audio):
    kept = Qwen3AsrStream(engine)
    for seconds in (1, 2, 2.5, 4, 6, 7.9, 7, 3):
        window = audio[: round(seconds * SAMPLE_RATE)]
        assert kept.transcribe(window, ENGLISH) == Qwen3AsrStream(engine).transcribe(
            window, ENGLISH
        )


def test_words_are_those_of_plain_generation(engine, audio):
    inputs = engine.processor.apply_transcription_request(audio=audio, language="en")
    plain = engine.model.generate(**inputs, max_new_tokens=80)[0, inputs["input_ids"].shape[1] :]
    text = engine.processor.tokenizer.decode(plain, skip_special_tokens=True)
    stream = Qwen3AsrStream(engine)
    for seconds in (5, 8):
        words = stream.transcribe(audio[: seconds * SAMPLE_RATE], ENGLISH)
    assert " ".join(word.text for word in words) == text


def test_known_words_are_a_forced_beginning(engine, audio):
    words = Qwen3AsrStream(engine).transcribe(audio, ENGLISH)
    beginning = [word.text for word in words[:4]]
    rest = Qwen3AsrStream(engine).transcribe(audio, ENGLISH, beginning)
    assert rest == words[4:]


def test_it_says_which_language_it_hears_and_goes_on_as_before(engine, audio, monkeypatch):
    monkeypatch.setattr("alignatt4llm.recognizers.qwen3_asr.SPOKEN", 30)  # bytes, nearly
    asked, other = Qwen3AsrStream(engine), Qwen3AsrStream(engine)
    for seconds in (3, 5, 8):
        window = audio[: seconds * SAMPLE_RATE]
        assert asked.transcribe(window, ENGLISH) == other.transcribe(window, ENGLISH)
        assert asked.spoken(window) == Spoken("en", 1.0)


def test_a_stream_tells_the_language(engine, audio, monkeypatch):
    monkeypatch.setattr("alignatt4llm.recognizers.qwen3_asr.SPOKEN", 30)
    recognizer = engine.open(language("de"))
    heard = [recognizer.feed(chunk) for chunk in chunks([audio], SAMPLE_RATE)]
    assert Spoken("en", 1.0) in [step.spoken for step in heard]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("language English<asr_text>Good morning.", "en"),
        ("language German<asr_text>", "de"),
        ("language ChineseGuten", "zh"),
        ("language None<asr_text>", None),
        ("Good morning.", None),
        ("the language English", None),
        ("", None),
    ],
)
def test_a_language_is_read_from_what_it_says(said, code):
    assert named(said) == (Spoken(code, 1.0) if code else None)


def test_a_finished_block_is_not_encoded_again(engine, audio, monkeypatch):
    stream, frames = Qwen3AsrStream(engine), []
    encode = engine.model.get_audio_features

    def counted(features, mask, **options):
        frames.append(features.shape[-1])
        return encode(features, mask, **options)

    monkeypatch.setattr(engine.model, "get_audio_features", counted)
    longer = np.concatenate([audio, 0.5 * audio])
    for seconds in (9, 11, 13):
        stream.transcribe(longer[: seconds * SAMPLE_RATE], ENGLISH)
    assert frames == [800, 100, 300, 500]


def test_blocks_encode_as_the_whole(engine, audio):
    whole = np.concatenate([audio, audio[: 4 * SAMPLE_RATE]])
    inputs = engine.processor.apply_transcription_request(audio=whole, language="en")
    features, mask = inputs["input_features"], inputs["input_features_mask"]
    with torch.inference_mode():
        expected = engine.model.get_audio_features(features, mask, return_dict=True).pooler_output
        sounds = Qwen3AsrStream(engine)._audio.encode(features[0], mask[0])
    assert torch.allclose(sounds.vectors, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("tongue", "text", "count"),
    [
        (ENGLISH, "Well — the state-of-the-art (2024) costs 3.5%, or $7.30 !", 8),
        (CHINESE, "我们用 GPT-4，在2024年。", 7),
        (language("fr"), "« Bonjour » , dit-il…", 2),
        (ENGLISH, "…", 0),
    ],
)
def test_alignment_pairs_every_word_with_a_time(aligner, audio, tongue, text, count):
    words = aligner.align(audio, text, tongue)
    assert len(words) == count
    assert not count or tongue.separator.join(word.text for word in words) == text
    assert all(0 <= word.start <= word.end <= 8 for word in words)
    assert all(before.end <= after.start for before, after in pairwise(words))


def test_a_language_without_an_aligner_still_has_times(engine, audio):
    assert not engine.aligner.knows(language("th"))
    words = Qwen3AsrStream(engine).transcribe(audio, language("th"))
    assert words is None or words[-1].end <= 8


def test_endless_decoding_is_refused(engine, audio, monkeypatch):
    stream = Qwen3AsrStream(engine)
    monkeypatch.setattr(stream._text, "_ends", set())
    assert stream.transcribe(audio[:SAMPLE_RATE], ENGLISH) is None


def test_bad_input_gets_a_sentence(engine, tmp_path):
    with pytest.raises(UsageError, match="does not know Ukrainian"):
        engine.open(language("uk"))
    with pytest.raises(AlignattError, match="cannot be loaded"):
        Qwen3AsrEngine(tmp_path)


def test_a_missing_word_cutter_is_told(aligner, audio, monkeypatch):
    module = "transformers.models.qwen3_asr.processing_qwen3_asr"
    monkeypatch.setattr(f"{module}.is_nagisa_available", lambda: False)
    with pytest.raises(AlignattError, match=r"Timing words in Japanese needs a package"):
        aligner.align(audio, "東京は高い", language("ja"))
