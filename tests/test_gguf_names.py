"""Models in the GGUF format by name: what they are called, which engine runs them, the hub."""

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tiny_gguf_files import write_gguf

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.heads.loading import shipped_pairs
from alignatt4llm.settings.presets import PRESETS, preset
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.gguf_names import model_name, stem
from alignatt4llm.weights.hub import HubFile
from alignatt4llm.weights.models import is_gguf, resolve_gguf, resolve_llm, short_name

STEMS = {
    "gemma-3-270m-q4_k_m.gguf": "gemma-3-270m",
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf": "qwen2.5-coder-1.5b-instruct",
    "gemma-4-E4B-it-Q4_K_M.gguf": "gemma-4-E4B-it",
    "gemma-4-E4B-it-UD-Q4_K_XL.gguf": "gemma-4-E4B-it",
    "gemma-4-E4B-it-UD-IQ2_M.gguf": "gemma-4-E4B-it",
    "gemma-4-E4B-it-bf16.gguf": "gemma-4-E4B-it",
    "gemma-4-E4B-it-IQ4_XS.gguf": "gemma-4-E4B-it",
    "HY-MT1.5-1.8B-Q4_K_M.gguf": "HY-MT1.5-1.8B",
    "HY-MT1.5-1.8B.i1-IQ4_NL.gguf": "HY-MT1.5-1.8B",
    "HY-MT1.5-1.8B.Q8_0.GGUF": "HY-MT1.5-1.8B",
    "Qwen3-1.7B-F16.gguf": "Qwen3-1.7B",
    "Qwen3-1.7B.f32.gguf": "Qwen3-1.7B",
    "Qwen3-1.7B-Q6_K_L.gguf": "Qwen3-1.7B",
    "Qwen3-1.7B_Q4_0_4_4.gguf": "Qwen3-1.7B",
    "Qwen3-1.7B-imat-Q5_K_S.gguf": "Qwen3-1.7B",
    "Qwen3-1.7B.imatrix.IQ3_XXS.gguf": "Qwen3-1.7B",
    "Phi-3-mini-4k-instruct-q4.gguf": "Phi-3-mini-4k-instruct",
    "Phi-3-mini-4k-instruct-fp16.gguf": "Phi-3-mini-4k-instruct",
    "gpt-oss-20b-mxfp4.gguf": "gpt-oss-20b",
    "gpt-oss-20b-MXFP4_MOE.gguf": "gpt-oss-20b",
    "gemma-3-4b-it-qat-q4_0.gguf": "gemma-3-4b-it",
    "BitNet-b1.58-2B-4T-TQ2_0.gguf": "BitNet-b1.58-2B-4T",
    "ggml-model-i2_s.gguf": "ggml-model",
    "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf": "qwen2.5-7b-instruct",
    "Q4_K_M/Qwen3-4B-Q4_K_M-00002-of-00003.gguf": "Qwen3-4B",
    "EuroLLM-1.7B-Instruct.gguf": "EuroLLM-1.7B-Instruct",
    "talk-model.gguf": "talk-model",
    "tower.v2.7b.gguf": "tower.v2.7b",
    "Q8_0.gguf": "",
}


@pytest.mark.parametrize("name", STEMS)
def test_names_of_files_without_their_quantisation(name):
    assert stem(name) == STEMS[name]


