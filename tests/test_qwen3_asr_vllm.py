"""Qwen3-ASR through vLLM says what transformers says; needs vLLM and takes minutes."""

import os

import pytest

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
pytest.importorskip("vllm")
from test_qwen3_asr import ENGLISH, aligner, audio, engine, listen, spoken  # noqa: F401

from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.transcript import SAMPLE_RATE

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def served(engine):  # noqa: F811
    return load_recognizer(engine.processor.tokenizer.name_or_path, engine="vllm")


def test_words_are_those_of_transformers(served, engine, audio):  # noqa: F811
    from alignatt4llm.recognizers.qwen3_asr import Qwen3AsrStream

    for seconds, beginning in ((2, ()), (5, ()), (8, ()), (8, ("However,", "due"))):
        window = audio[: seconds * SAMPLE_RATE]
        expected = Qwen3AsrStream(engine).transcribe(window, ENGLISH, beginning)
        said = served.transcribe(window, ENGLISH, beginning)
        assert [word.text for word in said] == [word.text for word in expected]


def test_a_recording_is_heard(served, audio, spoken):  # noqa: F811
    words = listen(served.open(ENGLISH), audio, 1.0)
    assert [word.text for word in words] == [word.text for word in spoken[: len(words)]]
