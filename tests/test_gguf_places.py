"""Models in the GGUF format on this machine: in files and folders, Ollama's and LM Studio's."""

import json
from pathlib import Path

import pytest
from tiny_gguf_files import write_gguf

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.weights.lmstudio import lmstudio_models
from alignatt4llm.weights.models import is_gguf, resolve_gguf, resolve_llm, short_name
from alignatt4llm.weights.ollama import ollama_models


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A machine of one's own, with nothing on it."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.chdir(folder)
    return folder


def refused(name, *sentences):
    with pytest.raises(AlignattError) as caught:
        resolve_gguf(name)
    assert all(sentence in str(caught.value) for sentence in sentences), str(caught.value)
    return caught.value


def test_a_file_by_its_path(home):
    path = write_gguf(home / "models" / "Gemma-3-270M-Q8_0.gguf")
    for name in (str(path), "models/Gemma-3-270M-Q8_0.gguf", "~/models/Gemma-3-270M-Q8_0.gguf"):
        assert is_gguf(name)
        found = resolve_gguf(name)
        assert (found.name, found.location, found.revision) == ("gemma-3-270m", str(path), None)
    head_set_for(found.name, "en-de")


def test_the_name_of_a_link_is_the_models_not_that_of_what_it_points_to(home):
    """Caches of hubs keep files under their hashes."""
    for number in (1, 2):
        name = f"qwen3-1.7b-q8_0-{number:05}-of-00002.gguf"
        write_gguf(home / "blobs" / "0f1e.gguf", parts=2)
        blob = home / "blobs" / f"0f1e-{number:05}-of-00002.gguf"
        (home / name).symlink_to(blob.rename(home / "blobs" / f"hash{number}"))
    found = resolve_gguf("qwen3-1.7b-q8_0-00002-of-00002.gguf")
    assert found.location == str(home / "qwen3-1.7b-q8_0-00001-of-00002.gguf")
    assert found.name == "Qwen3-1.7B"


def test_a_file_may_be_called_anything(home):
    """A name that exists is a file whatever it looks like."""
    for name in ("weights", "ollama:gemma3", "a/b:c.gguf", "sha256-0f1e"):
        path = write_gguf(home / name, basename="gemma-3", size_label="270M")
        assert is_gguf(name)
        assert resolve_gguf(name).location == str(path)
    assert short_name("sha256-0f1e") == "gemma-3-270m"


GIVEN = {
    "one model": (["a-Q8_0.gguf"], "a"),
    "a model and what it sees with": (["a-Q8_0.gguf", "mmproj-a-f16.gguf"], "a"),
    "a split model": (["b-00001-of-00002.gguf", "b-00002-of-00002.gguf", "mmproj-b.gguf"], "b"),
    "what macOS leaves beside": (["a.gguf", "._a.gguf"], "a"),
    "capitals": (["A.GGUF"], "A"),
    "two models": (["a.gguf", "b.gguf"], "several GGUF models; give one of them: a.gguf, b.gguf."),
    "another quantisation": (["a-Q4_0.gguf", "a-Q8_0.gguf"], "several GGUF models"),
    "a model and a part": (["a.gguf", "b-00002-of-00002.gguf"], "several GGUF models"),
    "a part without the first": (["b-00002-of-00002.gguf"], "b-00001-of-00002.gguf' beside the"),
    "nothing": ([], "holds no GGUF model."),
    "only what models see with": (["mmproj-a.gguf"], "no language model but what is added to one"),
    "twice what models see with": (["mmproj-a.gguf", "mmproj-b.gguf"], "holds no GGUF model."),
}


@pytest.mark.parametrize("case", GIVEN)
def test_a_folder_stands_for_the_one_model_in_it(home, case):
    files, expected = GIVEN[case]
    folder = home / "folder"
    folder.mkdir()
    for name in files:
        if "-of-" in name:
            write_gguf(home / "parts" / "b.gguf", parts=2)
            (home / "parts" / name).rename(folder / name)
        elif name.startswith("._"):
            (folder / name).write_bytes(b"\0\5\26\7")
        else:
            write_gguf(folder / name, "clip" if name.startswith("mmproj") else "qwen2")
    assert is_gguf("folder") == bool(files)
    if " " in expected:
        refused("folder", expected)
    else:
        assert resolve_gguf("folder").name == expected