KNOWN = ["gemma-3-270m", "gemma-4-E4B-it", "Qwen3-1.7B", "qwen2.5-coder-1.5b-instruct"]
NAMES = [
    # the file's name, whatever the spelling; publishers and downloaders write before it
    ("Gemma-3-270M-Q8_0.gguf", "", "models", "gemma-3-270m"),
    ("gemma_3_270m.gguf", "", "models", "gemma-3-270m"),
    ("google_gemma-4-E4B-it-Q4_K_M.gguf", "", "models", "gemma-4-E4B-it"),
    ("google.gemma-4-E4B-it.Q4_K_M.gguf", "", "models", "gemma-4-E4B-it"),
    ("ggml-org_gemma-4-E4B-it-GGUF_gemma-4-e4b-it-Q4_K_M.gguf", "", "x", "gemma-4-E4B-it"),
    ("gemma-3-270m.gguf", "Qwen3 1.7B", "models", "gemma-3-270m"),
    # the name inside, where the file's is of no use or nobody's
    ("sha256-0f1e.gguf", "Gemma 3 270m", "blobs", "gemma-3-270m"),
    ("sha256-0f1e", "Qwen2.5 Coder 1.5B Instruct GGUF", "x", "qwen2.5-coder-1.5b-instruct"),
    ("talk-model.gguf", "Qwen3-1.7B", "models", "Qwen3-1.7B"),
    ("ggml-model-q4_0.gguf", "google/gemma-4-E4B-it", "models", "gemma-4-E4B-it"),
    # the place, where neither tells anything
    ("Q4_K_M.gguf", "", "unsloth/Qwen3-1.7B-GGUF", "Qwen3-1.7B"),
    ("model.gguf", "Models", "gemma-3-270m", "gemma-3-270m"),
    ("sha256-0f1e", "", "gemma3:270m", "gemma3-270m"),
    # what is not known keeps its name; a relative is another model
    ("gemma-3-270m-it-Q8_0.gguf", "Gemma 3 270M It", "gemma-3-270m", "gemma-3-270m-it"),
    ("gemma-3-270m-it-Q8_0.gguf", "", "gemma-3-270m", "gemma-3-270m-it"),
    ("Qwen3-1.7B-Base.gguf", "Qwen3 1.7B Base", "Qwen3-1.7B-GGUF", "Qwen3-1.7B-Base"),
    ("Qwen3-11.7B.gguf", "", "models", "Qwen3-11.7B"),
    ("talk-model-f16.gguf", "Something Else", "models", "talk-model"),
    ("sha256-0f1e", "Something Else", "blobs", "Something-Else"),
    ("model.gguf", "", "", "model"),
]


@pytest.mark.parametrize(("file", "inside", "place", "name"), NAMES)
def test_a_model_has_one_name_whatever_its_quantisation(file, inside, place, name):
    assert model_name(file, inside, place, KNOWN) == name


@pytest.mark.parametrize(("file", "made_for"), [
    ("gemma-3-270m-it-Q4_K_M.gguf", 0), ("gemma-3-270m.Q4_K_M.gguf", 3),
    ("MiLMMT-46-4B-v0.1.i1-Q4_K_M.gguf", 3), ("Qwen3-1.7B-Q8_0.gguf", 1),
    ("qwen2.5-coder-1.5b-instruct-q8_0.gguf", 1), ("google_gemma-4-E4B-it-Q4_0.gguf", 3),
])  # fmt: skip
def test_head_sets_that_are_shipped_belong_to_every_quantisation(file, made_for):
    assert len(shipped_pairs(short_name(f"someone/some-GGUF:{file}"))) >= made_for


HUB = {
    "owner/repo:file.gguf": HubFile("owner/repo", None, "file.gguf"),
    "owner/repo@abc123:file.gguf": HubFile("owner/repo", "abc123", "file.gguf"),
    "owner/repo@refs/pr/3:Q4_K_M/file.gguf": HubFile("owner/repo", "refs/pr/3", "Q4_K_M/file.gguf"),
    "own.er/re_po-GGUF:a b.gguf": HubFile("own.er/re_po-GGUF", None, "a b.gguf"),
    "owner/repo": None,
    "owner/repo@abc123": None,
    "ollama:owner/model:tag": None,
    "lmstudio:owner/repo": None,
    "C:/models/a.gguf": None,
    "C:\\models\\a.gguf": None,
    "/models/owner/repo:a.gguf": None,
    "./owner/repo:a.gguf": None,
    "http://localhost:8000": None,
}  # fmt: skip


