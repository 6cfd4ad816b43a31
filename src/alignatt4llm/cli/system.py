"""Which models and settings the command line asks for."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignatt4llm.cli import background
from alignatt4llm.cli.engine import DEFAULT, add_engine
from alignatt4llm.cli.files import Named
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import Tell
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.prompts.forms import FORMS
from alignatt4llm.recognizers.loading import names
from alignatt4llm.settings.fitting import fitted
from alignatt4llm.settings.latency import LATENCIES, Latency
from alignatt4llm.settings.presets import PRESETS, Preset, preset
from alignatt4llm.settings.system import System
from alignatt4llm.stream import Stream
from alignatt4llm.text.languages import (
    LANGUAGES,
    Language,
    Pair,
    is_language,
    language,
    listed,
    targets,
)
from alignatt4llm.translators.table import AUTO, find_engine
from alignatt4llm.weights.cards import ALIGNERS, TRANSLATORS
from alignatt4llm.weights.models import GGUF_NAMES


def add_models(
    parser: argparse.ArgumentParser, engine: str = DEFAULT, several: bool = False
) -> None:
    """Add the options that say which models translate, and by which heads and prompt.

    Parameters
    ----------
    parser
        Of a command.
    engine
        The engine unless another is asked for.
    several
        Whether engine and model are lists.
    """
    parser.add_argument(
        "--model", metavar="NAME", nargs="+" if several else None,
        help=f"auto, embedded, embedded-taught, embedded-large, {', '.join(TRANSLATORS)}, "
        "a folder or a hub id; "
        f"for llama.cpp also {GGUF_NAMES}",
    )  # fmt: skip
    add_engine(parser, engine, several)
    parser.add_argument(
        "--gpu-layers", type=int, metavar="N",
        help="how many layers a GPU computes in llama.cpp; by default all that fit, where the "
        "library was built for one",
    )  # fmt: skip
    parser.add_argument(
        "--adapter", type=Path, metavar="FOLDER",
        help="what 'alignatt adapt' has taught the model; --model may also name it alone",
    )  # fmt: skip
    parser.add_argument(
        "--recognizer", metavar="NAME",
        help=f"{', '.join(names())}, a Whisper size, a folder or a hub id",
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
    parser.add_argument("--heads", type=Path, metavar="FILE", help="a head set of your own")
    parser.add_argument(
        "--no-calibration", action="store_true",
        help="where a model has no head set, do not calibrate one on first use",
    )  # fmt: skip
    parser.add_argument("--prompt", choices=FORMS, help="default: the model's own")
    parser.set_defaults(preset="embedded")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options that say which system translates."""
    add_models(parser, AUTO)
    parser.add_argument(
        "--preset", choices=PRESETS, default=AUTO, metavar="NAME",
        help=f"models and settings that go together: {', '.join(map(str, PRESETS.values()))}",
    )  # fmt: skip
    background.add_options(parser)


def add_direction(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the options that say what one stream is translated into, and how fast."""
    parser.add_argument(
        "--to", required=required, nargs="+", action=Languages, metavar="LANG",
        help=f"one target language or several: {', '.join(LANGUAGES)}",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="source", default="en", metavar="LANG",
        help="what is spoken, or auto to find it out from the first speech; default: en",
    )  # fmt: skip
    parser.add_argument("--latency", choices=LATENCIES, help="default: the preset's, or medium")


class Known(argparse.Action):
    """Takes a list of names that are known, and leaves what follows it to the input.

    That is ``input``, of which a command has one, or ``inputs``, of which it has any number.
    """

    def known(self, text: str) -> bool:
        """Whether a text is a name, or several."""
        raise NotImplementedError

    def __call__(
        self, parser: object, namespace: argparse.Namespace, names: Any, option: object = None
    ) -> None:
        """Take the names; last ones that are not known are the input, if there is no other."""
        dest = "input" if hasattr(namespace, "input") else "inputs"
        room = (1 if dest == "input" else len(names)) if _lacks(namespace, dest) else 0
        inputs: list[Named] = []
        while len(inputs) < room and len(names) > 1 and not self.known(names[-1]):
            inputs.insert(0, Named(names.pop()))
        if inputs:
            setattr(namespace, dest, inputs[0] if dest == "input" else inputs)
        setattr(namespace, self.dest, names)


class Languages(Known):
    """Takes a list of languages."""

    def known(self, text: str) -> bool:
        """Whether these are languages."""
        return all(map(is_language, listed([text])))


def _lacks(namespace: argparse.Namespace, dest: str) -> bool:
    return getattr(namespace, dest, "") is None


class Input(argparse.Action):
    """Takes the input where it stands by itself; see `Languages`."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, name: Any, option: object = None
    ) -> None:
        """Take it, unless there is nothing to take."""
        if name is not None:
            setattr(namespace, self.dest, name)


