"""Qwen3-ASR through vLLM says what transformers says; needs vLLM and takes minutes."""

import os

import pytest

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
pytest.importorskip("vllm")
from test_qwen3_asr import ENGLISH, audio, listen, spoken  # noqa: F401
from tiny_speech import save_qwen3_asr

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.recognizers.qwen3_asr import Qwen3AsrEngine, Qwen3AsrStream

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, audio, spoken):  # noqa: F811
    """With heads of a size that vLLM's attention on CPUs knows."""
    return save_qwen3_asr(tmp_path_factory.mktemp("qwen3-asr"), audio, spoken, head_dim=32)


@pytest.fixture(scope="module")
def engine(folder):
    return Qwen3AsrEngine(folder)


@pytest.fixture(scope="module")
def served(folder):
    return load_recognizer(str(folder), engine="vllm")


def test_words_are_those_of_transformers(served, engine, audio):  # noqa: F811
    for seconds, beginning in ((2, ()), (5, ()), (8, ()), (8, ("However,", "due"))):
        window = audio[: seconds * SAMPLE_RATE]
        expected = Qwen3AsrStream(engine).transcribe(window, ENGLISH, beginning)
        said = served.transcribe(window, ENGLISH, beginning)
        assert [word.text for word in said] == [word.text for word in expected]


def test_a_recording_is_heard(served, audio, spoken):  # noqa: F811
    words = listen(served.open(ENGLISH), audio, 1.0)
    assert [word.text for word in words] == [word.text for word in spoken[: len(words)]]
