"""Rows reach whoever asked for them, whole and in any order."""

import asyncio

import numpy as np
import pytest
import torch

pytest.importorskip(
    "vllm.sampling_params", reason="vLLM is not installed; 'make test-vllm' brings it"
)

from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm import mail
from alignatt4llm.translators.vllm.ledger import Part, Wanted

HEADS, COLUMNS = [(0, 0), (1, 0)], [0, 1, 2]


def part(key, to, begin, end):
    return Part(Wanted(key, to, 0, HEADS, COLUMNS, []), begin, end)


def rows(begin, end, head):
    """Rows of a worker that has one of the heads: position, head and column can be told apart."""
    found = torch.zeros(end - begin, 2, 3)
    found[:, head] = torch.arange(begin, end)[:, None] * 10.0 + torch.arange(3.0)
    return found


def expected(begin, end):
    return (rows(begin, end, 0) + rows(begin, end, 1)).numpy()


@pytest.fixture
def workers():
    outboxes = [mail.Outbox(n, torch.device("cpu")) for n in range(2)]
    yield outboxes
    for outbox in outboxes:
        outbox.close()


def test_rows_of_all_workers_are_put_together_and_repeated_steps_count_once(workers):
    async def taken():
        inbox = mail.Inbox(2)
        with inbox.expecting("a") as one, inbox.expecting("b") as other:
            for begin, end in [(4, 7), (7, 8), (6, 8)]:  # the last as after a preemption
                asked = [part(key, inbox.address, begin, end) for key in ("a", "b", "nobody's")]
                for n, outbox in enumerate(workers):
                    outbox.send(asked, [rows(begin, end, n)] * 3)
            found = await other.take(range(4, 8)), await one.take(range(4, 7))
        with inbox.expecting("a") as again:
            workers[0].send([part("a", inbox.address, 1, 2)], [rows(1, 2, 0)])
            workers[1].send([part("a", inbox.address, 1, 2)], [rows(1, 2, 1)])
            found = *found, await again.take(range(1, 2))
        inbox.close()
        return found

    for got, (begin, end) in zip(asyncio.run(taken()), [(4, 8), (4, 7), (1, 2)], strict=True):
        np.testing.assert_array_equal(got, expected(begin, end))


def test_rows_that_do_not_come_are_missed(workers, monkeypatch):
    monkeypatch.setattr(mail, "PATIENCE", 0.2)

    async def taken():
        inbox = mail.Inbox(2)
        try:
            with inbox.expecting("a") as arriving:
                workers[0].send([part("a", inbox.address, 4, 6)], [rows(4, 6, 0)])
                workers[1].send([part("a", inbox.address, 4, 5)], [rows(4, 5, 1)])
                await arriving.take(range(4, 6))
        finally:
            inbox.close()

    with pytest.raises(AlignattError, match="no row for position 5"):
        asyncio.run(taken())
