"""Gemma 4 as a recogniser, real architecture with tiny weights, on a real recording."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_speech import save_gemma_audio

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.audio.voice import VoiceActivity
from alignatt4llm.calibrate.audio import Recording, calibrate_audio
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.recognizers.attended import Attended
from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine
from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.recognizers.timed import spread
from alignatt4llm.text.languages import language

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parent.parent / "samples"
ENGLISH = language("en")


@pytest.fixture(scope="module")
def audio():
    """Five seconds of speech without a pause."""
    recording = np.concatenate(list(read(str(SAMPLES / "fleurs-en-000.ogg"))))
    voiced = [frame for frame, voice in VoiceActivity().feed(recording) if voice]
    return np.concatenate(voiced)[: 5 * SAMPLE_RATE]


@pytest.fixture(scope="module")
def spoken():
    [reference] = json.loads((SAMPLES / "references.json").read_text("utf-8"))
    return spread(reference["en"], 0, 11, ENGLISH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, audio, spoken):
    return save_gemma_audio(tmp_path_factory.mktemp("gemma"), audio, spoken)


@pytest.fixture(scope="module")
def engine(folder):
    return GemmaAudioEngine(folder)


@pytest.fixture(scope="module")
def heads(engine, audio, spoken):
    known = tuple(word for word in spoken if word.end < 5)
    return calibrate_audio(engine, "tiny", ENGLISH, [Recording(audio, known)], 3)


def listen(recognizer, audio, step=0.5):
    heard = [recognizer.feed(chunk) for chunk in chunks([audio], round(step * SAMPLE_RATE))]
    return [word for step in [*heard, recognizer.finish()] for word in step.committed]


def test_a_recording_is_heard(engine, audio, spoken):
    words = listen(engine.open(ENGLISH), audio[: 4 * SAMPLE_RATE])
    assert [word.text for word in words] == [word.text for word in spoken[: len(words)]]
    assert len(words) >= 3
    assert all(before.end <= after.start for before, after in pairwise(words))


def test_rows_are_those_of_the_model(engine, audio):
    text = "However, due to"
    heard = engine.listen(audio, ENGLISH, text, engine.every_head)
    inputs, said = engine._inputs(audio, ENGLISH, text)
    with torch.inference_mode():
        attentions = engine.model(**inputs, output_attentions=True).attentions
    ids = inputs["input_ids"][0]
    frames = ids == engine.model.config.audio_token_id
    for column, (layer, head) in enumerate(engine.every_head):
        whole = attentions[layer][0, head]
        expected = whole[len(ids) - len(said) - 1 : -1][:, frames]
        assert np.allclose(heard.rows[:, column], expected, atol=1e-6)
    assert [text[a:b] for a, b in heard.spans] == list(text)


def test_calibration_ranks_every_head(engine, heads, tmp_path):
    assert len(heads.heads) == 3
    assert len(heads.ranking) == len(engine.every_head)
    scores = [score.ts for score in heads.ranking]
    assert scores == sorted(scores, reverse=True) and 0 < scores[0] <= 1
    heads.save(tmp_path / "hears.json")
    assert load_head_set(tmp_path / "hears.json").heads == heads.heads


def test_words_are_gated_by_attention(folder, heads, audio, tmp_path):
    heads.save(tmp_path / "hears.json")
    engine = load_recognizer(str(folder), audio_heads=tmp_path / "hears.json")
    recognizer = engine.open(ENGLISH, 0.25)
    assert isinstance(recognizer._agreement, Attended)
    clock = 0.0
    for chunk in chunks([audio], SAMPLE_RATE // 2):
        clock += len(chunk) / SAMPLE_RATE
        heard = recognizer.feed(chunk)
        assert all(word.end <= clock - 0.25 + 1e-9 for word in heard.committed)
    words = recognizer.finish().committed
    assert all(before.end <= after.start for before, after in pairwise(words))


def test_a_model_that_cannot_hear_is_told(folder, tmp_path):
    from transformers import Gemma4ForConditionalGeneration

    model = Gemma4ForConditionalGeneration.from_pretrained(folder)
    model.config.audio_config = None
    model.save_pretrained(tmp_path)
    for path in folder.glob("*token*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(AlignattError, match="without an audio tower"):
        GemmaAudioEngine(tmp_path, HeadSet("tiny", "en-en", ((0, 0),)))
