"""Word times from Qwen3-ForcedAligner: one pass over audio and transcript, no decoding."""

from pathlib import Path
from typing import Any, Self

import torch

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import extra
from alignatt4llm.events import SourceWord
from alignatt4llm.machine.device import Device
from alignatt4llm.recognizers.checkpoint import load_checkpoint
from alignatt4llm.recognizers.word_repair import continued
from alignatt4llm.text.languages import Language


class ForcedAligner:
    """Says when each word of a known transcript is spoken, in steps of 80 ms.

    Parameters
    ----------
    path
        Folder of a Qwen3-ForcedAligner checkpoint in the format of transformers (``…-hf``).
    device
        Where it runs.
    """

    def __init__(self, path: Path, device: Device | None = None) -> None:
        from transformers import Qwen3ASRForTokenClassification, Qwen3ASRProcessor
        from transformers.models.qwen3_asr.processing_qwen3_asr import (
            FORCED_ALIGNER_LANGUAGES,
            LANGUAGE_CODE_TO_NAME,
        )

        self._processor, self._model = load_checkpoint(
            path, Qwen3ASRProcessor, Qwen3ASRForTokenClassification, device or Device.best()
        )
        names = LANGUAGE_CODE_TO_NAME.items()
        self._languages = {code for code, name in names if name in FORCED_ALIGNER_LANGUAGES}

    @classmethod
    def of(cls, path: Path | None) -> Self | None:
        """Load the aligner of a folder, if there is one."""
        return cls(path) if path else None

    def knows(self, language: Language) -> bool:
        """Whether the aligner was trained on the language."""
        return language.code in self._languages

    @torch.inference_mode()
    def align(
        self, audio: Samples, text: str, language: Language, known: str = ""
    ) -> list[SourceWord]:
        """Find the words of ``text`` in ``audio``.

        Parameters
        ----------
        audio
            Samples, shape [n].
        text
            What is said in it.
        language
            What is spoken; one that the aligner `knows`.
        known
            The beginning of ``text`` whose words are final already.

        Returns
        -------
        list of SourceWord
            The words of ``text`` beyond ``known``, punctuation included, in order, in seconds
            since ``audio`` began.

        Raises
        ------
        AlignattError
            If Japanese or Korean is spoken and the package that cuts it into words is missing.
        """
        if not any(map(str.isalnum, text)):
            return []
        inputs, pieces = self._prepare(audio, text, language)
        inputs = inputs.to(self._model.device, self._model.dtype)
        [found] = self._processor.decode_forced_alignment(
            logits=self._model(**inputs).logits,
            input_ids=inputs["input_ids"],
            word_lists=pieces,
            timestamp_token_id=self._model.config.timestamp_token_id,
        )
        timed = [SourceWord(w["text"], float(w["start_time"]), float(w["end_time"])) for w in found]
        return continued(known, text, timed, len(audio) / SAMPLE_RATE, language)

    def _prepare(self, audio: Samples, text: str, language: Language) -> tuple[Any, Any]:
        with extra("qwen3-asr", f"Timing words in {language.name}"):
            prepared: tuple[Any, Any] = self._processor.prepare_forced_aligner_inputs(
                audio=audio, transcript=text, language=language.code
            )
        return prepared
