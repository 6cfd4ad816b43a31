"""Published models by name: where they are, under which terms, and how large."""

from dataclasses import dataclass

from alignatt4llm.weights.gguf_names import stem


@dataclass(frozen=True, slots=True)
class Card:
    """A published model.

    Attributes
    ----------
    name
        What users call it.
    repository, revision
        Where it is on the hub; without a revision, the newest is taken.
    licence
        Its terms.
    billions
        Billions of parameters, embeddings included; two bytes each in bfloat16.
    file, size
        Name of its GGUF file, where it is one, and GB.
    prompt
        The prompt it was trained for, of a translator.
    aligner
        Name of the model that gives words their times, of a recogniser that has none itself.
    languages
        Codes of the languages that it knows; empty if it is not known to lack any.
    """

    name: str
    repository: str
    revision: str | None
    licence: str
    billions: float
    prompt: str = "auto"
    aligner: str | None = None
    file: str = ""
    size: float = 0.0
    languages: str = ""

    @property
    def hub(self) -> str:
        """Hub id, with the revision and the file if there is one."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.repository}{revision}{':' if self.file else ''}{self.file}"

    @property
    def model(self) -> str:
        """Short name, as head sets know the model."""
        return stem(self.file) if self.file else self.repository.rpartition("/")[2]

    def knows(self, code: str) -> bool:
        """Whether it knows a language, as far as it can be told."""
        return not self.languages or code in self.languages.split()

    @property
    def gigabytes(self) -> float:
        """Size of the weights: of the GGUF file, or in bfloat16."""
        return self.size or 2 * self.billions


def _by_name(*cards: Card) -> dict[str, Card]:
    return {card.name: card for card in cards}


_TOWER = "de en es fr it ko nl pt ru zh"
_HUNYUAN = "ar cs de en es fa fil fr he hi id it ja ko ms nl pl pt ru th tr uk vi yue zh"
_QWEN_ASR = (
    "ar cs da de el en es fa fi fil fr hi hu id it ja ko mk ms nl pl pt ro ru sv th tr vi yue zh"
)
_VOXTRAL = "ar de en es fr hi it ja ko nl pt ru zh"

TRANSLATORS = _by_name(
    Card(
        "gemma-4-e4b",
        "google/gemma-4-E4B-it",
        "83df0a889143b1dbfc61b591bbc639540fd9ce4c",
        "Gemma terms, gated",
        8.0,
        "chat",
    ),
    Card("qwen3-1.7b", "Qwen/Qwen3-1.7B", None, "Apache-2.0", 1.7, "chat"),
    Card("qwen3-4b", "Qwen/Qwen3-4B", None, "Apache-2.0", 4.0, "chat"),
    Card(
        "milmmt-4b",
        "xiaomi-research/MiLMMT-46-4B-v0.1",
        "1341209df846d7b2f6a077090ca957e28656e3de",
        "Gemma terms",
        3.9,
        "milmmt",
    ),
    Card(
        "hy-mt-1.8b",
        "tencent/HY-MT1.5-1.8B",
        None,
        "Hunyuan terms",
        1.8,
        "hy-mt",
        languages=_HUNYUAN,
    ),
    Card(
        "tower-7b",
        "Unbabel/TowerInstruct-7B-v0.2",
        None,
        "CC-BY-NC-4.0",
        6.7,
        "tower",
        languages=_TOWER,
    ),
    Card(
        "gemma-4-e4b-gguf",
        "unsloth/gemma-4-E4B-it-GGUF",
        None,
        "Apache-2.0",
        8.0,
        "chat",
        file="gemma-4-E4B-it-Q4_K_M.gguf",
        size=5.0,
    ),
    Card(
        "hy-mt-1.8b-gguf",
        "tencent/HY-MT1.5-1.8B-GGUF",
        "265b2e615a7dc9b06c435dc878829ad99a512ba2",
        "Tencent HY terms, not for use in the EU, the UK and South Korea",
        1.8,
        "hy-mt",
        file="HY-MT1.5-1.8B-Q4_K_M.gguf",
        size=1.1,
        languages=_HUNYUAN,
    ),
)
"""Language models, for ``--model``."""

RECOGNIZERS = _by_name(
    Card(
        "qwen3-asr",
        "Qwen/Qwen3-ASR-1.7B-hf",
        None,
        "Apache-2.0",
        2.0,
        aligner="qwen3-forced-aligner",
        languages=_QWEN_ASR,
    ),
    Card(
        "qwen3-asr-0.6b",
        "Qwen/Qwen3-ASR-0.6B-hf",
        None,
        "Apache-2.0",
        0.8,
        aligner="qwen3-forced-aligner",
        languages=_QWEN_ASR,
    ),
    Card(
        "voxtral-realtime",
        "mistralai/Voxtral-Mini-4B-Realtime-2602",
        None,
        "Apache-2.0",
        4.4,
        languages=_VOXTRAL,
    ),
    Card(
        "gemma-audio",
        "google/gemma-4-E4B-it",
        "83df0a889143b1dbfc61b591bbc639540fd9ce4c",
        "Gemma terms, gated",
        8.0,
    ),
)
"""Speech recognisers, for ``--recognizer``."""

ALIGNERS = _by_name(
    Card("qwen3-forced-aligner", "Qwen/Qwen3-ForcedAligner-0.6B-hf", None, "Apache-2.0", 0.9)
)
"""Models that say when known words are spoken, for ``--aligner``."""
