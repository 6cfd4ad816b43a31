"""Qwen3-ASR run by vLLM: the same windows and words, decoded by vLLM's engine.

Known words are a forced beginning, and the aligner gives times, as with transformers. vLLM keeps
what two prompts have in common by itself; where the audio changed it is encoded anew.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME
from vllm import LLM, SamplingParams

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.agreement import HOLD_BACK, Agreement
from alignatt4llm.recognizers.forced_aligner import ForcedAligner
from alignatt4llm.recognizers.qwen3_asr import SPOKEN, named, require_known, timed_words
from alignatt4llm.recognizers.table import Asked
from alignatt4llm.recognizers.window import WindowRecognizer, token_budget
from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Spoken

CONTEXT = 2560
"""Tokens of audio and text together; a window of 30 s takes 390."""
SHARE = 0.2
"""Share of the GPU's memory; the rest is the translator's."""


class Qwen3AsrVllmEngine:
    """Qwen3-ASR in vLLM; any number of recognisers may share it.

    Parameters
    ----------
    path
        Folder of the checkpoint, in the format of transformers or of its authors.
    aligner
        Gives the words their times, as for `Qwen3AsrEngine`.
    share
        Share of the GPU's memory that vLLM may take.
    """

    def __init__(
        self, path: Path, aligner: ForcedAligner | None = None, share: float = SHARE
    ) -> None:
        self._llm = LLM(
            str(path),
            max_model_len=CONTEXT,
            gpu_memory_utilization=share,
            limit_mm_per_prompt={"audio": 1},
            disable_log_stats=True,
        )
        self._aligner = aligner
        self._lock = Lock()

    def open(self, language: Language, hold_back: float = HOLD_BACK) -> WindowRecognizer:
        """Start recognising one stream of speech; errors as for `Qwen3AsrEngine.open`."""
        require_known(language)
        return WindowRecognizer(self, language, Agreement(hold_back), spoken=self.spoken)

    def spoken(self, audio: Samples) -> Spoken | None:
        """Tell which language is spoken in a window: what the model says when it is not told."""
        with self._lock:
            return named(self._generate(audio, "", SPOKEN).text)

    def transcribe(
        self, audio: Samples, language: Language, beginning: Sequence[str] = ()
    ) -> list[SourceWord] | None:
        """Recognise a window of audio; see `SpeechModel.transcribe`."""
        known = language.separator.join(beginning)
        name = LANGUAGE_CODE_TO_NAME[language.code]
        with self._lock:
            said = self._generate(audio, f"language {name}<asr_text>{known}", token_budget(audio))
            if said.finish_reason != "stop":
                return None
            return timed_words(self._aligner, audio, known, said.text, language)

    def _generate(self, audio: Samples, beginning: str, budget: int) -> Any:
        """Let the model go on from the beginning of its answer."""
        prompt = (
            "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"
            "<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n"
            f"<|im_start|>assistant\n{beginning}"
        )
        [out] = self._llm.generate(
            {"prompt": prompt, "multi_modal_data": {"audio": [(audio, SAMPLE_RATE)]}},
            SamplingParams(temperature=0, max_tokens=budget),
            use_tqdm=False,
        )
        return out.outputs[0]


def load(asked: Asked) -> Qwen3AsrVllmEngine:
    """Load the model with vLLM, and its aligner."""
    return Qwen3AsrVllmEngine(asked.folder, ForcedAligner.of(asked.aligner))
