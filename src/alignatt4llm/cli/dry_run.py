"""What ``--dry-run`` prints: the whole configuration, without loading a model."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from alignatt4llm.cli.system import Choice
from alignatt4llm.errors import AlignattError, extra, install, with_extra
from alignatt4llm.machine.device import Device
from alignatt4llm.policy.table import POLICIES
from alignatt4llm.prompts.forms import RAW, SOURCE_MARK, STYLES, messages, prompt_form
from alignatt4llm.prompts.prompt import Prompt
from alignatt4llm.settings.fitting import as_known, fit
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.printable import printable
from alignatt4llm.translators.table import engine_name, find_engine
from alignatt4llm.weights.cards import ALIGNERS, RECOGNIZERS, TRANSLATORS, Card
from alignatt4llm.weights.embedded import EMBEDDED, find_embedded
from alignatt4llm.weights.gguf import is_gguf_file, read_header

_SHOWN_HEADS = 8
_SOURCE = ("what", "has", "been", "heard", "so", "far")


def describe(chosen: Choice, schedule: str) -> str:
    """Return the configuration as lines of text.

    Parameters
    ----------
    chosen
        What was asked for.
    schedule
        Name of the schedule.
    """
    pairs, chunk = chosen.pairs, chosen.latency.chunk
    asked = [str(pair) for pair in pairs]
    found = fit(chosen.system, chunk, pairs=asked, targets=len(pairs), speeds=as_known)
    system, taught = found.system, found.system.taught
    system = replace(system, model=taught.model, adapter=taught.folder) if taught else system
    engine = engine_name(system.engine, system.model, bool(taught))
    device, cards = _best_device(), _cards(system)
    prompt, policy = _prompt_name(system), POLICIES[system.policy].help
    lines = [
        _line("preset", f"{chosen.preset.name}: {chosen.preset.title}"),
        _line("direction", _direction(pairs)),
        *([_line("auto", found.why)] if found.why else []),
        _line("model", _model(system.model, TRANSLATORS, "llm")),
        _line("engine", f"{engine}: {find_engine(engine).help}"),
        *(
            [_line("adapter", f"{taught.folder}, taught {', '.join(taught.pairs)}")]
            if taught
            else []
        ),
        _line("recogniser", _model(system.recognizer, RECOGNIZERS, "recognizer")),
        *(_line("aligner", _card(card)) for card in cards if card.name in ALIGNERS),
        _line("memory", _memory(cards, device)),
        _line("device", _device(engine, device)),
        _line("schedule", schedule),
        _line("settings", _settings(chosen.latency)),
        _line("policy", f"{system.policy}: {policy}"),
        *(_line("heads", _heads(system, pair)) for pair in pairs),
        f"prompt ({prompt}), the source between ⟦ ⟧:",
        *(f"  {printable(line)}" for line in _prompt(system, pairs[0], prompt).splitlines()),
    ]
    return "\n".join(lines)


def _direction(pairs: Sequence[Pair]) -> str:
    return f"{pairs[0].source.name} to {', '.join(pair.target.name for pair in pairs)}"


def _line(name: str, value: str) -> str:
    return f"{name:<11} {value}"


def _model(name: str, cards: dict[str, Card], kind: str) -> str:
    if name in cards:
        return _card(cards[name])
    for known in EMBEDDED:
        if known.name == name and known.kind == kind:
            return f"{name}: {known.title}, {known.licence}, {known.state}"
    return name


def _card(card: Card) -> str:
    revision = "" if card.revision else ", newest revision"
    size = f"{card.gigabytes:.1f} GB {'as GGUF' if card.file else 'in bfloat16'}"
    return f"{card.name}: {card.hub}{revision}, {card.licence}, {size}"


def _cards(system: System) -> list[Card]:
    """Return the published models that a system downloads."""
    ears = RECOGNIZERS.get(system.recognizer)
    aligner = ALIGNERS.get(system.aligner or (ears.aligner if ears else None) or "")
    found = [TRANSLATORS.get(system.model), ears, aligner]
    return [card for card in found if card is not None]


def _prompt_name(system: System) -> str:
    if system.prompt == "auto" and (taught := system.taught):
        return taught.prompt
    card = TRANSLATORS.get(system.model)
    return card.prompt if card and system.prompt == "auto" else system.prompt


def _memory(cards: list[Card], device: Device | None) -> str:
    unique = list({card.repository: card for card in cards}.values())
    if not unique:
        return "under 4 GB"
    wide = device is not None and device.dtype == "float32"
    weights = sum((2 if wide and not card.file else 1) * card.gigabytes for card in unique)
    kind = "at most, in float32" if wide else "in bfloat16"
    kind = "as GGUF" if all(card.file for card in unique) else kind
    return (
        f"{weights:.1f} GB of weights {kind}, "
        f"about {1.25 * weights + 2:.0f} GB with keys, values and working memory"
    )


def _best_device() -> Device | None:
    """Return the device that would be used; None where torch is not installed."""
    try:
        return Device.best()
    except ImportError:
        return None


def _device(engine: str, device: Device | None) -> str:
    if engine == "llama.cpp":
        return "the CPU, and a GPU that llama.cpp was built for"
    if device is None:
        return f"torch is not installed; {install(with_extra('transformers'))}"
    return f"{device.name}, weights {'as stored' if device.dtype == 'auto' else device.dtype}"


def _settings(settings: Any) -> str:
    """Every value of nested settings, by name."""
    found = []
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            found.append(_settings(value))
        else:
            found.append(f"{item.name} {'never' if value is None else format(value, 'g')}")
    return ", ".join(found)


def _heads(system: System, pair: Pair) -> str:
    try:
        heads = system.head_set(pair)
    except AlignattError as problem:
        return f"none: {problem}"
    if heads is None:
        return "the engine's"
    shown = " ".join(f"({layer}, {head})" for layer, head in heads.heads[:_SHOWN_HEADS])
    more = len(heads.heads) - _SHOWN_HEADS
    return f"{shown}{f' and {more} more' if more > 0 else ''}, {heads.row} row"


def _prompt(system: System, pair: Pair, name: str) -> str:
    """Render the first prompt as far as it is known without the weights."""
    words, context = _SOURCE, system.context.block("") if system.context else ""
    tokenizer = _tokenizer(system.model)
    if name in ("few-shot", *RAW) or tokenizer is not None:
        return _marked(prompt_form(tokenizer, pair, name)(words, context=context))
    style = STYLES["chat" if name == "auto" else name]
    said = messages(pair, style, (), context)
    text = "\n".join(f"<{turn['role']}> {turn['content']}" for turn in said)
    shown = text.replace(SOURCE_MARK, f"⟦{' '.join(words)}⟧")
    return f"{shown}\n(turns; the chat template that joins them comes with the weights)"


def _marked(prompt: Prompt) -> str:
    source = prompt.separator.join(prompt.words)
    return f"{prompt.prefix}⟦{source}⟧{prompt.suffix}"


def _tokenizer(name: str) -> Any:
    """Return the model's tokeniser, or what of it writes prompts, if it is on this machine."""
    if file := _gguf(name):
        return _template(file)
    if name in TRANSLATORS:
        name = TRANSLATORS[name].repository
    known = find_embedded(name, "llm")
    folder = (known.folder if known else None) or Path(name).expanduser()
    try:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(
            folder if folder.is_dir() else name, local_files_only=True
        )
    except (ImportError, OSError, ValueError):
        return None


def _gguf(name: str) -> Path | None:
    """Return the GGUF file of a model if it is on this machine."""
    known = find_embedded(name, "llm")
    folder = known.prepared.get("GGUF") if known else None
    file = folder / known.files[0].name if known and folder else Path(name).expanduser()
    return file if is_gguf_file(file) else None


def _template(file: Path) -> Any:
    with extra("llamacpp", "A GGUF file's chat template"):
        from alignatt4llm.translators.llamacpp.template import ChatTemplate
    return ChatTemplate(read_header(file).text("tokenizer.chat_template") or None, "", "")
