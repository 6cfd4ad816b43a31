"""Work beside vLLM's own: one piece at a time, finished before anything is overwritten."""

import os
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from alignatt4llm.translators.vllm import beside as beside_module
from alignatt4llm.translators.vllm.beside import Beside


@pytest.fixture
def beside():
    beside = Beside()
    yield beside
    beside.close()


def test_work_runs_in_another_thread_and_is_done_when_it_is_finished(beside):
    done = []

    def work():
        time.sleep(0.05)
        done.append(threading.current_thread())

    beside.begin(work)
    assert not done
    beside.finish()
    assert done and done[0] is not threading.current_thread()


def test_what_work_raises_is_raised_once(beside):
    beside.begin(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        beside.finish()
    beside.finish()


@pytest.mark.skipif(sys.platform != "linux", reason="processors are chosen on Linux only")
def test_it_runs_wherever_the_engine_of_a_bound_worker_may(monkeypatch):
    every, threads, found = os.sched_getaffinity(0), torch.get_num_threads(), []
    engine = SimpleNamespace(pid=os.getppid())
    for parent, allowed in [(engine, os.sched_getaffinity(engine.pid)), (None, {min(every)})]:
        monkeypatch.setattr(beside_module, "parent_process", lambda parent=parent: parent)
        beside = Beside()
        try:
            os.sched_setaffinity(0, {min(every)})  # as vLLM binds a worker
            beside.begin(lambda: found.append((os.sched_getaffinity(0), torch.get_num_threads())))
            beside.finish()
        finally:
            os.sched_setaffinity(0, every)
            beside.close()
        assert found.pop() == (allowed, 1)
    assert torch.get_num_threads() == threads


def test_a_processor_that_may_not_be_used_is_no_problem(monkeypatch):
    def refused(*arguments):
        raise PermissionError

    monkeypatch.setattr(beside_module, "parent_process", lambda: SimpleNamespace(pid=os.getppid()))
    monkeypatch.setattr(os, "sched_setaffinity", refused, raising=False)
    beside, done = Beside(), []
    beside.begin(lambda: done.append(True))
    beside.finish()
    beside.close()
    assert done
