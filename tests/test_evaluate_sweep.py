"""``alignatt evaluate run``: many systems at once, their folders, and the command's errors."""

import json
from pathlib import Path

import pytest

from alignatt4llm import interpreter
from alignatt4llm.cli.main import main, parser
from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.sweep import plans
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.machine import device
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.settings.latency import LATENCIES

SAMPLES = Path(__file__).parent.parent / "samples"
SEGMENTS = """\
- {wav: a.wav, offset: 0.5, duration: 3.0}
- {wav: a.wav, offset: 4.0, duration: 2.0}
- {wav: b.wav, offset: 0.0, duration: 3.0}
"""


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "segments.yaml").write_text(SEGMENTS)
    (folder / "en.txt").write_text("The house is small.\nIt is old.\nThe cat sleeps all day.\n")
    (folder / "de.txt").write_text("Das Haus ist klein.\nEs ist alt.\nDie Katze schläft.\n")
    (folder / "it.txt").write_text("La casa è piccola.\nÈ vecchia.\nIl gatto dorme.\n")
    HeadSet("scripted", "en-de", ((0, 0),)).save(folder / "heads.json")
    return folder


@pytest.fixture
def scripted(monkeypatch):
    """The command with models without weights."""
    monkeypatch.setattr(interpreter, "Interpreter", lambda system, tell, **_: ScriptedInterpreter())


def planned(data, *options):
    arguments = ["evaluate", "run", "--data", str(data), "--out", "runs", *options]
    return plans(parser().parse_args(arguments), ScriptedInterpreter())


def names(found):
    return [str(plan.folder) for plan in found]


def test_a_single_system_is_written_to_the_folder_itself(data):
    [plan] = planned(data, "--pair", "en-de")
    assert names([plan]) == ["runs"]
    assert [recording.name for recording in plan.recordings] == ["a", "b"]
    described = json.loads(json.dumps(plan.manifest))
    assert described["policy"] == "alignatt"
    assert described["latency"] == "medium"
    assert described["settings"]["chunk"] == LATENCIES["medium"].chunk
    assert described["hearing"]["seed"] == 13
    assert described["data"] == "data"


@pytest.mark.models
@pytest.mark.parametrize(("able", "dtype"), [(True, "auto"), (False, "float32")])
def test_the_manifest_says_in_which_number_type_was_computed(data, monkeypatch, able, dtype):
    monkeypatch.setenv("ALIGNATT_DEVICE", "cpu")
    monkeypatch.setattr(device, "computes_bfloat16", lambda name="cpu": able)
    [plan] = planned(data, "--pair", "en-de")
    assert plan.manifest["device"] == {"name": "cpu", "dtype": dtype}


def test_every_combination_has_a_folder_and_offline_only_one(data):
    options = ["--pair", "en-de", "en-it", "--heads", str(data / "heads.json")]
    options += ["--policy", "alignatt", "wait-k:3", "offline"]
    found = planned(data, *options, "--latency", "low", "high")
    assert names(found) == [
        f"runs/{pair}.{system}"
        for pair in ("en-de", "en-it")
        for system in (
            "alignatt.low",
            "alignatt.high",
            "wait-k-3.low.own",
            "wait-k-3.high.own",
            "offline.low",
        )
    ]
    offline = found[4].manifest
    assert offline["latency"] is None
    assert "settings" not in offline


def test_rivals_with_closings_of_their_own_and_lent_those_of_the_heads(data):
    options = ["--policy", "alignatt", "wait-k:3", "pause-wait-k:2", "offline"]
    found = planned(data, "--pair", "en-de", *options, "--closings", "own", "heads")
    assert names(found) == [
        "runs/en-de.alignatt.medium",
        "runs/en-de.wait-k-3.medium.own",
        "runs/en-de.wait-k-3.medium.heads",
        "runs/en-de.pause-wait-k-2.medium",
        "runs/en-de.offline.medium",
    ]
    told = [(plan.manifest["closings"], plan.manifest.get("settings")) for plan in found]
    assert [name for name, _ in told] == ["own", "own", "heads", "own", None]
    unread = [settings["session"]["unread"] for _, settings in told[:4]]
    assert unread == [3, None, 3, None]
    assert told[3][1]["session"]["source"]["gap"] == 0.5


def test_a_setting_wins_over_the_closings(data):
    changes = ["--set", "unread=5", "gap=0.8", "stops=true"]
    [plan] = planned(data, "--pair", "en-de", "--policy", "pause-wait-k", *changes)
    session = plan.manifest["settings"]["session"]
    assert (session["unread"], session["source"]["gap"]) == (5, 0.8)
    assert session["source"]["stops"] is True


