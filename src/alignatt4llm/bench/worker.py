"""A system under measurement in a process of its own, so that its memory is its own too."""

import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from alignatt4llm.bench.figures import Figures
from alignatt4llm.bench.trial import Trial, Tried
from alignatt4llm.errors import AlignattError, Tell


class Worker:
    """A process in which a `Trial` waits for what to do.

    Parameters
    ----------
    tried
        What is measured in it.
    tell
        Is told what is being prepared there.
    make
        Makes the trial.

    Attributes
    ----------
    facts, left_out
        As of `Trial`.

    Raises
    ------
    Exception
        What went wrong in the process, here and in every call.
    """

    def __init__(self, tried: Tried, tell: Tell, make: Callable[..., Trial] = Trial) -> None:
        self.tried, self._tell = tried, tell
        context = get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there, make, tried))
        self._process.start()
        there.close()
        try:
            self.facts, self.left_out = self._answer()
        except BaseException:
            self.close()
            raise

    def begin(self, name: str) -> None:
        """Get ready for a measurement; see `Trial.begin`."""
        self._ask("begin", name)

    def turn(self) -> bool:
        """Do a piece of it; return whether there is more to do."""
        return bool(self._ask("turn"))

    def end(self) -> Figures:
        """Return what was found."""
        found: Figures = self._ask("end")
        return found

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self._process.close()
        self._pipe.close()

    def _ask(self, name: str, *args: Any) -> Any:
        """Have a method called there."""
        with suppress(OSError):  # why it has gone is in the last answer
            self._pipe.send((name, args))
        return self._answer()

    def _answer(self) -> Any:
        """Return the next answer."""
        try:
            while (answer := self._pipe.recv())[0] == "told":
                self._tell(answer[1])
        except (EOFError, OSError) as problem:
            raise AlignattError(
                f"The process that measured '{self.tried.name}' has ended, perhaps because memory "
                "was short; measure fewer engines and models at once."
            ) from problem
        kind, value = answer
        if kind == "failed":
            raise value
        return value


def _work(pipe: Connection, make: Callable[..., Trial], tried: Tried) -> None:
    """Do what is asked, until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is interrupted, and ends this process
    try:
        trial = make(tried, lambda message: pipe.send(("told", message)))
        pipe.send(("done", (trial.facts, trial.left_out)))
        while True:
            name, args = pipe.recv()
            pipe.send(("done", getattr(trial, name)(*args)))
    except EOFError:
        return
    except Exception as problem:
        with suppress(OSError):
            pipe.send(("failed", _sendable(problem)))


def _sendable(problem: Exception) -> Exception:
    """Return a problem that arrives whole in another process."""
    try:
        pickle.loads(pickle.dumps(problem))
    except Exception:
        return RuntimeError(f"{type(problem).__name__}: {problem}")
    return problem
