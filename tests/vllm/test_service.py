"""``alignatt serve-engine`` and the session servers that use it."""

import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

pytest.importorskip(
    "vllm.sampling_params", reason="vLLM is not installed; 'make test-vllm' brings it"
)

import httpx
import torch
from crowd import checkpoint
from test_drafting import PAIR, assert_same, drafts, head_set, prompt

from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.translators.transformers import TransformersTranslator
from alignatt4llm.translators.vllm.remote import KEY, RemoteEngine
from alignatt4llm.translators.vllm.steps import Ask
from alignatt4llm.translators.vllm.translator import VllmTranslator
from alignatt4llm.translators.vllm.wire import STEPS


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder, *more):
    """Serve a model while this lasts; gives the address."""
    port = free_port()
    command = [sys.executable, "-m", "alignatt4llm.cli.main", "serve-engine"]
    flags = ["--dtype", "float32", "--max-model-len", "512", "--api-key", "secret", *more]
    process = subprocess.Popen(
        [*command, "--model", str(folder), "--port", str(port), "--", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/health").is_success:
                break
        except httpx.HTTPError:
            time.sleep(1)
    yield address
    process.terminate()
    process.wait(60)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A served tiny model: its address and its folder."""
    folder = checkpoint(tmp_path_factory.mktemp("served"), "llama")
    with serving(folder) as address:
        yield address, folder


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv(KEY, "secret")


def assert_drafts_as_transformers(address, folder, rows, streams=1):
    reference = TransformersTranslator(folder, threads=1, dtype=torch.float32)
    for row in rows:
        other = reference.open(PAIR, head_set(row))
        right = drafts(lambda drafter=other: drafter, 5)
        for _ in range(streams):
            remote = VllmTranslator.remote(address)
            assert remote.name == folder.name
            one = remote.open(PAIR, head_set(row))
            made = drafts(lambda drafter=one: drafter, 5)
            for draft, expected in zip(made, right, strict=True):
                assert_same(draft, expected)
            remote.close()


def test_drafts_from_afar_are_those_of_transformers(served, key):
    assert_drafts_as_transformers(*served, ("predicting", "own"))


def test_whichever_server_process_answers_gets_its_rows(served, key):
    folder = served[1]
    with serving(folder, "--api-server-count", "2") as address:
        assert_drafts_as_transformers(address, folder, ("predicting",), streams=4)


def test_a_client_that_leaves_ends_its_work(served, key):
    engine = RemoteEngine(served[0])
    steps = engine.steps(Ask(list(range(3, 40)), 0, 400, [(0, 0)], [1]))
    next(steps)
    begin = time.monotonic()
    steps.close()
    remote = VllmTranslator.remote(served[0])
    assert remote.open(PAIR, head_set()).draft(prompt(["the"]), 4).ids
    assert time.monotonic() - begin < 60
    remote.close()
    engine.close()


def test_what_an_engine_refuses_is_told_in_a_sentence(served, key):
    engine = RemoteEngine(served[0])
    for ask in (
        Ask([5, 6], 2, 4, [(0, 0)], [0]),
        Ask([5, 6], 0, 4, [(0, 0)], [2]),
        Ask([5, 6], 0, 4, [(9, 0)], [0]),
        Ask([5] * 600, 0, 4, [(0, 0)], [0]),
    ):
        with pytest.raises(AlignattError, match=r"refuses: .*(ids|columns|layers)"):
            next(engine.steps(ask))
    with pytest.raises(AlignattError, match="4 layers of 4 heads"):
        engine.served.check(HeadSet("tiny", "en-de", ((7, 0),)).heads)
    answer = httpx.post(
        served[0] + STEPS, json={"ids": 3}, headers={"Authorization": "Bearer secret"}
    )
    assert answer.status_code == 400
    engine.close()


def test_a_key_is_asked_for_and_vllms_own_routes_are_there(served, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(AlignattError, match=KEY):
        VllmTranslator.remote(served[0])
    listed = httpx.get(served[0] + "/v1/models", headers={"Authorization": "Bearer secret"}).json()
    assert listed["data"][0]["id"] == served[1].name


def test_an_address_without_an_engine_is_told_in_a_sentence():
    with pytest.raises(AlignattError, match=r"does not answer.*alignatt serve-engine"):
        VllmTranslator.remote(f"http://127.0.0.1:{free_port()}")


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(["serve-engine", "--help"])
    assert "--engine http://" in capsys.readouterr().out
