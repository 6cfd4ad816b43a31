"""``alignatt doctor``: what is there, what is missing, and what to do about it."""

import argparse
import platform
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from alignatt4llm.cli.mending import mend
from alignatt4llm.errors import AlignattError, UsageError, install, with_extra
from alignatt4llm.machine.packages import OR, installed, lacking
from alignatt4llm.outputs.sinks.table import SINKS
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.policy.table import POLICIES
from alignatt4llm.recognizers.table import KINDS
from alignatt4llm.settings.presets import PRESETS
from alignatt4llm.translators.table import ENGINES

if TYPE_CHECKING:
    from alignatt4llm.weights.embedded import Embedded

EXTRAS = {
    "llamacpp": ("xllamacpp or llama-cpp-python", "jinja2", "psutil"),
    "whisper": ("faster-whisper", "ctranslate2"),
    "transformers": ("torch", "transformers", "safetensors", "accelerate", "gguf"),
}
"""Packages that matter most, by the extra that installs them."""
NEEDED = {"llamacpp": ("llamacpp", "transformers"), "whisper": ("whisper",)}
"""The extras without which nothing can be translated, and those of which one is enough."""
UNREADY = "head sets are calibrated on first use"
SPACE = 2.0
"""GB of free disk below which models may not fit."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what is installed, what is missing and what to do about it",
        description="Say what is installed, what is missing and what to do about it. "
        "The exit code is 0 if speech can be translated, else 1.",
    )
    parser.add_argument(
        "--measure", action="store_true", help="measure anew what this computer can do live"
    )
    parser.add_argument(
        "--fix", action="store_true", help="install what is missing, after saying how and asking"
    )
    parser.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings, then what to do, or do it; return 0 if one can translate."""
    if args.yes and not args.fix:
        raise UsageError("--yes answers what --fix asks; give both.")
    _line("alignatt4llm", version("alignatt4llm"))
    _line("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    missing = _packages()
    _ffmpeg()
    if "transformers" not in missing:
        _compute()
    space = _cache()
    needed = [extra for extra, ways in NEEDED.items() if set(ways) <= set(missing)] + _models()
    _live(args.measure)
    _tables()
    lacking = list(dict.fromkeys(needed))
    advice = [install(with_extra(",".join(lacking)))] if lacking else []
    if space:
        advice.append(space)
    able = not needed
    print("\nSpeech can be translated." if able else "\nSpeech cannot be translated yet.")
    for step in advice:
        print(f"  to do: {step}")
    if args.fix and lacking:
        return mend(with_extra(",".join(lacking)), args.yes)
    return 0 if able else 1


def _line(subject: str, finding: str) -> None:
    print(f"{subject:<16} {finding}")


def _packages() -> list[str]:
    """Print the versions of packages; return the extras that are not whole."""
    missing = []
    for extra, packages in EXTRAS.items():
        found = {package: _version(package) for package in packages}
        for package, number in found.items():
            _line(package.split(OR)[0], number or f"missing (extra '{extra}')")
        if None in found.values():
            missing.append(extra)
    return missing


def _version(package: str) -> str | None:
    """Return the version of a package, or of another that will do as well."""
    first, *others = package.split(OR)
    named = (f"none, but {other} {number}" for other in others if (number := installed(other)))
    return installed(first) or next(named, None)


def _ffmpeg() -> None:
    import av

    numbers = {
        name: ".".join(map(str, number))
        for name, number in av.library_versions.items()
        if name in ("libavcodec", "libavformat")
    }
    listed = ", ".join(f"{name} {number}" for name, number in numbers.items())
    _line("FFmpeg", f"{listed} (inside av {version('av')})")


def _compute() -> None:
    """Print what torch has to compute with."""
    import torch

    from alignatt4llm.machine.threads import available_cpus, chosen_threads, fastest, measure

    cuda = torch.cuda.is_available()
    _line("CUDA", torch.cuda.get_device_name(0) if cuda else "none; the CPU is used")
    taken = measure()
    listed = ", ".join(f"{threads}: {ms:.1f} ms" for threads, ms in taken.items())
    chosen = chosen_threads()
    why = "set by ALIGNATT_THREADS" if chosen else "measured; ALIGNATT_THREADS sets it"
    _line("CPU threads", f"{chosen or fastest(taken)} of {available_cpus()}, {why} ({listed})")


def _cache() -> str | None:
    """Print where models are kept; return what to do if there is little space."""
    from alignatt4llm.weights.cache import cache_root

    root = cache_root()
    free = shutil.disk_usage(_existing(root)).free / 1e9
    _line("cache", f"{root} ({free:.1f} GB free)")
    if free < SPACE:
        return f"free some space in {root}, or set ALIGNATT_CACHE to another folder"
    return None


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _models() -> list[str]:
    """Print the models; return the extras with which there would be one of each kind."""
    from alignatt4llm.cli.models import STATES
    from alignatt4llm.weights.embedded import installed

    models = installed()
    for model in models:
        _line(model.kind, f"{model.title}: {STATES[model.state]} ('{model.name}')")
    there = {model.kind for model in models if model.state != "missing"}
    return [] if there == {"llm", "recognizer"} else ["embedded"]


def _live(anew: bool) -> None:
    """Print what was measured of the models that come with the package, and what is chosen."""
    from alignatt4llm.settings.candidates import RANKED
    from alignatt4llm.settings.fitting import as_known, fit
    from alignatt4llm.settings.system import System
    from alignatt4llm.translators.llamacpp.pace import FILE
    from alignatt4llm.weights.cache import cache_root

    if anew:
        (cache_root() / FILE).unlink(missing_ok=True)
    for each in (each for each in RANKED if not each.taught):
        for engine in each.engines():
            _line("speed", f"{each} in {engine}: {_takes(each.known, engine, anew)}")
    _line("auto", fit(System(), speeds=as_known).why)


def _takes(model: "Embedded", engine: str, anew: bool) -> str:
    """Say what a model costs in an engine, measuring it first if that is asked for."""
    from alignatt4llm.cli.report import tell
    from alignatt4llm.settings.fitting import MEDIUM
    from alignatt4llm.settings.speeds import known_speed, measure

    try:
        found = measure(model, engine, tell) if anew else known_speed(model, engine)
    except AlignattError as problem:
        return str(problem)
    return (
        f"{found.settled(MEDIUM):.2g} s of computing a second of speech"
        if found
        else "not measured"
    )


def _tables() -> None:
    """Print every engine, recogniser, policy, output and preset, and what it lacks."""
    for name, engine in ENGINES.items():
        _line("engine", f"{name}: {engine.help}{_lack(engine.needs, engine.extra)}")
    for kind in KINDS.values():
        _line("recogniser", f"{kind.help}{_lack(kind.needs, kind.extra)}")
    _line("policies", ", ".join(POLICIES))
    _line("outputs", ", ".join(OUTPUTS))
    _line("sinks", ", ".join(SINKS))
    for preset in PRESETS.values():
        _line("preset", f"{preset.name}: {preset.title}; {', '.join(preset.pairs) or UNREADY}")
    _line("an extra", f"is installed by {install(with_extra('NAME'))}")


def _lack(needs: Sequence[str], extra: str) -> str:
    """Say how to install what is missing, if something is."""
    missing = lacking(needs)
    return f" (needs {', '.join(missing)}: extra '{extra}')" if missing else ""