def test_a_folder_for_transformers_may_also_hold_a_gguf(home):
    path = write_gguf(home / "both" / "a.gguf")
    (home / "both" / "config.json").write_text("{}")
    assert not is_gguf("both")
    assert resolve_gguf("both").location == str(path)
    assert resolve_llm("both").location == str(home / "both")


def ollama(root, place, layers, *, whole=None, links=False):
    """Write a manifest as Ollama does; layers are pairs of a kind and the hash of a file."""
    kind = "application/vnd.ollama.image."
    record = whole or {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": "-"},
        "layers": [{"mediaType": kind + name, "digest": f"sha256:{h}"} for name, h in layers],
    }
    path = root / ("manifests-v2" if links else "manifests") / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def blob(root, digest, **general):
    return write_gguf(root / "blobs" / f"sha256-{digest}", **general)


@pytest.fixture
def store(home):
    """What Ollama keeps in a home: models of its library, of others, of a hub, and odd ones."""
    root = home / ".ollama" / "models"
    here = "registry.ollama.ai/library"
    for digest in ("aa", "bb", "cc", "dd"):
        blob(root, digest)
    ollama(root, f"{here}/qwen2.5/1.5b", [("model", "aa"), ("license", "x"), ("params", "y")])
    ollama(root, f"{here}/llama3.2/latest", [("model", "bb"), ("template", "t")])
    ollama(root, "registry.ollama.ai/someone/mt/latest", [("model", "cc")])
    ollama(root, "hf.co/Owner/Qwen3-1.7B-GGUF/Q4_K_M", [("model", "dd")])
    ollama(root, "ollama.com/library/newer/latest", [("model", "aa")], links=True)
    ollama(root, f"{here}/cloud/latest", [])
    ollama(root, f"{here}/taught/latest", [("model", "aa"), ("adapter", "bb")])
    ollama(root, f"{here}/tensors/latest", [("tensor", "aa"), ("tensor", "bb")])
    ollama(root, f"{here}/half/latest", [("model", "ee")])
    ollama(root, f"{here}/broken/latest", [], whole={"layers": [{"digest": 7}]})
    ollama(root, f"{here}/odd/latest", [], whole=["?"])
    (root / "manifests" / here / "qwen2.5" / ".DS_Store").write_bytes(b"\0")
    listed = {
        "mediaType": "application/vnd.ollama.manifest.list.v2+json",
        "manifests": [
            {"runner": "mlx", "layers": [{"mediaType": "application/vnd.ollama.image.tensor",
                                          "digest": "sha256:cc"}]},
            {"runner": "llamacpp", "digest": "sha256:9f"},
        ],
    }  # fmt: skip
    ollama(root, f"{here}/several/latest", [], whole=listed)
    inside = ollama(root, "x/y/z/9f", [("model", "bb")])
    inside.rename(root / "blobs" / "sha256-9f")
    return root


OLLAMA = {
    "qwen2.5:1.5b": "aa",
    "QWEN2.5:1.5B": "aa",
    "library/qwen2.5:1.5b": "aa",
    "registry.ollama.ai/library/qwen2.5:1.5b": "aa",
    "llama3.2": "bb",
    "llama3.2:latest": "bb",
    "someone/mt": "cc",
    "hf.co/Owner/Qwen3-1.7B-GGUF:Q4_K_M": "dd",
    "newer": "aa",
    "several": "bb",
}


@pytest.mark.parametrize("name", OLLAMA)
def test_a_model_that_ollama_has(store, name):
    assert is_gguf(f"ollama:{name}")
    found = resolve_gguf(f"ollama:{name}")
    assert found.location == str(store / "blobs" / f"sha256-{OLLAMA[name]}")


NOT_OLLAMA = {
    "qwen2.5": "Ollama has no model 'qwen2.5:latest' on this machine. It has: ",
    "qwen2.5:7b": "llama3.2:latest, ",
    "other/mt": "someone/mt:latest",
    "cloud": "is not one GGUF file",
    "tensors": "is not one GGUF file",
    "taught": "has an adapter, which would be left out",
    "half": "Ollama has not all of 'half:latest'",
    "broken": "What Ollama knows of 'broken:latest' cannot be read",
    "odd": "'ollama pull odd:latest' makes it anew",
    "": "Ollama has no model",
}


@pytest.mark.parametrize("name", NOT_OLLAMA)
@pytest.mark.usefixtures("store")
def test_a_model_that_ollama_has_not(name):
    refused(f"ollama:{name}", NOT_OLLAMA[name])


