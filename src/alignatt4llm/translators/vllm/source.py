"""Steps and their rows from a running vLLM engine, for any number of requests at once."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
from vllm import SamplingParams
from vllm.inputs.engine import tokens_input
from vllm.sampling_params import RequestOutputKind

from alignatt4llm.draft import Rows
from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm.ledger import EXTRA
from alignatt4llm.translators.vllm.mail import Inbox
from alignatt4llm.translators.vllm.steps import Ask, Served, Step

Choice = tuple[int, float]
"""Token and log-probability."""


class StepSource:
    """Turns asks into steps; `connect` makes one.

    Parameters
    ----------
    client
        A vLLM ``EngineClient`` whose workers are `RowWorker`.
    served
        What they can do.
    inbox
        Where their rows arrive.
    """

    def __init__(self, client: Any, served: Served, inbox: Inbox) -> None:
        self._client = client
        self.served = served
        self._inbox = inbox

    @classmethod
    async def connect(cls, client: Any) -> "StepSource":
        """Ask the workers what they can do, and have their rows come to this event loop.

        Raises
        ------
        AlignattError
            If they cannot read rows.
        """
        first, *_ = answers = await client.collective_rpc("describe_rows")
        for answer in answers:
            if answer["problem"]:
                raise AlignattError(answer["problem"])
        context = int(client.model_config.max_model_len) - 1
        served = Served(context, first["layers"], first["heads"], tuple(first["tapped"]))
        return cls(client, served, Inbox(len(answers)))

    async def steps(self, ask: Ask) -> AsyncGenerator[Step, None]:
        """Yield steps as they are decoded; closing the iterator aborts the request."""
        key, first = uuid4().hex, len(ask.ids) - 1 - ask.guess
        parameters = _parameters(ask, key, self._inbox.address)
        outputs = self._client.generate(tokens_input(list(ask.ids)), parameters, key)
        position = first
        with self._inbox.expecting(key) as arriving:
            async with aclosing(outputs):
                async for output in outputs:
                    if position == first and ask.guess and output.num_cached_tokens > first:
                        break
                    for chosen in _choices(output, ask):
                        end = position + len(chosen)
                        if ask.heads:
                            rows = await arriving.take(range(position, end))
                        else:
                            rows = np.zeros((end - position, 0, len(ask.columns)), np.float32)
                        position = end
                        yield _step(chosen, rows, output, ask)
        if position == first and ask.guess:
            unguessed = ask.ids[: first + 1]
            again = replace(ask, ids=unguessed, guess=0, budget=ask.budget + ask.guess)
            async with aclosing(self.steps(again)) as steps:
                async for step in steps:
                    yield step

    def close(self) -> None:
        """Take in no more rows; nothing is asked after it."""
        self._inbox.close()


def _parameters(ask: Ask, key: str, address: str) -> SamplingParams:
    """Greedy; a guess is verified by the likeliest token before each of its tokens.

    The prefix cache is read even though log-probabilities of the prompt are wanted: those of the
    guess, which is at its end, are still computed unless the guess itself is in the cache.
    """
    wanted = {
        "key": key,
        "to": address,
        "first": len(ask.ids) - 1 - ask.guess,
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


def _step(chosen: list[Choice], rows: Rows, output: Any, ask: Ask) -> Step:
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