@pytest.mark.parametrize("name", HUB)
def test_files_on_the_hub_are_told_by_their_names(name):
    assert HubFile.parse(name) == HUB[name]


FOR_LLAMA_CPP = [
    "a.gguf", "A.GGUF", "models/a-00001-of-00002.gguf", "/models/owner/repo:a.gguf",
    "C:\\models\\a.gguf", "ollama:gemma3", "lmstudio:google/gemma-4-E4B-it-GGUF",
    "owner/repo:a.gguf", "owner/repo:Q4_K_M", "gemma-4-e4b-gguf", "hy-mt-1.8b-gguf",
]  # fmt: skip
FOR_OTHERS = [
    "embedded", "embedded-large", "gemma-3-270m", "gemma-4-e4b", "hy-mt-1.8b", "owner/repo",
    "Qwen/Qwen3-1.7B-GGUF", "owner/repo@abc123", "scripted", "folder", "gguf", "http://localhost:80",
]  # fmt: skip


@pytest.mark.parametrize("name", [*FOR_LLAMA_CPP, *FOR_OTHERS])
def test_what_only_llama_cpp_runs_is_told_from_the_name(name):
    assert is_gguf(name) == (name in FOR_LLAMA_CPP)
    if is_gguf(name):
        with pytest.raises(UsageError, match=r"GGUF format; take --engine llama\.cpp"):
            resolve_llm(name)


@pytest.mark.parametrize("name", ["Qwen/Qwen3-1.7B", "qwen3-1.7b", "nothing", "a/b/c/d"])
def test_what_llama_cpp_does_not_run_is_told(name):
    with pytest.raises(UsageError, match=r"is no GGUF model; for llama.cpp, give FILE\.gguf"):
        resolve_gguf(name)


@pytest.mark.parametrize("name", ["a.gguf", "unsloth/gemma-4-E4B-it-GGUF/a.gguf", "~/x/a.gguf",
                                  "https://hf.co/owner/repo/resolve/main/a.gguf"])  # fmt: skip
