"""What was said, as SimulStream's tokens and in the log that its scorers read."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from alignatt4llm.evaluate.hypothesis import Hypothesis
from alignatt4llm.text.languages import Language
from alignatt4llm.text.units import units

SPACE = "▁"
"""Stands for the space before a word, as ``latency_unit: spm`` has it in SimulStream."""


def tokens(text: str, target: Language) -> list[str]:
    """Return the tokens of text as it is said: words, or characters where those are the units.

    A word after a space begins with ``▁``, so that tokens joined give the text back; between
    characters spaces are left out, since they are not scored.
    """
    if target.by_character:
        return units(text, target)
    return [(SPACE if space else "") + word for space, word in re.findall(r"(\s*)(\S+)", text)]


def simulstream_log(hypotheses: Sequence[Hypothesis], target: Language) -> str:
    """Write hypotheses as a log of SimulStream, a line for each time that something was said.

    ``computation_time`` is what CA latency adds to the audio, the wait for earlier steps included,
    so that the stock scorer sees the backlog too.
    """
    lines = [line for n, said in enumerate(hypotheses) for line in _lines(n, said, target)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _lines(number: int, said: Hypothesis, target: Language) -> Iterator[dict[str, Any]]:
    yield {"id": number, "metadata": {"wav_name": f"{said.source}.wav"}}
    space = "" if target.by_character else SPACE
    texts = units(said.prediction, target)
    timed = zip(said.delays, said.elapsed, texts, strict=True)
    for (delay, elapsed), group in groupby(timed, key=lambda unit: unit[:2]):
        yield _line(number, delay, elapsed - delay, [space + text for _, _, text in group])
    yield _line(number, max((said.source_length, *said.delays[-1:])), 0.0, [])


def _line(number: int, audio_ms: float, computation_ms: float, said: list[str]) -> dict[str, Any]:
    return {
        "id": number,
        "total_audio_processed": audio_ms / 1000,
        "computation_time": computation_ms / 1000,
        "generated_tokens": said,
        "deleted_tokens": [],
    }
