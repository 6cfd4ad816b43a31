"""The table of recognisers: which kinds of model can hear.

A recogniser is a module with ``load(asked: Asked) -> RecognizerEngine``, and a line in `KINDS`.
Nothing of it is imported before it is asked for.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alignatt4llm.text.languages import LANGUAGES

Finality = Literal["agreement", "attention"]
"""What makes a recognised word final: two hypotheses that agree, or the model's attention."""

RecognizerRunner = Literal["transformers", "vllm"]
"""What runs the model of a recogniser."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a recogniser is asked to load.

    Attributes
    ----------
    folder
        The model's folder; of no meaning to a kind without weights.
    threads
        CPU threads; 0 leaves the libraries' choice.
    aligner
        Folder of the model that gives words their times.
    audio_heads
        Head set by which the model knows where it hears.
    finality
        What makes a word final.
    """

    folder: Path
    threads: int = 0
    aligner: Path | None = None
    audio_heads: Path | None = None
    finality: Finality = "agreement"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of recogniser.

    Attributes
    ----------
    help
        What it is, in a few words.
    load
        Where its ``load`` is, as ``package.module:name``.
    extra, needs
        The extra that installs it, and the packages without which it does not run.
    takes
        Which of the options ``aligner``, ``audio-heads`` and ``finality`` it takes.
    vllm
        Where the ``load`` is that runs it in vLLM, if that can.
    weights
        Whether it has a model; one that has none is asked for by its name in the table.
    """

    help: str
    load: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    vllm: str = ""
    weights: bool = True


_HERE = "alignatt4llm.recognizers"

KINDS: dict[str, Kind] = {
    "whisper": Kind(
        "Whisper, for CTranslate2", f"{_HERE}.whisper:load", "whisper", ("faster_whisper",),
        ("finality",),
    ),
    "qwen3_asr": Kind(
        "Qwen3-ASR", f"{_HERE}.qwen3_asr:load", "qwen3-asr", ("torch", "transformers"),
        ("aligner",), f"{_HERE}.qwen3_asr_vllm:load",
    ),
    "voxtral_realtime": Kind(
        "Voxtral Realtime", f"{_HERE}.voxtral:load", "voxtral",
        ("torch", "transformers", "mistral_common"),
    ),
    "gemma4": Kind(
        "Gemma 4 with its audio tower", f"{_HERE}.gemma_audio:load", "gpu",
        ("torch", "transformers"), ("audio-heads",),
    ),
    "scripted": Kind("no model: hears tones", f"{_HERE}.tones:load", weights=False),
}  # fmt: skip
"""Every kind, under the ``model_type`` of its configuration, or its own name if it has no model."""

_NO_CANTONESE = " ".join(code for code in LANGUAGES if code != "yue")
WHISPER = {
    **dict.fromkeys(("embedded", "tiny", "base", "small", "medium"), _NO_CANTONESE),
    **dict.fromkeys(("large-v1", "large-v2"), _NO_CANTONESE),
    **dict.fromkeys(("tiny.en", "base.en", "small.en", "medium.en"), "en"),
    **dict.fromkeys(("distil-small.en", "distil-medium.en", "distil-large-v2"), "en"),
    **dict.fromkeys(("distil-large-v3", "distil-large-v3.5"), "en"),
}
"""The languages of Whisper models that do not know the whole table, by the model's size."""
