"""``alignatt serve-engine``: one model on this machine for session servers on others."""

import argparse
from pathlib import Path
from typing import Any

from alignatt4llm.errors import extra
from alignatt4llm.heads.choice import layers_of
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.weights.models import resolve_llm

EXAMPLES = """\
examples:
  alignatt serve-engine --model google/gemma-3-4b-it
  alignatt serve-engine --model my-model --heads my-heads.json --port 9000
  alignatt serve-engine --model my-model -- --gpu-memory-utilization 0.8 --api-key secret

elsewhere:
  alignatt translate talk.mp4 --to de --engine http://this-machine:8000
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "serve-engine",
        help="run the model with vLLM for session servers on other machines",
        description="Run a model as a service: vLLM's own server, which also gives attention rows.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="embedded", help="embedded, a folder or a hub id")
    parser.add_argument("--heads", type=Path, metavar="FILE", help="head set, if none is shipped")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=8000, help="port (8000)")
    parser.add_argument("flags", nargs="*", metavar="-- FLAG", help="further flags of 'vllm serve'")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    heads = load_head_set(args.heads) if args.heads else None
    weights = resolve_llm(args.model, print)
    with extra("vllm"):
        from alignatt4llm.translators.vllm.service import serve
    flags = ["--host", args.host, "--port", str(args.port), *args.flags]
    serve(weights.location, weights.name, layers_of(weights.name, heads), flags)
    return 0
