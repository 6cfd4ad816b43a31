"""``alignatt adapt`` on a tiny checkpoint, and what its adapters do to the model they are for."""

import json
import shutil
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny import save_checkpoint
from transformers import AutoModelForCausalLM

from alignatt4llm.adapt import teaching
from alignatt4llm.adapt.corpus import Data
from alignatt4llm.adapt.course import Wanted, plan
from alignatt4llm.adapt.run import adapt
from alignatt4llm.adapt.settings import TeachingSettings
from alignatt4llm.calibrate import align as links
from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.cli import adapt as command
from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError, UsageError, silent
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Asked
from alignatt4llm.translators.merging import merge
from alignatt4llm.translators.table import load_translator
from alignatt4llm.weights.adapters import Adapter, find_adapter

DE, IT = Pair.parse("en-de"), Pair.parse("en-it")
NOUNS = ["train", "house", "river", "friend", "letter", "garden", "window", "teacher"]
SAID = {
    "de": ["Zug", "Haus", "Fluss", "Freund", "Brief", "Garten", "Fenster", "Lehrer"],
    "it": ["treno", "casa", "fiume", "amico", "lettera", "giardino", "finestra", "maestro"],
}
SETTINGS = TeachingSettings(steps=8, batch=2, rank=4, rate=2e-2, guided=2, score_every=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint and parallel text: a file a language, and a table of one pair."""
    folder = tmp_path_factory.mktemp("adapt")
    save_checkpoint(folder / "tiny", "qwen3", max_position_embeddings=1024)
    shapes = {"en": "I saw the {} and the {}, but {} of {} were gone.",
              "de": "Ich sah {} und {}, aber {} von {} waren fort.",
              "it": "Ho visto {} e {}, ma {} di {} erano via."}  # fmt: skip
    for code, shape in shapes.items():
        words = SAID.get(code, NOUNS)
        lines = [shape.format(words[n % 8], words[(3 * n + 1) % 8], n, 24) for n in range(24)]
        (folder / f"text.{code}.txt").write_text("\n".join(lines))
    rows = [
        f"The {noun} is here.\t{said} ist da." for noun, said in zip(NOUNS, SAID["de"], strict=True)
    ]
    (folder / "table.en-de.tsv").write_text("\n".join(rows))
    return folder


def diagonal(sources, targets, pair):
    """Link words in their order: eflomal needs more text than this to be sure."""
    return [
        Sentence(
            one,
            other,
            frozenset((n, n) for n in range(min(map(len, (one.split(), other.split()))))),
        )
        for one, other in zip(sources, targets, strict=True)
    ]


@pytest.fixture
def wanted(folder):
    return Wanted((DE,), (Data(f"{folder}/text.{{}}.txt", "CC0"),), held_out=3,
                  links=folder / "links")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def surroundings(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("ALIGNATT_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("ALIGNATT_THREADS", "1")
    patch.setenv("ALIGNATT_DEVICE", "cpu")
    patch.setattr(links, "align", diagonal)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def made(folder):
    """Teach once for all tests."""
    wanted = Wanted((DE,), (Data(f"{folder}/text.{{}}.txt", "CC0"),), held_out=3,
                    links=folder / "links")  # fmt: skip
    return adapt(str(folder / "tiny"), wanted, SETTINGS, folder / "made", silent)


def weights(adapter):
    return load_file(adapter.folder / "adapter_model.safetensors")


def same(one, other):
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


def test_the_adapter_says_what_it_is_and_what_it_was_taught(folder, made):
    read = Adapter.read(folder / "made")
    assert read.origin == json.loads(json.dumps(made.origin))
    assert (read.base, read.prompt, read.pairs) == ("tiny", "taught", ("en-de",))
    assert len(read.heads) == 2 and read.layout.layers == 4
    [data] = read.origin["data"]
    assert (data["licence"], data["sentences"] + sum(data["left_out"].values())) == ("CC0", 21)
    assert [one["step"] for one in read.origin["scores"]] == [0, 5, 8]
    assert read.origin["lessons"]["en-de"] == 16
    assert not (folder / "made" / "teaching.pt").exists()
    sheet = (folder / "made" / "README.md").read_text("utf-8")
    assert "| en-de | text.{}.txt | CC0 | 21 | none |" in sheet


def test_it_learns(made):
    curve = [one["loss"] for one in made.origin["scores"]]
    assert curve[-1] < curve[0]


def test_the_same_seed_gives_the_same_adapter_and_another_another(folder, made, wanted, tmp_path):
    again = adapt(str(folder / "tiny"), wanted, SETTINGS, tmp_path / "again", silent)
    assert same(weights(made), weights(again))
    other = TeachingSettings(**{**_fields(SETTINGS), "seed": 1})
    third = adapt(str(folder / "tiny"), wanted, other, tmp_path / "third", silent)
    assert not same(weights(made), weights(third))


def _fields(settings):
    return {name: getattr(settings, name) for name in settings.__slots__}


class Killed(Exception):
    pass


@pytest.mark.parametrize("step", [1, 4, 8])
def test_a_run_that_was_killed_goes_on_to_the_same_result(
    folder, made, wanted, tmp_path, monkeypatch, step
):
    monkeypatch.setattr(teaching, "SAVE_EVERY", 3)
    learn = teaching.Teaching._learn

    def mortal(self):
        if self.step == step - 1:
            raise Killed
        learn(self)

    monkeypatch.setattr(teaching.Teaching, "_learn", mortal)
    with pytest.raises(Killed):
        adapt(str(folder / "tiny"), wanted, SETTINGS, tmp_path / "out", silent)
    monkeypatch.setattr(teaching.Teaching, "_learn", learn)
    again = adapt(str(folder / "tiny"), wanted, SETTINGS, tmp_path / "out", silent)
    assert same(weights(made), weights(again))
    assert again.origin["curve"] == made.origin["curve"]
    assert again.origin["scores"] == made.origin["scores"]


def test_another_run_does_not_go_on_in_the_same_folder(folder, wanted, tmp_path):
    out, asked = tmp_path / "out", iter([False, True])
    assert adapt(str(folder / "tiny"), wanted, SETTINGS, out, silent, lambda: next(asked)) is None
    other = TeachingSettings(**{**_fields(SETTINGS), "rate": 1e-3})
    with pytest.raises(UsageError, match="holds a run with other settings"):
        adapt(str(folder / "tiny"), wanted, other, out, silent)
    (out / "teaching.pt").write_bytes(b"half")
    with pytest.raises(UsageError, match="cannot be read; delete it to begin anew"):
        adapt(str(folder / "tiny"), wanted, SETTINGS, out, silent)


def arguments(folder, out, *more):
    text = f"{folder}/text.{{}}.txt"
    fixed = ["adapt", "--model", folder / "tiny", "--pair", "en-de", "--data", text, "--out", out]
    few = ["--steps", 4, "--batch", 2, "--rank", 2, "--guided", 1, "--held-out", 3]
    return [str(each) for each in (*fixed, *few, "--links", folder / "links", *more)]


def test_ctrl_c_saves_and_the_same_command_goes_on(folder, tmp_path, monkeypatch, capsys):
    def tell(message):
        if message.startswith("en-de after 0 steps"):
            signal.raise_signal(signal.SIGINT)
        print(message)

    monkeypatch.setattr(command, "tell", tell)
    assert main(arguments(folder, tmp_path / "out")) == 130
    assert "the same command goes on from here" in capsys.readouterr().out
    monkeypatch.setattr(command, "tell", print)
    assert main(arguments(folder, tmp_path / "out", "--licence", "CC0")) == 0
    said = capsys.readouterr().out
    assert "going on after step 0 of 4" in said
    assert "an adapter for tiny, en-de" in said


def test_several_directions_share_an_adapter_and_data_may_lack_one(folder, tmp_path):
    data = (Data(f"{folder}/text.{{}}.txt"), Data(f"{folder}/table.{{}}.tsv"))
    wanted = Wanted((DE, IT), data, held_out=2, links=folder / "links")
    courses = plan(wanted, silent)
    assert [[part.data.name for part in one.parts] for one in courses] == [
        ["text.{}.txt", "table.{}.tsv"],
        ["text.{}.txt"],
    ]
    done = adapt(str(folder / "tiny"), wanted, SETTINGS, tmp_path / "two", silent)
    assert done.pairs == ("en-de", "en-it")
    assert {one["pair"] for one in done.origin["scores"]} == {"en-de", "en-it"}


def test_held_out_sentences_are_not_taught(folder):
    both = Data(f"{folder}/text.{{}}.txt")
    wanted = Wanted((DE,), (both, both), held_out=4, links=folder / "links")
    [course] = plan(wanted, silent)
    taught = {one.words for subject in course.subjects for one in subject.passages}
    assert len(course.held_out) == 4
    assert not taught & {one.words for one in course.held_out}
    assert {lesson.is_whole for lesson in course.exam} == {True, False}


def test_links_are_made_once_and_taken_again(folder, wanted, tmp_path, monkeypatch):
    wanted = replace(wanted, links=tmp_path / "links")
    first = plan(wanted, silent)[0]
    monkeypatch.setattr(links, "align", None)
    assert plan(wanted, silent)[0].digest == first.digest
    [kept] = (tmp_path / "links").iterdir()
    kept.write_text("0-0\n")
    with pytest.raises(TypeError):  # of another number of sentences: aligned anew
        plan(wanted, silent)


def test_a_table_serves_both_directions(folder):
    data = Data(f"{folder}/table.{{}}.tsv")
    assert data.read(DE)[0] == ("The train is here.", "Zug ist da.")
    assert data.read(Pair.parse("de-en"))[0] == ("Zug ist da.", "The train is here.")
    assert data.read(IT) == []


def test_without_guidance_the_model_has_the_heads_that_it_had(folder, wanted, tmp_path):
    plain = TeachingSettings(**{**_fields(SETTINGS), "guided": 0})
    done = adapt(str(folder / "tiny"), wanted, plain, tmp_path / "plain", silent)
    assert done.heads == ()
    assert {one["accuracy"] for one in done.origin["scores"]} == {None}
    assert done.head_set(DE) is None


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--data", "{folder}/text.en.txt"], "names no languages; write {}"),
        (["--data", "{folder}/none.{}.txt"], "There are 0 usable sentence pairs for en-de"),
        (["--data", "{folder}/table.{}.tsv"], "Too few sentence pairs are left to teach en-de"),
        (["--pair", "en-xx"], "Unknown language 'xx'"),
        (["--pair", "en-de", "en-de"], "each of them once"),
        (["--test", "{folder}/none.{}.txt"], "has no sentences for en-de"),
        (["--held-out", "0"], "Hold out 1 sentence or more"),
        (["--steps", "0"], "steps is 0; it must be 1 or more"),
        (["--rate", "-1"], "rate is -1.0; it must be above 0"),
        (["--licence", "a", "--licence", "b"], "more --licence than --data"),
        (["--model", "{folder}/text.en.txt"], "is a file; give the folder"),
        (["--out", "{folder}/made"], "holds a finished adapter"),
        (["--out", "{folder}/no/where"], "cannot be made a folder"),
        (["--out", "{folder}/text.en.txt"], "is a file; name a folder"),
    ],
)
def test_bad_input_gets_a_sentence(folder, made, tmp_path, capsys, more, told):
    more = [each.replace("{folder}", str(folder)) for each in more]
    assert main(arguments(folder, tmp_path / "out", *more)) in (1, 2)
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("alignatt: error: ") and told in error


def test_a_missing_package_is_told(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    assert main(arguments(folder, tmp_path / "out")) == 1
    assert "pip install 'alignatt4llm[adapt]'" in capsys.readouterr().err


def tiny_logits(model):
    with torch.no_grad():
        return model(torch.arange(3, 40)[None]).logits


def test_a_merged_model_says_what_the_adapted_one_does(folder, made):
    from peft import PeftModel

    def load():
        return AutoModelForCausalLM.from_pretrained(folder / "tiny").eval()

    plain, beside = load(), PeftModel.from_pretrained(load(), made.folder)
    merged = merge(load(), made)
    assert torch.allclose(tiny_logits(merged), tiny_logits(beside), atol=1e-3)
    assert not torch.allclose(tiny_logits(merged), tiny_logits(plain), atol=1e-1)
    assert not [name for name, _ in merged.named_parameters() if "lora" in name]


@pytest.mark.parametrize("alone", [True, False])
def test_an_adapter_brings_its_prompt_and_its_heads(folder, made, alone):
    system = (
        System(str(made.folder)) if alone else System(str(folder / "tiny"), adapter=made.folder)
    )
    assert system.head_set(DE).heads == made.heads
    interpreter = Interpreter(system)
    assert (interpreter.name, interpreter.pairs) == ("tiny+made", ("en-de",))
    heads, form = interpreter.heads(DE), interpreter.prompt_form(DE)
    assert heads.heads == made.heads and heads.row == "predicting"
    prompt = form(("I", "saw"), "Ich")
    assert prompt.text == "English: I saw\nGerman: Ich"
    drafter = interpreter.translator.open(DE, heads, form(()).prefix)
    assert drafter.draft(prompt, 6).rows.shape[1] == 2
    assert interpreter.prompt_form(DE, "few-shot")(()).prefix != form(()).prefix


def test_the_model_without_its_adapter_is_as_it_was(folder, made):
    interpreter = Interpreter(System(str(folder / "tiny")))
    assert interpreter.name == "tiny" and interpreter.pairs == ()
    assert interpreter.prompt_form(DE)(()).prefix.startswith("Translation of speech")


def test_a_calibrated_head_set_in_the_folder_is_taken(made, tmp_path):
    folder = shutil.copytree(made.folder, tmp_path / "with-heads")
    own = HeadSet("tiny+with-heads", "en-de", ((1, 1),), weights=(0.5,))
    own.save(folder / "heads.en-de.json")
    assert Adapter.read(folder).head_set(DE) == own


def test_a_dry_run_shows_the_adapter(made, capsys, folder):
    sample = folder.parent / "never.ogg"
    options = ["--to", "de", "--dry-run", "--model", str(made.folder)]
    assert main(["translate", str(sample), *options]) == 0
    shown = capsys.readouterr().out
    assert f"adapter     {made.folder}, taught en-de" in shown
    assert "prompt (taught)" in shown and "English: ⟦" in shown


def test_adapters_that_cannot_be_used_are_told(folder, made, tmp_path):
    for engine in ("vllm",):
        with pytest.raises(UsageError, match=f"'{engine}' applies no adapters; take --engine tran"):
            load_translator(engine, Asked(str(made.folder)))
    with pytest.raises(UsageError, match="is for the model 'tiny', not 'gemma-3-270m'"):
        find_adapter("embedded", made.folder)
    with pytest.raises(UsageError, match="There is no folder"):
        find_adapter("embedded", tmp_path / "none")
    with pytest.raises(AlignattError, match=r"holds no readable alignatt\.json"):
        find_adapter("embedded", tmp_path)
    later = shutil.copytree(made.folder, tmp_path / "later")
    (later / "alignatt.json").write_text(json.dumps({"version": 9}))
    with pytest.raises(AlignattError, match="adapter of version 9"):
        find_adapter(str(later))


@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_damaged_adapters_are_told(folder, made, tmp_path, damage):
    copy = shutil.copytree(made.folder, tmp_path / "copy")
    file, model = copy / "adapter_model.safetensors", folder / "tiny"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "gone":
        file.unlink()
    else:
        model = save_checkpoint(tmp_path / "tiny", "qwen3", hidden_size=32)
    with pytest.raises(AlignattError, match="cannot be applied to this model"):
        load_translator("transformers", Asked(str(model), adapter=find_adapter(str(model), copy)))
