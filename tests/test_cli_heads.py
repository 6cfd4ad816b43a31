"""The command on a tiny checkpoint, from sentence pairs to pictures."""

import json

import pytest
from tiny import byte_level_tokenizer, save_checkpoint

from alignatt4llm.cli.main import main
from alignatt4llm.heads.choice import choose
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.text.languages import Pair

WORDS = ["the", "first", "train", "leaves", "the", "station", "at", "seven", "in", "the", "morning"]
LINES = [" ".join(WORDS[n % 4 : 6 + n % 6]) for n in range(12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint, and sentence pairs whose word i translates word i, with links."""
    folder = tmp_path_factory.mktemp("heads")
    save_checkpoint(folder / "tiny", "qwen3", max_position_embeddings=2048)
    (folder / "src").write_text("\n".join(LINES))
    (folder / "tgt").write_text("\n".join(line.upper() for line in LINES))
    links = [" ".join(f"{n}-{n}" for n in range(len(line.split()))) for line in LINES]
    (folder / "links").write_text("\n".join(links))
    return folder


def heads(*arguments):
    return main(["heads", *map(str, arguments)])


@pytest.fixture(scope="module")
def artefact(folder):
    """Calibrate once for all tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ALIGNATT_CACHE", str(folder / "cache"))
    patch.setenv("ALIGNATT_THREADS", "1")
    data = ["--data", folder / "src", folder / "tgt", "--alignments", folder / "links"]
    model = ["--model", folder / "tiny", "--pair", "en-de", "--sentences", 8]
    assert heads("calibrate", *model, *data, "--out", folder / "a.json") == 0
    yield folder / "a.json"
    patch.undo()


def test_calibrate_makes_an_artefact_that_fits(folder, artefact, capsys):
    made = load_head_set(artefact)
    assert (made.model, made.pair, made.origin["data"]) == ("tiny", "en-de", "src tgt")
    assert len(made.ranking) == 16
    assert not list((folder / "cache" / "heads").iterdir()), "finished work is removed"
    assert heads("check", artefact, "--model", folder / "tiny") == 0
    assert "fits a model of 4 layers of 4 heads" in capsys.readouterr().out


def test_check_refuses_another_model(folder, artefact, capsys):
    save_checkpoint(folder / "other", "qwen3", num_attention_heads=2)
    assert heads("check", artefact, "--model", folder / "other") == 1
    assert "this model has 4 layers of 2 heads" in capsys.readouterr().err


def test_score_measures_on_gold_alignments(folder, artefact, tmp_path, capsys):
    files = ["--src", folder / "src", "--tgt", folder / "tgt", "--gold", folder / "links"]
    out = tmp_path / "scores.json"
    assert heads("score", artefact, *files, "--model", folder / "tiny", "--json", out) == 0
    figures = json.loads(out.read_text())
    names = {"source_word_accuracy", "published_recipe", "best_single_head", "all_heads"}
    assert names < figures.keys()
    printed = capsys.readouterr().out
    for name in names:
        assert 0 <= figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"] <= 1
        assert f"{name} " in printed


def test_calibrate_takes_the_text_of_the_package(folder, artefact, tmp_path, capsys):
    command = ["calibrate", "--model", folder / "tiny", "--pair", "en-fi", "--out", tmp_path / "a"]
    assert heads(*command, "--sentences", 12, "--held-out", 3) == 0
    made = load_head_set(tmp_path / "a")
    assert made.origin["sentences"] == {"calibration": 12, "held_out": 3}
    assert made.origin["data"] == "NTREX-128, which comes with the package"
    assert "through English" in made.origin["aligner"]


def test_sets_are_pooled_compared_and_recorded(folder, artefact, tmp_path, capsys):
    pooled = tmp_path / "any.json"
    assert heads("pool", artefact, "--out", pooled) == 0
    assert load_head_set(pooled).pair == "any"
    files = ["--src", folder / "src", "--tgt", folder / "tgt", "--gold", folder / "links"]
    command = ["score", pooled, *files, "--model", folder / "tiny", "--json", tmp_path / "b.json"]
    assert heads(*command, "--pair", "fi-en", "--also", artefact, "--last", 5, "--record") == 0
    figures = json.loads((tmp_path / "b.json").read_text())
    assert {str(artefact), f"truncation_auc_{artefact}"} < figures.keys()
    assert "|n:5|" in figures["source_word_accuracy"]["signature"]
    pair = Pair.parse("fi-en")
    found = choose("tiny", pair, given=load_head_set(pooled))
    assert found.quality["truncation_auc"] == figures["truncation_auc"]["value"]
    assert not choose("tiny", Pair.parse("en-fi"), given=load_head_set(pooled)).quality


def test_show_prints_a_ranked_table(artefact, capsys):
    assert heads("show", artefact, "--all") == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert heads("show", "Qwen3-1.7B:en-de") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Qwen/Qwen3-1.7B en-de: mean of 8 heads (published)"
    assert len(last.split()) == 8


@pytest.mark.parametrize("picture", ["map", "ablation", "draft"])
def test_pictures(folder, artefact, tmp_path, picture):
    out = tmp_path / "picture.svg"
    draft = ["--model", folder / "tiny", "--text", "We found 我们 it"] if picture == "draft" else []
    assert heads("plot", picture, artefact, "--out", out, *draft) == 0
    assert "<svg" in out.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "none.json"], "is not a readable head set"),
        (["show", "embedded:en-cs"], "There is no head set for en-cs"),
        (["calibrate", "--pair", "de-de", "--out", "a.json"], "German is what is spoken"),
        (["pool", "embedded:en-de", "Qwen3-1.7B:en-de", "--out", "a.json"], "the same model"),
        (["pool", "embedded:en-de", "none.json", "--out", "a.json"], "is not a readable head set"),
        (["score", "embedded:any", "--src", "{src}", "--tgt", "{tgt}"], "say with --pair"),
        (
            ["score", "embedded:en-de", "--src", "{src}", "--tgt", "{tgt}", "--record"],
            "'embedded:en-de' is none",
        ),
        (
            ["calibrate", "--pair", "en-de", "--data", "{src}", "{tgt}", "--out", "/no/a.json"],
            "There is no folder '/no'",
        ),
        (
            [
                "calibrate",
                "--pair",
                "en-de",
                "--data",
                "{src}",
                "{src}",
                "--sentences",
                "3",
                "--out",
                "a.json",
            ],
            "Heads cannot be chosen on 3 sentences of 12",
        ),
        (
            ["score", "embedded:en-de", "--src", "{src}", "--tgt", "{tgt}", "--gold", "{src}"],
            "line 1: 'the' is not a link",
        ),
        (["plot", "ablation", "Qwen3-1.7B:en-de", "--out", "a.svg"], "holds no ablation"),
        (["plot", "map", "Qwen3-1.7B:en-de", "--out", "a.xyz"], "cannot be drawn"),
    ],
)
def test_bad_input_gets_a_sentence(folder, capsys, arguments, sentence):
    names = {name: folder / name for name in ("src", "tgt")}
    assert heads(*(argument.format(**names) for argument in arguments)) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("alignatt: error: ") and sentence in error


def test_a_template_that_moves_the_source_fails_loudly(folder, tmp_path, capsys):
    checkpoint = save_checkpoint(tmp_path / "shouting", "qwen3")
    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
    tokenizer.save_pretrained(checkpoint)
    data = ["--data", folder / "src", folder / "tgt", "--alignments", folder / "links"]
    out = ["--out", tmp_path / "a.json", "--sentences", 8]
    assert heads("calibrate", "--model", checkpoint, "--pair", "en-de", *data, *out) == 1
    assert "does not keep the source text in one place" in capsys.readouterr().err
