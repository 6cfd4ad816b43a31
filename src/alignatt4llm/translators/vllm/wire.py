"""Steps and models as they travel between an engine and the session servers that use it."""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from typing import Any

import numpy as np

from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm.steps import Ask, Step

MODEL, STEPS = "/v1/alignatt/model", "/v1/alignatt/steps"
"""Where an engine describes itself, and where it answers asks with one JSON object a step."""


def ask_to_json(ask: Ask) -> dict[str, Any]:
    """Return what JSON can hold of an ask."""
    return asdict(ask)


def step_to_line(step: Step) -> str:
    """Write a step as one line; rows are float32, least significant byte first, in base64."""
    rows = np.ascontiguousarray(step.rows, "<f4")
    record = {
        "tokens": list(step.tokens),
        "logprobs": list(step.logprobs),
        "shape": rows.shape,
        "rows": b64encode(rows.tobytes()).decode(),
        "candidates": list(step.candidates),
    }
    return json.dumps(record) + "\n"


def error_to_line(message: str) -> str:
    """Write why no further step will come."""
    return json.dumps({"error": message}) + "\n"


def step_from_line(line: str) -> Step:
    """Read a step; raise AlignattError with what went wrong at the engine, if it did."""
    record = json.loads(line)
    if "error" in record:
        raise AlignattError(record["error"])
    rows = np.frombuffer(b64decode(record["rows"]), "<f4").reshape(record["shape"])
    candidates = [(token, logprob) for token, logprob in record["candidates"]]
    return Step(record["tokens"], record["logprobs"], rows, candidates)
