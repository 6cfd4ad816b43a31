"""From the name of a recogniser to a model in memory."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alignatt4llm.errors import AlignattError, Tell, UsageError
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.recognizers.agreement import Agreement
from alignatt4llm.recognizers.attended import Attended
from alignatt4llm.recognizers.base import RecognizerEngine
from alignatt4llm.weights.cards import ALIGNERS, RECOGNIZERS
from alignatt4llm.weights.hub import hub_model
from alignatt4llm.weights.models import resolve_recognizer, short_name

if TYPE_CHECKING:
    from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine

Finality = Literal["agreement", "attention"]
"""What makes a recognised word final: two hypotheses that agree, or the model's attention."""

RecognizerRunner = Literal["transformers", "vllm"]
"""What runs the model of a recogniser."""

_FINAL: dict[Finality, type[Agreement]] = {"agreement": Agreement, "attention": Attended}


def load_recognizer(
    name: str,
    *,
    aligner: str | None = None,
    audio_heads: Path | None = None,
    finality: Finality = "agreement",
    engine: RecognizerRunner = "transformers",
    threads: int = 0,
    tell: Tell = lambda message: None,
) -> RecognizerEngine:
    """Load a recogniser.

    Parameters
    ----------
    name
        ``embedded``, a name from `cards.RECOGNIZERS`, a folder, a Whisper size, or a hub id.
    aligner
        Gives the words of Qwen3-ASR their times: a name from `cards.ALIGNERS`, a folder or a
        hub id. A named recogniser brings its own.
    audio_heads
        Head set by which Gemma knows where it hears; see ``alignatt heads audio``.
    finality
        ``attention`` for AlignAtt over the cross-attention of Whisper.
    engine
        What runs Qwen3-ASR: ``transformers`` or ``vllm``.
    threads
        CPU threads; 0 leaves the libraries' choice.
    tell
        Is told what is being prepared, when that takes long.

    Raises
    ------
    AlignattError
        If there is no such recogniser, or packages or weights are missing.
    """
    card = RECOGNIZERS.get(name)
    folder = _folder(card.hub if card else name, tell)
    kind = _kind(folder)
    if finality == "attention" and kind != "whisper":
        raise UsageError("Words are final by attention with Whisper, or with --audio-heads.")
    if audio_heads is not None and kind != "gemma4":
        raise UsageError("--audio-heads is for --recognizer gemma-audio.")
    try:
        if kind == "whisper":
            from alignatt4llm.recognizers.whisper import WhisperEngine

            return WhisperEngine(
                folder, threads, Attended if finality == "attention" else Agreement
            )
        if kind == "qwen3_asr":
            return _qwen3_asr(folder, aligner or (card.aligner if card else None), engine, tell)
        if kind == "voxtral_realtime":
            from alignatt4llm.recognizers.voxtral import VoxtralEngine

            return VoxtralEngine(folder)
        if kind == "gemma4":
            from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine

            return GemmaAudioEngine(folder, load_head_set(audio_heads) if audio_heads else None)
    except ImportError as problem:
        raise AlignattError(
            f"'{name}' needs the package {problem.name}; install it with "
            "pip install 'alignatt4llm[gpu]'."
        ) from problem
    raise UsageError(f"'{name}' holds a model of type '{kind}', which is no known recogniser.")


def load_gemma_audio(name: str) -> "tuple[GemmaAudioEngine, str]":
    """Load a Gemma that hears, by card, folder or hub id; return it with its short name."""
    from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine

    card = RECOGNIZERS.get(name)
    folder = _folder(card.hub if card else name, lambda message: None)
    return GemmaAudioEngine(folder), card.model if card else short_name(name)


def _folder(name: str, tell: Tell) -> Path:
    """Return the model's folder, downloading it if it has to come from a hub."""
    path = Path(name).expanduser()
    if (path / "config.json").is_file():
        return path.resolve()
    repository, _, revision = name.partition("@")
    if "/" in repository and not name.startswith(("/", ".", "~")) and not path.exists():
        return hub_model(repository, revision or None, "--recognizer")
    return resolve_recognizer(name, tell)


def _kind(folder: Path) -> str:
    if (folder / "model.bin").is_file():
        return "whisper"
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return str(config.get("model_type", "unknown"))


def _qwen3_asr(
    folder: Path, aligner: str | None, engine: RecognizerRunner, tell: Tell
) -> RecognizerEngine:
    from alignatt4llm.recognizers.forced_aligner import ForcedAligner

    card = ALIGNERS.get(aligner or "")
    times = ForcedAligner(_folder(card.hub if card else aligner, tell)) if aligner else None
    if engine == "vllm":
        from alignatt4llm.recognizers.qwen3_asr_vllm import Qwen3AsrVllmEngine

        return Qwen3AsrVllmEngine(folder, times)
    from alignatt4llm.recognizers.qwen3_asr import Qwen3AsrEngine

    return Qwen3AsrEngine(folder, times)
