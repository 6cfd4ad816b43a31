"""Steps and their rows from a running vLLM engine, for any number of requests at once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from vllm import SamplingParams
from vllm.inputs.engine import tokens_input
from vllm.sampling_params import RequestOutputKind

from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm.rows import EXTRA
from alignatt4llm.translators.vllm.steps import Ask, Served, Step

Row = NDArray[np.float32]  # [H, S]
Choice = tuple[int, float]
"""Token and log-probability."""


class StepSource:
    """Turns asks into steps.

    Parameters
    ----------
    client
        A vLLM ``EngineClient`` whose workers are `RowWorker`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._rows: dict[str, dict[int, Row]] = {}
        self._gone: list[str] = []
        self._fetching: asyncio.Task[None] | None = None

    async def describe(self) -> Served:
        """Ask the workers what they can do; raise AlignattError if they cannot read rows."""
        first, *_ = answers = await self._client.collective_rpc("describe_rows")
        for answer in answers:
            if answer["problem"]:
                raise AlignattError(answer["problem"])
        longest = int(self._client.model_config.max_model_len)
        return Served(longest - 1, first["layers"], first["heads"], tuple(first["tapped"]))

    async def steps(self, ask: Ask) -> AsyncGenerator[Step, None]:
        """Yield steps as they are decoded; closing the iterator aborts the request."""
        key, first = uuid4().hex, len(ask.ids) - 1 - ask.guess
        parameters = _parameters(ask, key, first)
        outputs = self._client.generate(tokens_input(list(ask.ids)), parameters, key)
        self._rows[key] = {}
        position = first
        try:
            async with aclosing(outputs):
                async for output in outputs:
                    if position == first and ask.guess and output.num_cached_tokens > first:
                        break
                    for chosen in _choices(output, ask):
                        end = position + len(chosen)
                        if ask.heads:
                            rows = await self._take(key, range(position, end))
                        else:
                            rows = np.zeros((end - position, 0, len(ask.columns)), np.float32)
                        position = end
                        yield _step(chosen, rows, output, ask)
        finally:
            del self._rows[key]
            self._gone.append(key)
        if position == first and ask.guess:
            unguessed = ask.ids[: first + 1]
            again = replace(ask, ids=unguessed, guess=0, budget=ask.budget + ask.guess)
            async with aclosing(self.steps(again)) as steps:
                async for step in steps:
                    yield step

    async def _take(self, key: str, positions: range) -> Row:
        """Return rows [T, H, S]; one call to the workers serves all that wait for rows."""
        kept = self._rows[key]
        for _ in range(2):  # a call may have been on its way before these rows were there
            if any(position not in kept for position in positions):
                await self._fetch()
        if missing := [position for position in positions if position not in kept]:
            raise AlignattError(f"vLLM's workers gave no row for position {missing[0]}.")
        return np.stack([kept.pop(position) for position in positions])

    async def _fetch(self) -> None:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch_now())
        await asyncio.shield(self._fetching)

    async def _fetch_now(self) -> None:
        await asyncio.sleep(0)  # whoever got a token in the same step joins
        self._fetching = None
        gone, self._gone = self._gone, []
        arguments = (list(self._rows), gone)
        answers = await self._client.collective_rpc("take_rows", args=arguments)
        for taken in zip(*answers, strict=True):  # each worker has rows of its own heads only
            key, begin, shape, _ = taken[0]
            parts = [np.frombuffer(part[3], np.float32).reshape(shape) for part in taken]
            rows = np.sum(parts, axis=0)
            if key in self._rows:
                self._rows[key].update(enumerate(rows, start=begin))


def _parameters(ask: Ask, key: str, first: int) -> SamplingParams:
    """Greedy; a guess is verified by the likeliest token before each of its tokens.

    The prefix cache is read even though log-probabilities of the prompt are wanted: those of the
    guess, which is at its end, are still computed unless the guess itself is in the cache.
    """
    wanted = {
        "key": key,
        "first": first,
        "heads": [list(head) for head in ask.heads],
        "columns": [int(column) for column in ask.columns],
    }
    return SamplingParams(
        temperature=0.0,
        max_tokens=ask.budget,
        logprobs=ask.candidates,
        prompt_logprobs=1 if ask.guess else None,
        skip_reading_prefix_cache=False,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        extra_args={EXTRA: wanted} if ask.heads else None,
    )


def _choices(output: Any, ask: Ask) -> list[list[Choice]]:
    """Return the greedy tokens of an output: those for the guess with the next, then one by one."""
    verified = [] if not ask.guess else output.prompt_logprobs or []
    guessed = [_best(entry) for entry in verified[-ask.guess :]] if verified else []
    [completion] = output.outputs
    new = [
        (token, entry[token].logprob)
        for token, entry in zip(completion.token_ids, completion.logprobs or (), strict=True)
    ]
    return [[*guessed, choice] if n == 0 else [choice] for n, choice in enumerate(new)]


def _step(chosen: list[Choice], rows: Row, output: Any, ask: Ask) -> Step:
    candidates: Sequence[Choice] = ()
    if ask.candidates:
        entry = output.outputs[0].logprobs[0]
        likely = sorted(entry.items(), key=lambda item: -item[1].logprob)
        candidates = tuple((token, found.logprob) for token, found in likely)
    tokens, logprobs = zip(*chosen, strict=True)
    return Step(tokens, logprobs, rows, candidates)


def _best(entry: Any) -> Choice:
    """Return the likeliest token of a position's log-probabilities."""
    token, found = max(entry.items(), key=lambda item: item[1].logprob)
    return token, found.logprob
