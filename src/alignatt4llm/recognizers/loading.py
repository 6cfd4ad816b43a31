"""From the name of a recogniser to a model in memory."""

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from alignatt4llm.errors import Tell, UsageError, extra, silent
from alignatt4llm.files.reading import read_json
from alignatt4llm.recognizers.base import RecognizerEngine
from alignatt4llm.recognizers.table import KINDS, WHISPER, Asked, Finality, Kind, RecognizerRunner
from alignatt4llm.text.languages import Language
from alignatt4llm.weights.cards import ALIGNERS, RECOGNIZERS
from alignatt4llm.weights.hub import hub_model
from alignatt4llm.weights.models import resolve_recognizer, short_name

if TYPE_CHECKING:
    from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine


def names() -> list[str]:
    """Return the recognisers that can be asked for by name."""
    return ["embedded", *RECOGNIZERS, *(name for name, kind in KINDS.items() if not kind.weights)]


def known_languages(name: str) -> str:
    """Return the codes of the languages that a recogniser knows, as far as its name tells.

    Empty if it is not known to lack any.
    """
    card = RECOGNIZERS.get(name)
    return card.languages if card else WHISPER.get(name, "")


def require_known(name: str, spoken: Language) -> None:
    """Make sure that a recogniser knows a language, as far as its name tells.

    Raises
    ------
    UsageError
        If it does not.
    """
    known = known_languages(name).split()
    if known and spoken.code not in known:
        raise UsageError(
            f"The recogniser '{name}' does not know {spoken.name}; take another with "
            f"--recognizer. It knows: {', '.join(known)}."
        )


def load_recognizer(
    name: str,
    *,
    aligner: str | None = None,
    audio_heads: Path | None = None,
    finality: Finality = "agreement",
    engine: RecognizerRunner = "transformers",
    threads: int = 0,
    tell: Tell = silent,
) -> RecognizerEngine:
    """Load a recogniser.

    Parameters
    ----------
    name
        One of `names`, a folder, a Whisper size, or a hub id.
    aligner
        Gives the words of Qwen3-ASR their times: a name from `cards.ALIGNERS`, a folder or a
        hub id. A named recogniser brings its own.
    audio_heads
        Head set by which Gemma knows where it hears; see ``alignatt heads audio``.
    finality
        ``attention`` for AlignAtt over the cross-attention of Whisper.
    engine
        What runs the model: ``transformers`` or ``vllm``.
    threads
        CPU threads; 0 leaves the libraries' choice.
    tell
        Is told what is being prepared, when that takes long.

    Raises
    ------
    AlignattError
        If there is no such recogniser, it does not take an option, or packages or weights are
        missing.
    """
    folder, kind = _find(name, tell)
    given = {"aligner": aligner, "audio-heads": audio_heads}
    options = [option for option, value in given.items() if value is not None]
    _check(kind, [*options, *(["finality"] if finality == "attention" else [])])
    card = RECOGNIZERS.get(name)
    times = _aligner(aligner or (card.aligner if card else None), tell)
    asked = Asked(folder, threads, times, audio_heads, finality)
    with extra("vllm" if engine == "vllm" else kind.extra, f"'{name}'"):
        load: Callable[[Asked], RecognizerEngine] = resolve_name(_runner(kind, engine))
        return load(asked)


def load_gemma_audio(name: str) -> "tuple[GemmaAudioEngine, str]":
    """Load a Gemma that hears, by card, folder or hub id; return it with its short name."""
    from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine

    card = RECOGNIZERS.get(name)
    folder = _folder(card.hub if card else name, silent)
    return GemmaAudioEngine(folder), card.model if card else short_name(name)


def _find(name: str, tell: Tell) -> tuple[Path, Kind]:
    """Return the model's folder, none for a kind without weights, and its kind."""
    if name in KINDS and not KINDS[name].weights:
        return Path(), KINDS[name]
    card = RECOGNIZERS.get(name)
    folder = _folder(card.hub if card else name, tell)
    model_type = _model_type(folder)
    if model_type not in KINDS:
        raise UsageError(
            f"'{name}' holds a model of type '{model_type}', which is no known recogniser. There "
            f"are: {', '.join(KINDS)}."
        )
    return folder, KINDS[model_type]


def _check(kind: Kind, options: list[str]) -> None:
    """Make sure that a kind takes what is asked for."""
    for option in options:
        if option not in kind.takes:
            able = [other.help for other in KINDS.values() if option in other.takes]
            raise UsageError(f"--{option} is for {', '.join(able)}; this is {kind.help}.")


def _runner(kind: Kind, engine: RecognizerRunner) -> str:
    """Return where the ``load`` is that runs a kind."""
    if engine == "vllm" and not kind.vllm:
        able = [other.help for other in KINDS.values() if other.vllm]
        raise UsageError(f"vLLM can run {', '.join(able)}; this is {kind.help}.")
    return kind.vllm if engine == "vllm" else kind.load


def _folder(name: str, tell: Tell) -> Path:
    """Return the model's folder, downloading it if it has to come from a hub."""
    path = Path(name).expanduser()
    if (path / "config.json").is_file():
        return path.resolve()
    repository, _, revision = name.partition("@")
    if "/" in repository and not name.startswith(("/", ".", "~")) and not path.exists():
        return hub_model(repository, revision or None, "--recognizer")
    return resolve_recognizer(name, tell)


def _aligner(name: str | None, tell: Tell) -> Path | None:
    """Return the folder of an aligner, by card, folder or hub id."""
    card = ALIGNERS.get(name or "")
    return _folder(card.hub if card else name, tell) if name else None


def _model_type(folder: Path) -> str:
    if (folder / "model.bin").is_file():
        return "whisper"
    config = read_json(folder / "config.json")
    return str(config.get("model_type", "unknown"))
