"""Which models and settings the command line asks for."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from alignatt4llm.cli.engine import add_engine
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import head_set_for, load_head_set
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.policy.base import Policy
from alignatt4llm.policy.published import PublishedAlignAtt
from alignatt4llm.prompts.forms import FORMS
from alignatt4llm.recognizers.loading import Finality, RecognizerRunner
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.presets import PRESETS, Preset, preset
from alignatt4llm.text.languages import Pair, language
from alignatt4llm.weights.cards import ALIGNERS, RECOGNIZERS, TRANSLATORS, Card
from alignatt4llm.weights.models import short_name


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which system translates."""
    parser.add_argument("--to", required=True, metavar="LANG", help="target language: de, ar, zh")
    parser.add_argument("--from", dest="source", default="en", metavar="LANG", help="default: en")
    parser.add_argument(
        "--preset", choices=PRESETS, default="embedded", metavar="NAME",
        help=f"models and settings that go together: {', '.join(PRESETS)}",
    )  # fmt: skip
    parser.add_argument("--latency", choices=LATENCIES, help="default: the preset's, or medium")
    parser.add_argument(
        "--model", metavar="NAME",
        help=f"embedded, embedded-large, {', '.join(TRANSLATORS)}, a folder or a hub id",
    )  # fmt: skip
    add_engine(parser)
    parser.add_argument(
        "--recognizer", metavar="NAME",
        help=f"embedded, {', '.join(RECOGNIZERS)}, a Whisper size, a folder or a hub id",
    )  # fmt: skip
    parser.add_argument(
        "--aligner", metavar="NAME", help=f"word times for Qwen3-ASR: {', '.join(ALIGNERS)}"
    )
    parser.add_argument(
        "--recognizer-engine", choices=("transformers", "vllm"), default="transformers",
        help="what runs Qwen3-ASR",
    )  # fmt: skip
    parser.add_argument(
        "--audio-heads", type=Path, metavar="FILE", help="where gemma-audio hears; a head set"
    )
    parser.add_argument(
        "--finality", choices=("agreement", "attention"), default="agreement",
        help="recognised words are final when two hypotheses agree, or by the model's attention",
    )  # fmt: skip
    parser.add_argument("--heads", type=Path, metavar="FILE", help="head set, if none is shipped")
    parser.add_argument("--prompt", choices=FORMS, help="default: the model's own")


@dataclass(frozen=True, slots=True)
class System:
    """Everything that decides how speech is translated.

    Attributes
    ----------
    preset
        Models and settings, what was asked for on the command line included.
    pair
        Translation direction.
    prompt
        Name of the prompt.
    aligner, audio_heads, finality, recognizer_engine
        As for `load_recognizer`.
    heads_file
        Head set given by the user.
    engine
        What runs the language model, as for `Interpreter`.
    """

    preset: Preset
    pair: Pair
    prompt: str
    aligner: str | None
    audio_heads: Path | None
    finality: Finality
    recognizer_engine: RecognizerRunner
    heads_file: Path | None
    engine: str

    @classmethod
    def from_options(cls, args: argparse.Namespace) -> "System":
        """Take the preset and replace what was asked for otherwise."""
        chosen = preset(args.preset)
        if args.latency:
            chosen = replace(chosen, latency=LATENCIES[args.latency])
        chosen = replace(
            chosen,
            model=args.model or chosen.model,
            recognizer=args.recognizer or chosen.recognizer,
        )
        card = TRANSLATORS.get(chosen.model)
        prompt = args.prompt or (card.prompt if card else "auto")
        pair = Pair(language(args.source), language(args.to))
        ears = args.aligner, args.audio_heads, args.finality, args.recognizer_engine
        return cls(chosen, pair, prompt, *ears, args.heads, args.engine)

    @property
    def cards(self) -> list[Card]:
        """The published models that this system downloads, each once."""
        ears = RECOGNIZERS.get(self.preset.recognizer)
        aligner = ALIGNERS.get(self.aligner or (ears.aligner if ears else None) or "")
        found = [TRANSLATORS.get(self.preset.model), ears, aligner]
        return [card for card in found if card is not None]

    def heads(self) -> HeadSet:
        """Return the head set.

        Raises
        ------
        AlignattError
            If there is none for the model and the pair.
        """
        found = (
            load_head_set(self.heads_file)
            if self.heads_file
            else head_set_for(short_name(self.preset.model), str(self.pair))
        )
        count = self.preset.heads or len(found.heads)
        return replace(found, heads=found.heads[:count], weights=found.weights[:count])

    def policy(self, heads: HeadSet) -> Policy:
        """Return the policy over a head set."""
        if self.preset.policy == "published":
            return PublishedAlignAtt(heads)
        return AlignAtt(heads, self.preset.latency.policy)
