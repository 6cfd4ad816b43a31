"""Work spread over processes that load what it needs once, by Ray Data.

What travels is what is to be done and what came of it, never audio.
"""

import logging
import os
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError

from alignatt4llm.cluster.rayed import check_address
from alignatt4llm.cluster.room import fitting
from alignatt4llm.errors import AlignattError, Tell, UsageError, silent
from alignatt4llm.machine.threads import prepare_environment
from alignatt4llm.text.printable import one_line

Asked = TypeVar("Asked")
Came = TypeVar("Came")
Made = TypeVar("Made")

LOCAL = "local"
"""The address of a cluster that is started here and ends with the program."""
_TRIES = 1
"""How often what a process has died of is given to another."""
_OTHERWISE = f"say --cluster {LOCAL}"
_STORE = 200 * 2**20
"""Bytes of shared memory of a cluster that is started here; texts are small."""


@dataclass(frozen=True, slots=True)
class Actors:
    """How many processes work at a time, and what each of them needs.

    Attributes
    ----------
    least, most
        Processes.
    cpus, gpus
        Cores, and GPUs or a share of one.
    """

    least: int = 1
    most: int = 1
    cpus: int = 1
    gpus: float = 0.0

    @property
    def needs(self) -> dict[str, float]:
        """What one needs, by Ray's names."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}

    def spread(
        self, make: Callable[[], Callable[[Asked], Came]], asked: Sequence[Asked]
    ) -> Iterator[Came]:
        """Do things in any order, and yield what comes of each as soon as it has.

        Nothing comes of what a process has died of, and then another.

        Parameters
        ----------
        make
            Loads, in a process, what does them there.
        asked
            What is to be done.

        Raises
        ------
        AlignattError
            If it cannot be loaded, or does not do what is asked.
        """
        if not asked:
            return
        rows = [{"asked": pickle.dumps(each)} for each in asked]
        with warnings.catch_warnings(action="ignore"):  # no other parameter bounds the tries
            done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                _Process,
                fn_constructor_args=(make, self.cpus),
                batch_size=1,
                compute=ActorPoolStrategy(
                    min_size=min(self.least, len(rows)),
                    max_size=min(self.most, len(rows)),
                    max_tasks_in_flight_per_actor=1,
                ),
                num_cpus=self.cpus,
                num_gpus=self.gpus or None,
                max_task_retries=_TRIES,
            )
        with told():
            for row in done.iter_rows():
                came = pickle.loads(row["came"])
                if isinstance(came, AlignattError):
                    raise came
                yield came


class _Process:
    """Runs in an actor: loads once, and does what comes; what cannot be loaded is what comes."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]], cpus: int) -> None:
        os.environ.setdefault("ALIGNATT_THREADS", str(cpus))
        prepare_environment()
        self._does = attempted(make)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"came": [self._came(each) for each in batch["asked"]]}

    def _came(self, asked: bytes) -> bytes:
        if isinstance(self._does, AlignattError):
            return pickle.dumps(self._does)
        does = self._does
        came = attempted(lambda: pickle.dumps(does(pickle.loads(asked))))
        return pickle.dumps(came) if isinstance(came, AlignattError) else came


@contextmanager
def told() -> Iterator[None]:
    """Turn what Ray raises into a sentence."""
    try:
        yield
    except RayError as error:
        said = one_line(str(error).strip().rpartition("\n")[2]).rstrip(".")
        raise AlignattError(f"The cluster has failed: {said}.") from error


def attempted(make: Callable[[], Made]) -> Made | AlignattError:
    """Return what is made, or why it cannot be, as a sentence that can travel."""
    try:
        return make()
    except AlignattError as problem:
        kind = UsageError if isinstance(problem, UsageError) else AlignattError
        return kind(str(problem))
    except MemoryError:
        return AlignattError("A process of the cluster has not enough memory.")
    except Exception as error:
        said = one_line(f"{type(error).__name__}: {error}").rstrip(".: ")
        return AlignattError(f"A process of the cluster has failed: {said}.")


@contextmanager
def connected(address: str, actors: Actors, tell: Tell = silent) -> Iterator[None]:
    """Be connected to a cluster.

    Parameters
    ----------
    address
        ``host:port``, ``auto`` for the one that runs here, or `LOCAL`.
    actors
        What will be asked of it.
    tell
        Is told if there is no room for them yet.

    Raises
    ------
    AlignattError
        If there is none, it has another version, or is too small.
    """
    _connect(address, actors)
    try:
        _check_size(address, actors)
        if _waits(actors):
            tell(f"The cluster at '{address}' has no room for the actors now; waiting for it.")
        _quieten()
        yield
    finally:
        ray.shutdown()


def _connect(address: str, actors: Actors) -> None:
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of Ray Data's own ways
    known: dict[str, Any] = {"address": address}
    if address == LOCAL:
        cpus = max(os.cpu_count() or 1, actors.most * actors.cpus)
        known |= {"num_cpus": cpus, "object_store_memory": _STORE, "include_dashboard": False}
    elif address != "auto":
        check_address(address, _OTHERWISE)
    try:
        with _unheard():
            ray.init(**known, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise AlignattError(
            f"No cluster answers at {address}; start one with 'ray start --head', or {_OTHERWISE}."
        ) from error
    except (RuntimeError, ValueError) as error:  # another version of Ray or Python, among others
        said = " ".join(str(error).split())
        raise AlignattError(f"The cluster at '{address}' cannot be used: {said}") from error


@contextmanager
def _unheard() -> Iterator[None]:
    """Drop what Ray's libraries write on standard error; what is wrong is raised."""
    there = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(there, 2)
        os.close(there)
        os.close(nowhere)


def _check_size(address: str, actors: Actors) -> None:
    there = ray.cluster_resources()
    for name, each in actors.needs.items():
        if (need := actors.least * each) > (found := there.get(name, 0)):
            raise UsageError(
                f"The cluster at '{address}' has {found:g} {name}s, and {actors.least} actors need "
                f"{need:g}; give fewer with --actors."
            )
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if (room := sum(fitting(machine, actors.needs) for machine in machines)) < actors.least:
        each_needs = " and ".join(f"{each:g} {name}s" for name, each in actors.needs.items())
        raise UsageError(
            f"The machines of the cluster at '{address}' have room for {room:g} actors that need "
            f"{each_needs} on one machine, and {actors.least} are asked for; give fewer with "
            "--actors, or less to each with --actor-cpus and --actor-gpus."
        )


def _waits(actors: Actors) -> bool:
    """Whether all actors have to wait until others leave them room."""
    free = ray.available_resources()
    return fitting(free, actors.needs) < 1


def _quieten() -> None:
    """Let Ray Data say nothing of its own, wait for long work, and outlive what kills processes."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1
    context.max_errored_blocks = -1