def test_ollamas_models_are_elsewhere_if_it_says_so(home, monkeypatch):
    assert isinstance(refused("ollama:mt", f"It has: nothing in {home}/.ollama/models"), UsageError)
    root = home / "elsewhere"
    path = blob(root, "aa", name="Gemma 3 270m")
    ollama(root, "registry.ollama.ai/library/mt/latest", [("model", "aa")])
    monkeypatch.setenv("OLLAMA_MODELS", f'"{root}"')
    assert list(ollama_models()) == ["mt:latest"]
    found = resolve_gguf("ollama:mt")
    assert (found.location, found.name) == (str(path), "gemma-3-270m")
    assert short_name("ollama:mt") == "gemma-3-270m"


@pytest.mark.usefixtures("store")
def test_a_model_of_ollama_without_a_name_is_called_as_there():
    assert short_name("ollama:qwen2.5:1.5b") == "qwen2.5-1.5b"
    assert short_name("ollama:hf.co/Owner/Qwen3-1.7B-GGUF:Q4_K_M") == "Qwen3-1.7B"


@pytest.fixture
def studio(home):
    """What LM Studio keeps in a home."""
    root = home / ".lmstudio" / "models"
    write_gguf(root / "google" / "gemma-4-E4B-it-GGUF" / "gemma-4-E4B-it-Q4_K_M.gguf")
    write_gguf(root / "google" / "gemma-4-E4B-it-GGUF" / "mmproj-gemma-4.gguf", "clip")
    write_gguf(root / "tencent" / "HY-MT" / "HY-MT1.5-1.8B-Q4_K_M.gguf")
    write_gguf(root / "tencent" / "HY-MT" / "HY-MT1.5-1.8B-Q8_0.gguf")
    write_gguf(root / "mlx" / "mt-4bit" / "ignored.safetensors")
    return root


STUDIO = {
    "google/gemma-4-E4B-it-GGUF": "gemma-4-E4B-it-Q4_K_M.gguf",
    "google/gemma-4-E4B-it-GGUF/gemma-4-E4B-it-Q4_K_M.gguf": "gemma-4-E4B-it-Q4_K_M.gguf",
    "Google/Gemma-4-e4b-it-gguf/": "gemma-4-E4B-it-Q4_K_M.gguf",
    "gemma-4-E4B-it-GGUF": "gemma-4-E4B-it-Q4_K_M.gguf",
    "gemma-4-E4B-it-Q4_K_M": "gemma-4-E4B-it-Q4_K_M.gguf",
    "google": "gemma-4-E4B-it-Q4_K_M.gguf",
    "tencent/HY-MT/HY-MT1.5-1.8B-Q8_0": "HY-MT1.5-1.8B-Q8_0.gguf",
}


@pytest.mark.parametrize("name", STUDIO)
def test_a_model_that_lm_studio_has(studio, name):
    assert is_gguf(f"lmstudio:{name}")
    path = Path(resolve_gguf(f"lmstudio:{name}").location)
    assert path.name == STUDIO[name] and path.is_relative_to(studio)


NOT_STUDIO = {
    "tencent/HY-MT": "several GGUF models; give one of them: tencent/HY-MT/HY-MT1.5-1.8B-Q4_K_M.gg",
    "gemma": "LM Studio has no model 'gemma' on this machine. It has: google/gemma-4-E4B-it-GGUF/",
    "mlx/mt-4bit": "LM Studio has no model 'mlx/mt-4bit'",
    "": "LM Studio has no model",
}


@pytest.mark.parametrize("name", NOT_STUDIO)
@pytest.mark.usefixtures("studio")
def test_a_model_that_lm_studio_has_not(name):
    refused(f"lmstudio:{name}", NOT_STUDIO[name])


PLACES = [".cache/lm-studio/models", "moved/models", "downloads"]


@pytest.mark.parametrize("place", PLACES)
def test_lm_studios_models_are_elsewhere_if_it_says_so(home, place):
    refused("lmstudio:mt", f"It has: nothing in {home}/.lmstudio/models")
    (home / ".lmstudio").mkdir()
    if place == "moved/models":
        (home / ".lmstudio-home-pointer").write_text(f"{home / 'moved'}\n")
    if place == "downloads":
        text = json.dumps({"downloadsFolder": str(home / place)})
        (home / ".lmstudio" / "settings.json").write_text(text)
    path = write_gguf(home / place / "someone" / "mt" / "mt.gguf")
    assert lmstudio_models() == {"someone/mt/mt.gguf": path}
    assert resolve_gguf("lmstudio:someone/mt").location == str(path)
