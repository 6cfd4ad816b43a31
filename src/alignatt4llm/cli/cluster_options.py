"""Options that say where work is spread over a cluster."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError, extra

if TYPE_CHECKING:
    from alignatt4llm.cluster.spread import Actors


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    group = parser.add_argument_group("cluster", "work spread over a Ray cluster")
    group.add_argument(
        "--cluster", metavar="ADDRESS",
        help="host:port of a Ray cluster, auto for the one that runs here, or local for one that "
        "is started here and ends with the command",
    )  # fmt: skip
    group.add_argument(
        "--actors", default="1", metavar="N",
        help="processes with models in memory, or MIN:MAX of them (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--actor-cpus", type=int, default=1, metavar="N",
        help="CPU cores for each (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--actor-gpus", type=float, default=0, metavar="N", help="GPUs for each, or a share of one"
    )


@contextmanager
def connection(args: argparse.Namespace) -> Iterator["Actors"]:
    """Be connected to the cluster that the options name; yield what it is asked for.

    Raises
    ------
    AlignattError
        If Ray is not installed, or another version, no cluster is there, or it is too small.
    """
    with extra("cluster", "A cluster"):
        from alignatt4llm.cluster.rayed import check_ray
        from alignatt4llm.cluster.spread import Actors, connected
    check_ray()
    least, most = _bounds(args.actors)
    if args.actor_cpus < 1 or not 0 <= args.actor_gpus < inf:
        raise UsageError("--actor-cpus must be 1 or more, and --actor-gpus 0 or more.")
    actors = Actors(least, most, args.actor_cpus, args.actor_gpus)
    with connected(args.cluster, actors, tell):
        yield actors


def _bounds(text: str) -> tuple[int, int]:
    least, colon, most = text.partition(":")
    try:
        bounds = int(least), int(most if colon else least)
    except ValueError:
        bounds = 0, 0
    if not 1 <= bounds[0] <= bounds[1]:
        raise UsageError(f"--actors is '{text}'; write a number from 1 on, or MIN:MAX.")
    return bounds
