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


def test_stages_run_in_another_thread_and_each_can_be_waited_for(beside):
    done, may_end = [], threading.Event()

    def first():
        time.sleep(0.05)
        done.append(threading.current_thread())
        return "gathered"

    def then(gathered):
        assert may_end.wait(60)
        done.append(gathered)

    beside.begin(first, then)
    assert not done
    beside.settle()
    assert len(done) == 1 and done[0] is not threading.current_thread()
    assert beside.busy
    may_end.set()
    beside.finish()
    assert not beside.busy
    assert done[1:] == ["gathered"]
    beside.settle()


def test_what_the_first_stage_raises_is_raised_and_the_second_does_not_begin(beside):
    begun = []
    beside.begin(lambda: 1 / 0, begun.append)
    with pytest.raises(ZeroDivisionError):
        beside.settle()
    with pytest.raises(ZeroDivisionError):
        beside.finish()
    beside.finish()
    assert not begun


def test_what_the_second_stage_raises_is_raised_once(beside):
    beside.begin(lambda: 0, lambda zero: 1 / zero)
    beside.settle()
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
            beside.begin(lambda: (os.sched_getaffinity(0), torch.get_num_threads()), found.append)
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
    beside.begin(lambda: True, done.append)
    beside.finish()
    beside.close()
    assert done
