"""``alignatt serve-engine``: vLLM's own server with a way to ask for steps and their rows."""

import json
import os
from argparse import Namespace
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from transformers import AutoTokenizer
from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm.local import check_version, engine_settings
from alignatt4llm.translators.vllm.source import StepSource
from alignatt4llm.translators.vllm.steps import Ask, Served
from alignatt4llm.translators.vllm.wire import MODEL, STEPS, error_to_line, step_to_line

PLUGIN = "alignatt"
"""The entry point of `StepsEndpoint`, which vLLM loads if ``VLLM_PLUGINS`` names it."""


def serve(location: str, name: str, layers: Collection[int] | None, flags: Sequence[str]) -> None:
    """Run vLLM's server until it is told to stop.

    Parameters
    ----------
    location
        The model's folder.
    name
        Its short name, as head sets know it.
    layers
        Layers whose rows can be asked for; None for all.
    flags
        Further flags of ``vllm serve``.
    """
    check_version()
    named = os.environ.get("VLLM_PLUGINS")
    os.environ["VLLM_PLUGINS"] = f"{named},{PLUGIN}" if named else PLUGIN
    parser = make_arg_parser(FlexibleArgumentParser(prog="alignatt serve-engine ... --"))
    settings = {**engine_settings(layers), "served_model_name": name}
    args = parser.parse_args([location, *_flags(settings), *flags])
    vllm_serve = ServeSubcommand()
    vllm_serve.validate(args)
    vllm_serve.cmd(args)


class StepsEndpoint:
    """A vLLM endpoint plugin."""

    name = PLUGIN
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes."""
        app.add_api_route(MODEL, model, methods=["GET"])
        app.add_api_route(STEPS, steps, methods=["POST"])

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Find out what the engine can do; raise AlignattError if it cannot read rows."""
        state.alignatt = source = await StepSource.connect(engine_client)
        state.alignatt_model = _description(engine_client.model_config, args, source.served)


async def model(request: Request) -> dict[str, Any]:
    """Describe the model; its tokeniser comes along, so that clients need no copy of it."""
    description: dict[str, Any] = request.app.state.alignatt_model
    return description


async def steps(ask: Ask, request: Request) -> StreamingResponse:
    """Answer with one line a step; a client that goes away ends the work."""
    source: StepSource = request.app.state.alignatt
    if problem := _problem(ask, source.served):
        raise HTTPException(400, problem)
    return StreamingResponse(_lines(source, ask), media_type="application/x-ndjson")


async def _lines(source: StepSource, ask: Ask) -> AsyncIterator[str]:
    try:
        async with aclosing(source.steps(ask)) as found:
            async for step in found:
                yield step_to_line(step)
    except Exception as problem:
        yield error_to_line(str(problem))


def _problem(ask: Ask, served: Served) -> str:
    """Say what is wrong with an ask; nothing if it can be answered."""
    if not (0 <= ask.guess < len(ask.ids) <= served.context and ask.budget >= 1):
        return f"ids, guess and budget must fit one another and {served.context} tokens."
    if not all(0 <= column < len(ask.ids) for column in ask.columns):
        return "columns must be positions of ids."
    try:
        served.check(ask.heads)
    except AlignattError as problem:
        return str(problem)
    return ""


def _description(config: Any, args: Namespace, served: Served) -> dict[str, Any]:
    """Return what clients must know, the files of the tokeniser among it."""
    with TemporaryDirectory() as folder:
        AutoTokenizer.from_pretrained(args.tokenizer or args.model).save_pretrained(folder)
        files = {path.name: path.read_text("utf-8") for path in Path(folder).iterdir()}
    ends = (config.try_get_generation_config() or {}).get("eos_token_id")
    return {
        "name": args.served_model_name[0],
        "served": asdict(served),
        "files": files,
        "ends": ends if isinstance(ends, list) else [ends] if ends is not None else [],
    }


def _flags(settings: dict[str, Any]) -> list[str]:
    """Write engine settings as flags of the command line."""
    flags = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            flags.append(flag)
        elif value is not False:
            flags += [flag, json.dumps(value) if isinstance(value, dict) else str(value)]
    return flags
