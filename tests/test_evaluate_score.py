"""Scores: latencies computed by hand, figures with their signatures, and the command."""

import json
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from evaluating import hypothesis, made_run, recording
from sacrebleu.metrics import BLEU, CHRF

from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.evaluate.curve import COLUMNS, plot, point, table
from alignatt4llm.evaluate.readability import READABILITY
from alignatt4llm.evaluate.resegment import resegmented
from alignatt4llm.evaluate.score import MEASURES, measures, score_run

TALK = recording(
    "talk",
    (0.0, 4.0, "one two three four", "eins zwei drei vier"),
    (4.0, 2.0, "five six", "fünf sechs"),
)
SAID = "eins zwei drei vier fünf sechs"
DELAYS = [1000.0, 2000.0, 3000.0, 4000.0, 5500.0, 6000.0]
ELAPSED = [1500.0, 2500.0, 3500.0, 4500.0, 5900.0, 6600.0]

# By hand, with d the delays since the segment began, T its length, R the end of the recording:
#   gamma = max(words said, words of the reference) / T
#   LongYAAL: mean of d_i - i / gamma (i from 0) over the words before the first d_i >= R
#   StreamLAAL: the same mean over the words up to the first d_i >= T, that one included; the
#   first delay alone where that is beyond T already
# CU, segment 1: gamma = 4 / 4000, every word 1000 behind                   -> 1000 and 1000
#     segment 2: d = 1500, 2000; R = 2000; gamma = 2 / 2000
#                LongYAAL stops before the second: 1500; LAAL: (1500 + 1000) / 2 = 1250
#     LongYAAL = (1000 + 1500) / 2 = 1250; StreamLAAL = (1000 + 1250) / 2 = 1125
# CA, segment 1: d = 1500 ... 4500, each 1500 behind                        -> 1500 and 1500
#     segment 2: d = 1900, 2600: LongYAAL 1900; LAAL: (1900 + 1600) / 2 = 1750
#     LongYAAL = 1700; StreamLAAL = 1625
GOLDEN = {
    "longyaal_cu_ms": 1250.0,
    "longyaal_ca_ms": 1700.0,
    "streamlaal_cu_ms": 1125.0,
    "streamlaal_ca_ms": 1625.0,
}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A run cut to segments by OmniSTEval, with its scores."""
    folder = tmp_path_factory.mktemp("runs") / "golden"
    said = hypothesis("talk", SAID, DELAYS, ELAPSED, processing=3000.0, transcript="One two tree.")
    run = made_run(folder, [TALK], [said], latency="medium", hardware="two abacuses")
    return run, score_run(run)


def value(result, name):
    return result[name]["value"]


def test_latencies_by_hand(scored):
    assert {name: value(scored[1], name) for name in GOLDEN} == pytest.approx(GOLDEN)


def test_every_figure_has_its_interval_and_signature(scored):
    _, result = scored
    assert set(result) == {*MEASURES, "run"}
    for name in MEASURES:
        assert set(result[name]) == {"value", "low", "high", "signature"}
    signature = result["longyaal_cu_ms"]["signature"]
    for part in ("omnisteval:0.1.", "softsegmenter", "level:word", "lang:de", "by:segment", "n:2"):
        assert part in signature
    assert "tok:13a" in result["bleu"]["signature"] and "version:2." in result["bleu"]["signature"]
    assert "hardware:two abacuses" in result["rtf"]["signature"]
    assert result["offline_fraction"] == dict.fromkeys(("value", "low", "high")) | {
        "signature": "no offline run"
    }


def test_quality_speed_and_recognition(scored):
    _, result = scored
    assert value(result, "bleu") == pytest.approx(100)
    assert value(result, "chrf") == pytest.approx(100)
    assert value(result, "rtf") == 0.5  # 3 s for 6 s
    # "one two tree" for "one two three four five six": 1 wrong and 3 missing of 6
    assert value(result, "wer") == pytest.approx(4 / 6)
    assert result["longyaal_cu_ms"]["low"] == pytest.approx(1000)
    assert result["longyaal_cu_ms"]["high"] == pytest.approx(1500)


def test_the_scorers_cut_is_kept(scored, monkeypatch):
    run, result = scored
    monkeypatch.setattr("subprocess.run", lambda *args, **more: pytest.fail("scored once already"))
    assert score_run(run) == result


CASES = {
    "more words than the reference: gamma = 4 / 2000": (
        "a b",
        [500.0, 1000.0, 1500.0, 1900.0],
        (500 + 500 + 500 + 400) / 4,
        (500 + 500 + 500 + 400) / 4,
    ),
    "fewer words than the reference: gamma = 4 / 2000": (
        "a b c d",
        [1000.0, 1500.0],
        (1000 + 1000) / 2,
        (1000 + 1000) / 2,
    ),
    "words from the end on count for StreamLAAL alone, the first of them only": (
        "a b",
        [1000.0, 2500.0, 2600.0],
        1000.0,
        (1000 + 2500 - 2000 / 3) / 2,
    ),
    "everything after the end": ("a b", [2600.0, 2700.0], None, 2600.0),
}


@pytest.mark.parametrize(("reference", "delays", "yaal", "laal"), CASES.values(), ids=CASES)
def test_a_segment_by_hand(tmp_path, reference, delays, yaal, laal):
    text = " ".join("x" * len(delays))
    said = hypothesis("talk", text, delays, segments=(text,))
    clip = recording("talk", (0.0, 2.0, "source", reference))
    result = score_run(made_run(tmp_path, [clip], [said]))
    assert value(result, "longyaal_cu_ms") == (yaal and pytest.approx(yaal))
    assert value(result, "streamlaal_cu_ms") == pytest.approx(laal)
    assert "segments:own" in result["longyaal_cu_ms"]["signature"]


def test_words_after_their_segment_but_not_after_the_recording_count(tmp_path):
    """Segment 1: T = 1000, R = 3000, gamma = 3 / 1000, all three words count for LongYAAL."""
    two = recording("talk", (0.0, 1.0, "s", "a b"), (1.0, 2.0, "s", "c"))
    said = hypothesis("talk", "x x x", [500.0, 1500.0, 2000.0], segments=("x x x", ""))
    result = score_run(made_run(tmp_path, [two], [said]))
    expected = (500 + (1500 - 1000 / 3) + (2000 - 2000 / 3)) / 3
    assert value(result, "longyaal_cu_ms") == pytest.approx(expected)
    assert value(result, "streamlaal_cu_ms") == pytest.approx((500 + 1500 - 1000 / 3) / 2)


def test_characters_are_the_units_of_chinese(tmp_path):
    """gamma = 4 / 2000: 1000, 1200 - 500, 1400 - 1000, 1600 - 1500."""
    clip = recording("talk", (0.0, 2.0, "hello world", "你好 世界"))
    said = hypothesis("talk", "你好世界", [1000.0, 1200.0, 1400.0, 1600.0], length=2000.0)
    run = made_run(tmp_path, [clip], [said], pair="en-zh")
    result = score_run(run)
    assert value(result, "longyaal_cu_ms") == pytest.approx((1000 + 700 + 400 + 100) / 4)
    assert value(result, "chrf") == pytest.approx(100)
    assert "tok:zh" in result["bleu"]["signature"]
    assert "level:char" in result["longyaal_cu_ms"]["signature"]


def test_quality_is_sacrebleus(tmp_path):
    """The sums that are resampled give the corpus scores of the tool itself."""
    references = ["Das ist ein kleines Haus am See.", "Es regnet heute den ganzen Tag."]
    texts = ["Das ist ein Haus am See.", "Heute regnet es den ganzen Tag."]
    parts = [(4.0 * n, 4.0, "source", reference) for n, reference in enumerate(references)]
    words = " ".join(texts).split()
    delays = [float(1000 * n) for n in range(len(words))]
    said = hypothesis("talk", " ".join(words), delays, segments=tuple(texts))
    result = score_run(made_run(tmp_path, [recording("talk", *parts)], [said]))
    assert value(result, "bleu") == pytest.approx(BLEU().corpus_score(texts, [references]).score)
    assert value(result, "chrf") == pytest.approx(CHRF().corpus_score(texts, [references]).score)


def talks(folder, texts, **manifest):
    """A run over as many talks of one segment, each translated by its text."""
    references = ["das kleine haus", "der alte mann", "ein neues buch", "die rote katze"]
    made, said = [], []
    for n, (text, reference) in enumerate(zip(texts, references, strict=False)):
        made.append(recording(f"talk{n}", (0.0, 2.0, "source", reference)))
        delays = [500.0 + 100 * n] * len(text.split())
        said.append(hypothesis(f"talk{n}", text, delays, length=2000.0, segments=(text,)))
    return made_run(folder, made, said, **manifest)


@pytest.fixture
def systems(tmp_path):
    """Offline translation, and a system that lacks a word in every other talk."""
    whole = ["das kleine haus", "der alte mann", "ein neues buch", "die rote katze"]
    partial = ["das haus", "der alte mann", "ein buch", "die rote katze"]
    offline = talks(tmp_path / "offline", whole, policy="offline")
    return talks(tmp_path / "live", partial, policy="alignatt", latency="low"), offline


def test_the_fraction_of_offline_quality(systems):
    live, offline = systems
    result = score_run(live, offline)
    found = result["offline_fraction"]
    assert found["value"] == pytest.approx(value(result, "chrf") / 100)
    assert found["low"] < found["value"] < found["high"] <= 1
    assert "share of offline chrF" in found["signature"]
    assert value(score_run(offline, offline), "offline_fraction") == pytest.approx(1)


def test_differences_are_paired_over_talks(systems):
    live, offline = systems
    against = score_run(live, None, offline)["against"]
    assert against["chrf"]["difference"] < 0
    assert against["chrf"]["low"] <= against["chrf"]["difference"] <= against["chrf"]["high"]
    assert "by:recording" in against["chrf"]["signature"]
    assert "paired" in against["chrf"]["signature"]
    assert "offline_fraction" not in against


class Comet:
    """A model that gives a point for each word."""

    def predict(self, texts, batch_size, gpus):
        assert texts[0] == {"src": "source", "mt": "das haus", "ref": "das kleine haus"}
        return SimpleNamespace(scores=[float(len(text["mt"].split())) for text in texts])


def test_comet_where_it_is_installed(systems, monkeypatch):
    loaded = []
    load = SimpleNamespace(download_model=str, load_from_checkpoint=lambda path: Comet())
    monkeypatch.setitem(sys.modules, "comet", load)
    monkeypatch.setattr("alignatt4llm.evaluate.score.version", loaded.append)
    result = score_run(systems[0], comet="some/model")
    assert value(result, "comet") == 2.5  # 2, 3, 2 and 3 words
    assert loaded[-1] == "unbabel-comet"
    assert "model:some/model" in result["comet"]["signature"]


def test_comet_where_it_is_not(systems, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "comet", None)
    assert main(["evaluate", "score", str(systems[0].folder), "--comet", "some/model"]) == 1
    assert "COMET needs the package unbabel-comet" in capsys.readouterr().err


def test_silence_has_no_latency_and_no_quality(tmp_path):
    result = score_run(made_run(tmp_path, [TALK], [hypothesis("talk", "", [])]))
    assert value(result, "longyaal_cu_ms") is None
    assert value(result, "bleu") == 0
    assert value(result, "wer") == 1


def test_without_references_quality_and_latency_are_not_measured(tmp_path):
    untold = recording("talk", (0.0, 2.0, "one two", None))
    run = made_run(tmp_path, [untold], [hypothesis("talk", "EINS", [1.0], transcript="one two")])
    assert set(measures(run)) == {"rtf", "wer", *READABILITY}
    result = score_run(run)
    assert value(result, "wer") == 0
    assert result["bleu"]["signature"] == "no reference"


def test_only_runs_over_the_same_recordings_are_compared(tmp_path, systems):
    other = talks(tmp_path / "fewer", ["das kleine haus"])
    with pytest.raises(UsageError, match="different recordings or pairs"):
        score_run(systems[0], other)
    with pytest.raises(UsageError, match="different recordings or pairs"):
        score_run(systems[0], None, other)


def test_a_failure_of_the_scorer_is_told(tmp_path):
    """Delays that do not fit the words are found out by OmniSTEval."""
    run = made_run(tmp_path, [TALK], [hypothesis("talk", "eins", [1.0])])
    wrong = replace(run, hypotheses=(hypothesis("talk", "eins zwei", [1.0]),))
    with pytest.raises(AlignattError, match=r"OmniSTEval could not cut .* do not match"):
        resegmented(wrong)


def test_the_command_prints_and_writes_every_figure(tmp_path, systems, capsys):
    live, offline = map(str, (systems[0].folder, systems[1].folder))
    file = tmp_path / "scores.json"
    options = ["--offline", offline, "--against", offline, "--json", str(file)]
    assert main(["evaluate", "score", live, *options]) == 0
    text = capsys.readouterr().out
    written = json.loads(file.read_text("utf-8"))
    for name in ("bleu", "chrf", "longyaal_cu_ms", "longyaal_ca_ms", "rtf", "offline_fraction"):
        assert set(written[name]) == {"value", "low", "high", "signature"}
        assert isinstance(written[name]["value"], float)
        assert f"{name} " in text
    assert "difference in chrf" in text and "p=" in text
    assert written["run"]["policy"] == "alignatt"


def test_the_command_tells_what_is_wrong(tmp_path, systems, capsys):
    live = str(systems[0].folder)
    assert main(["evaluate", "score", str(tmp_path / "none")]) == 1
    assert "is not the folder of a run" in capsys.readouterr().err
    assert main(["evaluate", "score", live, "--json", str(tmp_path / "no" / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main(["evaluate", "curve", live, "--out", str(tmp_path / "curve.sgv")]) == 2
    assert "cannot be drawn" in capsys.readouterr().err


def test_a_curve_of_points_and_a_table(tmp_path, systems, capsys):
    live, offline = (str(run.folder) for run in systems)
    picture = tmp_path / "curve.svg"
    assert main(["evaluate", "curve", live, offline, "--out", str(picture)]) == 0
    head, rule, low, across = capsys.readouterr().out.splitlines()
    assert head.startswith("| run | pair | policy | latency | LongYAAL CU (ms)")
    assert rule.count("---:") == 5
    # gamma = 3 / 2000 and all words at 500 + 100 n: two words average 333 less, three 667 less:
    # (167 - 67 + 367 + 133) / 4 = 150
    assert low.startswith(f"| {live} | en-de | alignatt | low | 150 [") and low.count("[") == 5
    assert across.startswith(f"| {offline} | en-de | offline |  |")
    assert "en-de alignatt" in picture.read_text("utf-8")


def test_points_without_figures_are_in_the_table_only(tmp_path):
    result = score_run(made_run(tmp_path, [TALK], [hypothesis("talk", "", [])]))
    silent = point(result, "silent")
    plot([silent], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 0
    assert "| – | – |" in table([silent])


APART = [
    # what the manifests of two runs say, what the picture calls their points and their lines
    ({"changes": [{"margin": "0"}, {"margin": "2"}]}, "medium, margin=0|medium, margin=2", [""]),
    ({"latency": ["low", "high"]}, "low|high", [""]),
    ({"policy": ["wait-k:3", "wait-k:5"]}, "3, medium|5, medium", [""]),
    ({"model": ["embedded", "a/b"]}, "medium|medium", [" embedded", " a/b"]),
    ({"recognizer": ["voxtral", "base"]}, "medium|medium", [" voxtral", " base"]),
    ({"prompt": ["chat", "few-shot"]}, "medium|medium", [" chat", " few-shot"]),
    ({"data": ["talks", "$reads$"]}, "medium|medium", [" talks", " $reads$"]),
    ({"engine": ["vllm", None]}, "medium|medium", [" vllm", ""]),
    ({"latency": ["low", "high"], "model": ["a", "b"]}, "low|high", [" a", " b"]),
    ({"seed": [1, 2]}, "medium|medium", [""]),
]


@pytest.mark.parametrize(("differing", "steps", "systems"), APART)
def test_runs_that_differ_look_different(tmp_path, differing, steps, systems):
    figures = {
        measure: {"value": 1.0, "low": None, "high": None} for measure, _ in COLUMNS.values()
    }
    said = {"pair": "en-de", "policy": "alignatt", "latency": "medium"}
    manifests = [
        {**said, **dict(zip(differing, each, strict=True))}
        for each in zip(*differing.values(), strict=True)
    ]
    points = [
        point({**figures, "run": manifest}, f"runs/{number}")
        for number, manifest in enumerate(manifests)
    ]
    plot(points, tmp_path / "curve.svg")
    shown = re.findall("<!-- (.*?) -->", (tmp_path / "curve.svg").read_text("utf-8"))
    policy = points[0].policy.partition(":")[0]
    lines = [f"en-de {policy}{system}" for system in systems]
    assert shown[shown.index("chrF") + 1 :] == [*steps.split("|"), *lines]
    _, _, *rows = table(points).splitlines()
    assert len(set(rows)) == len(rows) == 2