def test_a_file_that_is_not_there_is_told(name):
    with pytest.raises(UsageError) as caught:
        resolve_gguf(name)
    assert str(caught.value).startswith(f"There is no file '{name}'; ")
    assert "OWNER/REPOSITORY:FILE.gguf on a hub" in str(caught.value)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one repository; what is asked of it."""
    asked = []
    files = tmp_path / "hub"
    write_gguf(files / "Qwen3-1.7B-Q8_0.gguf", basename="Qwen3", size_label="1.7B")
    write_gguf(files / "Q4_K_M" / "big-Q4_K_M.gguf", parts=2)
    write_gguf(files / "TRANSLATED-Q4_K_M.gguf")
    (files / "page.gguf").write_text("<html>")

    def download(repository, file, *, revision):
        asked.append((repository, file, revision))
        if repository != "owner/repo-GGUF" or not (files / file).exists():
            raise RemoteEntryNotFoundError("404", response=ANSWER)
        return str(files / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


ANSWER = httpx.Response(404, request=httpx.Request("GET", "https://hub.example"))


def test_a_file_of_the_hub(hub, tmp_path):
    found = resolve_gguf("owner/repo-GGUF@abc123:Qwen3-1.7B-Q8_0.gguf")
    assert (found.name, found.revision) == ("Qwen3-1.7B", "abc123")
    assert found.location == str(tmp_path / "hub" / "Qwen3-1.7B-Q8_0.gguf")
    assert hub == [("owner/repo-GGUF", "Qwen3-1.7B-Q8_0.gguf", "abc123")]


@pytest.mark.parametrize("given", [1, 2])
def test_all_parts_of_a_file_of_the_hub(hub, tmp_path, given):
    found = resolve_gguf(f"owner/repo-GGUF:Q4_K_M/big-Q4_K_M-{given:05}-of-00002.gguf")
    first = tmp_path / "hub" / "Q4_K_M" / "big-Q4_K_M-00001-of-00002.gguf"
    assert (found.name, found.location, found.revision) == ("big", str(first), None)
    assert [file for _, file, _ in hub] == [
        f"Q4_K_M/big-Q4_K_M-{part:05}-of-00002.gguf" for part in (1, 2)
    ]


def test_a_file_of_the_hub_without_a_name_is_called_like_its_repository():
    assert short_name("owner/Qwen3-1.7B-GGUF:ggml-model-Q8_0.gguf") == "Qwen3-1.7B"
    assert short_name("owner/Some-Model-GGUF:Q8_0.gguf") == "Some-Model"


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("name", "sentence"), [
    ("owner/repo-GGUF:b.gguf", "There is no file 'b.gguf' in 'owner/repo-GGUF' on the hub"),
    ("owner/repo-GGUF:Q4_K_M", "names no file of 'owner/repo-GGUF'; give it as owner/"),
    ("owner/repo-GGUF:page.gguf", "begins with '<html>'"),
])  # fmt: skip
def test_a_file_that_the_hub_has_not_is_told(name, sentence):
    with pytest.raises(AlignattError) as caught:
        resolve_gguf(name)
    assert sentence in str(caught.value)


def test_a_quantisation_is_no_file_also_before_anything_is_downloaded():
    with pytest.raises(UsageError, match="'Q4_K_M' names no file"):
        short_name("owner/repo-GGUF:Q4_K_M")


PROBLEMS = {
    "is gated": GatedRepoError("401", response=ANSWER),
    "There is no model": RepositoryNotFoundError("404", response=ANSWER),
    "no such revision": RevisionNotFoundError("404", response=ANSWER),
    "no model hub can be reached": LocalEntryNotFoundError("no connection"),
}


@pytest.mark.parametrize("sentence", PROBLEMS)
def test_why_a_file_cannot_be_had_from_the_hub_is_told(monkeypatch, sentence):
    def refuse(*_, **__):
        raise PROBLEMS[sentence]

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(AlignattError, match=sentence):
        resolve_gguf("owner/repo-GGUF:b.gguf")


@pytest.mark.parametrize(("name", "model", "form"), [
    ("gemma-4-e4b-gguf", "gemma-4-e4b", "unsloth/gemma-4-E4B-it-GGUF:gemma-4-E4B-it-Q4_K_M.gguf"),
    ("hy-mt-1.8b-gguf", "hy-mt-1.8b",
     "tencent/HY-MT1.5-1.8B-GGUF@265b2e615a7dc9b06c435dc878829ad99a512ba2:HY-MT1.5-1.8B-Q4_K_M.gguf"),
])  # fmt: skip
def test_a_card_of_a_gguf_file_is_the_model_it_was_made_from(name, model, form):
    card, original = TRANSLATORS[name], TRANSLATORS[model]
    assert card.hub == form
    assert card.model == original.model == short_name(name) == short_name(form)
    assert (card.prompt, card.billions) == (original.prompt, original.billions)
    assert 0.5 * card.billions < card.gigabytes < card.billions


@pytest.mark.parametrize(("name", "model"), [
    ("laptop", "gemma-4-e4b-gguf"), ("laptop-small", "hy-mt-1.8b-gguf"),
])  # fmt: skip
def test_presets_for_laptops_run_in_llama_cpp(name, model):
    system = preset(name).system
    assert (system.model, system.engine, system.recognizer) == (model, "llama.cpp", "embedded")
    assert preset(name).pairs == preset(TRANSLATORS[model].name.removesuffix("-gguf")).pairs


def test_a_card_of_a_gguf_file_is_in_a_preset_that_runs_it():
    used = {
        chosen.system.model for chosen in PRESETS.values() if chosen.system.engine == "llama.cpp"
    }
    assert used == {card.name for card in TRANSLATORS.values() if card.file}
