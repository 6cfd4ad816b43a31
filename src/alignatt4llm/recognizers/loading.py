"""From the name of a recogniser to a model in memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from alignatt4llm.cards import ALIGNERS, RECOGNIZERS
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.hub import hub_model
from alignatt4llm.models import resolve_recognizer
from alignatt4llm.recognizers.agreement import Agreement
from alignatt4llm.recognizers.attended import Attended
from alignatt4llm.recognizers.base import RecognizerEngine

Finality = Literal["agreement", "attention"]
"""What makes a recognised word final: two hypotheses that agree, or the model's attention."""

Tell = Callable[[str], None]


def load_recognizer(
    name: str,
    *,
    aligner: str | None = None,
    finality: Finality = "agreement",
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
    finality
        ``attention`` for AlignAtt over the cross-attention of Whisper.
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
    if finality == "attention" and kind not in ("whisper", "gemma4"):
        raise UsageError(f"'{name}' cannot be asked for its attention; Whisper and Gemma can.")
    try:
        if kind == "whisper":
            from alignatt4llm.recognizers.whisper import WhisperEngine

            return WhisperEngine(
                folder, threads, Attended if finality == "attention" else Agreement
            )
        if kind == "qwen3_asr":
            return _qwen3_asr(folder, aligner or (card.aligner if card else None), tell)
        if kind == "voxtral_realtime":
            from alignatt4llm.recognizers.voxtral import VoxtralEngine

            return VoxtralEngine(folder)
    except ImportError as problem:
        raise AlignattError(
            f"'{name}' needs the package {problem.name}; install it with "
            "pip install 'alignatt4llm[gpu]'."
        ) from problem
    raise UsageError(f"'{name}' holds a model of type '{kind}', which is no known recogniser.")


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


def _qwen3_asr(folder: Path, aligner: str | None, tell: Tell) -> RecognizerEngine:
    from alignatt4llm.recognizers.forced_aligner import ForcedAligner
    from alignatt4llm.recognizers.qwen3_asr import Qwen3AsrEngine

    if aligner is None:
        return Qwen3AsrEngine(folder)
    card = ALIGNERS.get(aligner)
    return Qwen3AsrEngine(folder, ForcedAligner(_folder(card.hub if card else aligner, tell)))
