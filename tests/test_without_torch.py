"""Where neither torch nor transformers is installed: translating and serving, and what is told."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from serve_harness import Client, free_port, run, s16le, start_process
from tiny_gguf import save_gguf

from alignatt4llm.audio.decode import read
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.machine.threads import beside
from alignatt4llm.translators.base import Asked
from alignatt4llm.translators.table import load_translator

pytestmark = pytest.mark.models
SAMPLE = Path(__file__).parent.parent / "samples" / "fleurs-en-000.ogg"
ABSENT = ("torch", "transformers", "accelerate", "peft", "torchaudio")
PROGRAM = (
    "-c",
    f"""
import sys
for name in {ABSENT}:
    sys.modules[name] = None
from alignatt4llm.cli.main import main
code = main(sys.argv[1:])
assert not any(sys.modules.get(name) for name in {ABSENT})
sys.exit(code)
""",
)
EMBEDDED = ("--model", "embedded")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Threads that wait for one another are slow where other tests keep the processors busy."""
    monkeypatch.setenv("ALIGNATT_THREADS", "1")


def alignatt(*arguments, cwd=None):
    """Run the command in a process of its own, in which torch cannot be imported."""
    command = [sys.executable, *PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_a_recording_is_translated(tmp_path):
    events = tmp_path / "events.jsonl"
    done = alignatt("translate", SAMPLE, "--to", "de", "--fast", *EMBEDDED, "--jsonl", events)
    assert done.returncode == 0, done.stderr
    said = "".join(
        event["text"]
        for event in map(json.loads, events.read_text("utf-8").splitlines())
        if event["type"] == "commit"
    )
    assert "Jahre" in said and said == done.stdout.strip("\n")


def test_speech_is_translated_for_clients_of_a_server(tmp_path):
    port = free_port()
    process = start_process(tmp_path, port, "embedded", seconds=60, program=PROGRAM)
    audio = s16le(np.concatenate(list(read(str(SAMPLE)))))

    async def spoken(language):
        client = await Client(port, ping_timeout=None).open(to=language)
        await client.play(audio)
        return await client.finish()

    try:
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        german, chinese = run(both(spoken("de"), spoken("zh")), 300)
    finally:
        process.terminate()
        _, told = process.communicate(timeout=60)
    assert len({"der", "die", "in", "den", "westlichen"} & set(german.split())) > 2
    assert any("\u4e00" <= sign <= "\u9fff" for sign in chinese)
    assert process.returncode == 0 and "Traceback" not in told


async def both(*clients):
    return await asyncio.gather(*clients)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What the commands are given."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "a.en").write_text("The train leaves.\n" * 20)
    (folder / "a.de").write_text("Der Zug fährt.\n" * 20)
    HeadSet("model", "en-de", ((0, 0),)).save(folder / "heads.json")
    save_gguf(folder / "tiny.gguf", "llama", max_position_embeddings=4096)
    (folder / "model").mkdir()
    (folder / "speech").mkdir()
    shutil.copy(SAMPLE, folder / "speech" / "one.ogg")
    clip = {"audio": "one.ogg", "en": "However, due to the slow communication channels."}
    (folder / "speech" / "references.json").write_text(json.dumps([clip]))
    (folder / "model" / "config.json").write_text('{"model_type": "qwen3_asr"}')
    return folder


TEXTS = ("--pair", "en-de", "--data", "a.en", "a.de", "--out", "out")
NO_TEXTS = (
    "--model", "tiny.gguf", "--engine", "llama.cpp", "--pair", "sv-en", "--out", "sv.json",
)  # fmt: skip
TOLD = [
    # what is asked for; the extra that is named, the commands that need nothing more have none
    (["translate", SAMPLE, "--to", "de", *EMBEDDED, "--engine", "transformers"], "transformers"),
    (["translate", SAMPLE, "--to", "de", "--engine", "transformers"], "transformers"),
    (["translate", SAMPLE, "--to", "de", "--model", "model", "--heads", "heads.json"],
     "transformers"),
    (["translate", SAMPLE, "--to", "de", *EMBEDDED, "--recognizer", "model"], "qwen3-asr"),
    (["heads", "calibrate", *TEXTS], "transformers"),
    (["heads", "calibrate", *NO_TEXTS, "--sentences", "8", "--held-out", "1"], None),
    (["adapt", *EMBEDDED, *TEXTS], "adapt"),
    (["bench"], "transformers"),
    (["evaluate", "run", "--data", SAMPLE.parent, "--pair", "en-de", "--out", "out"],
     "transformers"),
    (["evaluate", "tail", "--data", "speech"], None),
    (["heads", "show", "embedded:en-de"], None),
    (["translate", "--to", "de", "--dry-run"], None),
    (["translate", "--to", "zh", "--dry-run", "--preset", "paper-low"], None),
    (["models", "list"], None),
    (["models", "fetch", "embedded"], None),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "extra"), TOLD)
def test_what_needs_torch_says_so_in_a_sentence(files, asked, extra):
    done = alignatt(*asked, cwd=files)
    told = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    if extra is None:
        assert done.returncode == 0 and done.stdout
    else:
        assert done.returncode == 1
        assert told[-1].startswith("alignatt: error: ")
        assert f"pip install 'alignatt4llm[{extra}]'." in told[-1]


@pytest.mark.parametrize("engine", ["transformers", "vllm", "llama.cpp"])
def test_what_an_engine_lacks_is_told_before_weights_are_prepared(monkeypatch, engine):
    for package in ("torch", "vllm", "xllamacpp", "llama_cpp"):
        monkeypatch.setitem(sys.modules, package, None)
    told = []
    with pytest.raises(AlignattError, match=rf"The engine '{engine}' needs the package"):
        load_translator(engine, Asked("embedded", tell=told.append))
    assert not told


def test_the_recogniser_takes_the_threads_that_suit_the_translator(monkeypatch):
    monkeypatch.setattr("alignatt4llm.machine.threads.available_cpus", lambda: 64)
    monkeypatch.delenv("ALIGNATT_THREADS", raising=False)
    assert (beside(), beside(2)) == (4, 2)
    monkeypatch.setattr("alignatt4llm.machine.threads.available_cpus", lambda: 2)
    assert beside() == 2
    monkeypatch.setenv("ALIGNATT_THREADS", "3")
    assert (beside(), beside(2)) == (3, 3)