def system(args: argparse.Namespace) -> System:
    """Return what `add_options` asks for; errors as for `models`."""
    return replace(models(args), context=background.context(args))


def served(args: argparse.Namespace, pairs: Sequence[Pair]) -> System:
    """Return what `add_options` asks of a server, whose clients choose their languages.

    Parameters
    ----------
    args
        Of the command line.
    pairs
        The directions that it names; a glossary is for the only one.

    Raises
    ------
    AlignattError
        If there is a glossary and not one target; or as for `models`.
    """
    asked = system(args)
    background.check_glossary(asked.context, [pair.target for pair in pairs])
    first = next(iter(pairs), None)
    return replace(asked, context=asked.context and replace(asked.context, pair=first))


def models(args: argparse.Namespace) -> System:
    """Take the preset's system and replace what `add_models` asks for otherwise.

    Raises
    ------
    AlignattError
        If a file that was given cannot be read, or there is no such engine.
    """
    base = preset(args.preset).system
    model = args.model or base.model
    return replace(
        base,
        model=model,
        recognizer=args.recognizer or find_engine(args.engine, model).recognizer or base.recognizer,
        engine=base.engine if args.engine == AUTO else args.engine,
        adapter=args.adapter,
        gpu_layers=args.gpu_layers,
        aligner=args.aligner,
        audio_heads=args.audio_heads,
        finality=args.finality,
        recognizer_engine=args.recognizer_engine,
        heads=load_head_set(args.heads) if args.heads else None,
        calibration=not args.no_calibration,
        prompt=args.prompt or base.prompt,
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """What ``translate`` and ``listen`` are asked for: a system for one stream.

    Attributes
    ----------
    preset
        What the system began with.
    system
        The models, and how they translate.
    pairs
        Directions: one source, and each of the targets.
    latency
        Settings of the dial.
    """

    preset: Preset
    system: System
    pairs: tuple[Pair, ...]
    latency: Latency

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Choice":
        """Take the preset and replace what was asked for otherwise."""
        chosen = preset(args.preset)
        latency = LATENCIES[args.latency] if args.latency else chosen.latency
        source = language(args.source, tell)
        pairs = tuple(Pair(source, target) for target in targets(args.to, source, tell))
        asked = system(args)
        for pair in pairs:
            asked.check(pair)
        background.check_glossary(asked.context, [pair.target for pair in pairs])
        return cls(chosen, asked, pairs, latency)

    @property
    def source(self) -> Language:
        """What is spoken."""
        return self.pairs[0].source

    def open(self, tell: Tell, live: bool = True) -> Stream:
        """Load the models and start the stream.

        Parameters
        ----------
        tell
            Is told what is being prepared, and which model was chosen.
        live
            Whether it has to keep up with speech.

        Raises
        ------
        AlignattError
            If there is no head set and none may be calibrated, before anything is loaded; or as
            for `Interpreter`.
        """
        from alignatt4llm.interpreter import Interpreter

        found = [self.system.chosen(pair) for pair in self.pairs]
        asked, count = [str(pair) for pair in self.pairs], len(self.pairs)
        system = fitted(
            self.system, self.latency.chunk, pairs=asked, targets=count, live=live, tell=tell
        )
        if system.heads:  # for whatever direction they were made
            for each in found:
                tell(str(each))
        wanted = [] if system.heads else self.pairs
        interpreter = Interpreter(system, tell, streams=count, pairs=wanted)
        spoken, into = self.source, [pair.target for pair in self.pairs]
        return interpreter.stream(spoken, into, self.latency, heads=system.heads)
