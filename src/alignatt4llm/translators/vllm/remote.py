"""An engine on another machine, as ``alignatt serve-engine`` runs it."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import httpx
from transformers import AutoTokenizer

from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm.steps import Ask, Served, Step
from alignatt4llm.translators.vllm.wire import MODEL, STEPS, ask_to_json, step_from_line

KEY = "ALIGNATT_ENGINE_KEY"
"""Environment variable with the key that the engine was given with ``--api-key``."""
_PATIENCE = httpx.Timeout(60, connect=10)


class RemoteEngine:
    """Asks over HTTP; one connection for each draft that is being made.

    Parameters
    ----------
    address
        As ``http://host:8000``.

    Raises
    ------
    AlignattError
        If no such engine answers there.
    """

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if (key := os.environ.get(KEY)) else {}
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.Client(
            base_url=self._address, headers=headers, timeout=_PATIENCE, limits=limits
        )
        try:
            with self._explained():
                answer = self._client.get(MODEL)
                self._check(answer)
                model = answer.json()
        except AlignattError:
            self.close()
            raise
        self.name: str = model["name"]
        self.served = Served(**{**model["served"], "tapped": tuple(model["served"]["tapped"])})
        self._files: dict[str, str] = model["files"]
        self._ends: list[int] = model["ends"]

    def steps(self, ask: Ask) -> Generator[Step, None, None]:
        """Yield step after step; closing the iterator ends the work at the engine."""
        with (
            self._explained(),
            self._client.stream("POST", STEPS, json=ask_to_json(ask)) as answer,
        ):
            if not answer.is_success:
                answer.read()
            self._check(answer)
            for line in answer.iter_lines():
                yield step_from_line(line)

    def tokenizer(self) -> tuple[Any, Any]:
        """Return the model's tokeniser and its further end tokens, as the engine sent them."""
        with TemporaryDirectory() as folder:
            for name, text in self._files.items():
                (Path(folder) / Path(name).name).write_text(text, "utf-8")
            return AutoTokenizer.from_pretrained(folder), SimpleNamespace(eos_token_id=self._ends)

    def close(self) -> None:
        """Leave the engine."""
        self._client.close()

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise AlignattError(f"The engine at {self._address} wants its key in {KEY}.")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise AlignattError(
                f"What answers at {self._address} gives no rows; start it with "
                "'alignatt serve-engine'."
            )
        if not answer.is_success:
            raise AlignattError(f"The engine at {self._address} refuses: {answer.text.strip()}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise AlignattError(
                f"The engine at {self._address} does not answer ({problem}); start it with "
                "'alignatt serve-engine'."
            ) from problem
