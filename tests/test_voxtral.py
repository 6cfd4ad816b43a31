"""Voxtral Realtime, real architecture with tiny weights, on a real recording."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("mistral_common")
pytest.importorskip("soundfile")
from tiny_speech import save_voxtral

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.recognizers import voxtral
from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.recognizers.timed import spread
from alignatt4llm.recognizers.voxtral import VoxtralEngine
from alignatt4llm.text.languages import language

SAMPLES = Path(__file__).parent.parent / "samples"
ENGLISH = language("en")


@pytest.fixture(scope="module")
def audio():
    return np.concatenate(list(read(str(SAMPLES / "fleurs-en-000.ogg"))))[: 8 * SAMPLE_RATE]


@pytest.fixture(scope="module")
def spoken():
    [reference] = json.loads((SAMPLES / "references.json").read_text("utf-8"))
    return spread(reference["en"], 0, 11, ENGLISH)[:8]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, audio, spoken):
    return save_voxtral(tmp_path_factory.mktemp("voxtral"), audio, spoken)


@pytest.fixture(scope="module")
def engine(folder):
    return VoxtralEngine(folder)


def listen(recognizer, audio, step):
    heard = [recognizer.feed(chunk) for chunk in chunks([audio], round(step * SAMPLE_RATE))]
    return [word for step in [*heard, recognizer.finish()] for word in step.committed]


def test_words_come_as_they_are_spoken_with_their_times(engine, audio, spoken):
    words = listen(engine.open(ENGLISH), audio, 0.5)
    assert [word.text for word in words[:8]] == [word.text for word in spoken]
    assert all(before.end <= after.start for before, after in pairwise(words))
    begins = [word.start - taught.end for word, taught in zip(words, spoken, strict=False)]
    # taught to say words after their end; with letters as tokens, short words queue up
    assert max(map(abs, begins)) < 0.8


@pytest.mark.parametrize("step", [0.03, 0.7, 8.0])
def test_chunks_make_no_difference(engine, audio, step):
    expected = listen(engine.open(ENGLISH), audio, 0.5)
    heard = listen(engine.open(ENGLISH), audio, step)
    assert [word.text for word in heard] == [word.text for word in expected]
    assert [word.end for word in heard] == pytest.approx([word.end for word in expected], abs=0.1)


def test_no_word_ends_after_what_was_heard(engine, audio):
    recognizer, clock = engine.open(ENGLISH), 0.0
    for chunk in chunks([audio], SAMPLE_RATE):
        clock += len(chunk) / SAMPLE_RATE
        heard = recognizer.feed(chunk)
        assert all(word.end <= clock for word in (*heard.committed, *heard.tail))


@pytest.mark.filterwarnings("ignore:Using the model-agnostic default")
def test_tokens_are_those_of_generation(engine, audio):
    """Step by step over chunks gives what the library's own streaming loop gives."""
    processor, model = engine.processor, engine.model
    first = processor.num_samples_first_audio_chunk
    prompt = processor(
        audio[:first], is_streaming=True, return_tensors="pt", sampling_rate=SAMPLE_RATE
    )

    def features():
        yield prompt["input_features"]
        frame = processor.num_mel_frames_first_audio_chunk
        while True:
            start = frame * 160 - 200
            window = audio[start : start + processor.num_samples_per_audio_chunk]
            if len(window) < processor.num_samples_per_audio_chunk:
                return
            later = processor(
                window, is_streaming=True, is_first_audio_chunk=False, return_tensors="pt",
                sampling_rate=SAMPLE_RATE,
            )  # fmt: skip
            yield later["input_features"]
            frame += processor.audio_length_per_tok

    with torch.inference_mode():
        out = model.generate(
            input_ids=prompt["input_ids"],
            input_features=features(),
            num_delay_tokens=prompt["num_delay_tokens"],
            do_sample=False,
        )
    stream = voxtral._Stream(engine)
    stream.add(audio)
    generated = out[0, prompt["input_ids"].shape[1] :].tolist()
    assert list(stream.run())[: len(generated)] == generated
    assert len(generated) > 80


def test_memory_does_not_grow_with_the_stream(engine, audio):
    stream = voxtral._Stream(engine)
    stream.add(np.tile(audio, 4))
    assert len(list(stream.run())) > 380
    cache = stream._caches["past_key_values"]
    assert cache.layers[0].keys.shape[-2] <= 256
    assert len(stream._audio) < SAMPLE_RATE


def test_a_long_stream_begins_anew_in_a_silence(engine, audio, monkeypatch):
    monkeypatch.setattr(voxtral, "LONG", 20)
    monkeypatch.setattr(voxtral, "PAUSE", 5)
    silence = np.zeros(3 * SAMPLE_RATE, np.float32)
    whole = np.concatenate([audio, silence, audio])
    recognizer = engine.open(ENGLISH)
    words = listen(recognizer, whole, 1.0)
    assert all(before.end <= after.start for before, after in pairwise(words))
    assert recognizer._stream.steps < len(whole) / SAMPLE_RATE / 0.08


def test_a_folder_is_recognised_by_its_type(folder):
    assert isinstance(load_recognizer(str(folder)), VoxtralEngine)


def test_an_empty_stream(engine):
    recognizer = engine.open(ENGLISH)
    assert recognizer.finish().tail == ()