def test_changes_are_multiplied_and_named(data):
    found = planned(data, "--pair", "en-de", "--set", "chunk=0.5,2", "margin=0,1")
    assert names(found) == [
        f"runs/en-de.alignatt.medium.chunk={chunk}.margin={margin}"
        for chunk in ("0.5", "2")
        for margin in "01"
    ]
    settings = found[2].manifest["settings"]
    assert (settings["chunk"], settings["session"]["source"]["margin"]) == (2.0, 0)
    assert found[2].manifest["changes"] == {"chunk": "2", "margin": "0"}


def test_perfect_hearing_and_a_limit(data):
    [plan] = planned(data, "--pair", "en-de", "--perfect", "--limit", "1")
    assert plan.manifest["hearing"] is None
    assert [recording.name for recording in plan.recordings] == ["a"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--pair", "ende"], "'ende' is not a pair"),
        (["--pair", "en-xx"], "Unknown language 'xx'"),
        (["--pair", "en-de", "--policy", "best"], "There is no policy 'best'. There are: alignatt"),
        (["--pair", "en-de", "--policy", "wait-k:few"], "'wait-k:few': few is not a number"),
        (["--pair", "en-de", "--set", "chunk"], "write NAME=VALUE"),
        (["--pair", "en-de", "--set", "chunks=1"], "no setting 'chunks'. There are: budget, chunk"),
        (["--pair", "en-de", "--set", "chunk=long"], "'long' is no value for chunk"),
        (["--pair", "en-de", "--set", "chunk=0"], "must be above 0 seconds"),
    ],
)
def test_what_cannot_be_measured_is_said(data, options, named):
    with pytest.raises(UsageError) as caught:
        planned(data, *options)
    assert named in str(caught.value)


def test_a_language_without_texts(data):
    with pytest.raises(UsageError, match=r"zh\.txt' cannot be read"):
        planned(data, "--pair", "en-zh", "--heads", str(data / "heads.json"))


@pytest.mark.usefixtures("scripted")
def test_a_sweep_runs_and_is_scored(data, tmp_path, capsys):
    out = tmp_path / "runs"
    options = ["--policy", "alignatt", "wait-k:2", "local-agreement", "fixed-cut:1", "offline"]
    options += ["confidence:0.5", "sentence", "published"]
    arguments = ["--data", str(data), "--pair", "en-de", "--out", str(out), "--jobs", "2"]
    assert main(["evaluate", "run", *arguments, *options]) == 0
    assert "[16/16]" in capsys.readouterr().err
    folders = sorted(map(str, out.iterdir()))
    assert len(folders) == 8
    assert main(["evaluate", "curve", *folders, "--out", str(tmp_path / "curve.svg")]) == 0
    table = capsys.readouterr().out
    for policy in ("alignatt", "wait-k:2", "sentence", "offline"):
        assert f"| {policy} |" in table
    said = {
        json.loads(line)["prediction"]
        for folder in folders
        for line in (Path(folder) / "hypothesis.jsonl").read_text("utf-8").splitlines()
    }
    assert said == {"THE HOUSE IS SMALL. IT IS OLD.", "THE CAT SLEEPS ALL DAY."}


@pytest.mark.usefixtures("scripted")
def test_the_command_refuses_impossible_counts(data, capsys):
    arguments = ["evaluate", "run", "--data", str(data), "--pair", "en-de", "--out", "runs"]
    assert main([*arguments, "--limit", "0"]) == 2
    assert "--limit is 0; it must be 1 or more." in capsys.readouterr().err


@pytest.mark.slow
def test_the_embedded_models_from_end_to_end(tmp_path, capsys):
    """Real speech to scores: recogniser, LLM, policy, OmniSTEval."""
    out, scores = tmp_path / "run", tmp_path / "scores.json"
    arguments = ["--data", str(SAMPLES), "--pair", "en-de", "--out", str(out)]
    assert main(["evaluate", "run", *arguments]) == 0
    assert main(["evaluate", "score", str(out), "--json", str(scores)]) == 0
    found = json.loads(scores.read_text("utf-8"))
    assert found["wer"]["value"] < 0.4
    assert found["chrf"]["value"] > 20
    assert 0 < found["longyaal_cu_ms"]["value"] < found["longyaal_ca_ms"]["value"]
    assert found["rtf"]["value"] > 0
    events = (out / "events" / "fleurs-en-000.jsonl").read_text("utf-8")
    assert '"type": "trace"' in events
