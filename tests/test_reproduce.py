"""The page of results: what is run, kept, resumed, dropped, and what is written into it."""

import json
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml

from alignatt4llm.cli.main import main
from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate import commits, runs
from alignatt4llm.evaluate.page import NOTHING, fill, table
from alignatt4llm.heads.headset import HeadSet

ROOT = Path(__file__).parent.parent
PAGE = """\
# Results

Prose <!-- with a comment --> stays.

<!-- table: talks -->
<!-- end -->

More prose.
"""
SEGMENTS = """\
- {wav: a.wav, offset: 0.5, duration: 3.0}
- {wav: b.wav, offset: 0.0, duration: 3.0}
"""


@pytest.fixture(scope="module")
def script():
    spec = spec_from_file_location("reproduce", ROOT / "scripts" / "reproduce.py")
    module = module_from_spec(spec)
    sys.modules["reproduce"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["reproduce"]


class Place:
    """A checkout with a page and a configuration, recordings beside it, and what was executed."""

    def __init__(self, script, folder, monkeypatch):
        self.script, self.root, self.executed = script, folder / "checkout", []
        self.data, self.out = folder / "data", folder / "results"
        (self.root / "docs" / "images").mkdir(parents=True)
        self.page = self.root / "docs" / "results.md"
        self.page.write_text(PAGE)
        talks = self.data / "talks"
        talks.mkdir(parents=True)
        (talks / "segments.yaml").write_text(SEGMENTS)
        (talks / "en.txt").write_text("The house is small today.\nThe cat sleeps all day.\n")
        (talks / "de.txt").write_text("Das Haus ist heute klein.\nThe cat sleeps.\n")
        heads = folder / "heads.json"
        HeadSet("scripted", "en-de", ((0, 0),)).save(heads)
        self.config = {
            "all": {
                "engine": "scripted", "latency": "medium", "closings": "own", "skip": 0,
                "data": "talks", "model": "scripted", "pair": "en-de",
                "options": f"--recognizer scripted --heads {heads}",
            },
            "hours": {"talks": {"scripted": 1.5}},
            "runs": [
                {"policy": "alignatt"},
                {"policy": "wait-k:1", "closings": ["own", "heads"]},
                {"policy": "offline"},
            ],
            "tables": [{
                "name": "talks", "page": "docs/results.md", "rows": ["talks.*"],
                "columns": ["cu", "chrf", "chrf-over-rivals", "chrf-against"],
            }],
            "reference": "*.alignatt.medium",
            "curves": {"data": "talks", "table": "talks", "folder": "docs/images"},
        }  # fmt: skip
        monkeypatch.setattr(script, "execute", self.execute)
        monkeypatch.setattr(runs, "commit", lambda: "abc1234")

    def execute(self, arguments):
        self.executed.append(arguments[arguments.index("--policy") + 1])
        return main(arguments)

    def __call__(self, *options):
        """Run the script; return its status."""
        file = self.root / "results.yaml"
        file.write_text(yaml.safe_dump(self.config))
        fixed = ["--data", self.data, "--out", self.out, "--config", file, "--root", self.root]
        return self.script.main([*map(str, fixed), *options])

    @property
    def rows(self):
        found = re.findall(r"^\| en-de ([^|]*?) \|", self.page.read_text(), re.MULTILINE)
        return list(found)

    def folder(self, policy):
        return self.out / "runs" / f"talks.scripted.en-de.{policy}"


@pytest.fixture
def place(script, tmp_path, monkeypatch):
    return Place(script, tmp_path, monkeypatch)


ALL = ["alignatt", "wait-k:1", "wait-k:1 (lent)", "offline"]


def test_what_would_be_run_is_said_and_nothing_done(place, capsys):
    assert place("--dry-run") == 0
    told = capsys.readouterr().out
    assert "   1.50 h  to do  talks.scripted.en-de.wait-k-1.medium.heads\n" in told
    assert "6.00 h of computing are expected on two cores, in 4 runs." in told
    assert not place.executed and place.page.read_text() == PAGE and not place.out.exists()


def test_from_recordings_to_the_page(place, capsys):
    assert place() == 0
    assert place.executed == ["alignatt", "wait-k:1", "wait-k:1", "offline"]
    assert place.rows == ALL
    page = place.page.read_text()
    assert page.startswith(PAGE.partition("<!-- table: talks -->\n")[0])
    assert page.endswith("<!-- end -->\n\nMore prose.\n")
    assert page.count("`abc1234`") == 4
    assert "![chrF over LongYAAL](images/results-scripted-en-de.svg)" in page
    assert (place.root / "docs" / "images" / "results-scripted-en-de.svg").is_file()
    first, lent = (line for line in page.splitlines() if "alignatt |" in line or "(lent)" in line)
    assert first.count("–") == 1, "a difference to the envelope, none to itself"
    assert lent.count("–") == 1, "a difference to AlignAtt, none to the envelope"
    # all say the same as early or earlier: at the same delay, AlignAtt is on the envelope
    assert "+0.0 [0.0, 0.0]" in first
    capsys.readouterr()
    assert place() == 0
    assert len(place.executed) == 4, "what is finished is not run again"
    assert place.page.read_text() == page
    assert "0.00 h of computing" in capsys.readouterr().out


def test_only_some(place, capsys):
    assert place("--only", "wait-k") == 0
    assert place.rows == ALL[1:3]
    assert "3.00 h of computing are expected on two cores, in 2 runs." in capsys.readouterr().out
    assert place("--only", "nothing") == 2
    assert "--only nothing: no run has such a name." in capsys.readouterr().err


def test_a_run_that_was_killed_goes_on(place):
    place("--only", "alignatt")
    file = place.folder("alignatt.medium") / "hypothesis.jsonl"
    whole = file.read_text().splitlines()
    file.write_text(f"{whole[0]}\n{whole[1][:40]}")
    assert place("--only", "alignatt") == 0
    assert place.executed == ["alignatt", "alignatt"]
    again = [json.loads(line) for line in file.read_text().splitlines()]
    assert again[0] == json.loads(whole[0])
    assert again[1]["prediction"] == json.loads(whole[1])["prediction"]


def test_a_row_stays_while_its_run_is_planned_as_it_was(place, capsys):
    place()
    page = place.page.read_text()
    (place.out / "runs").rename(place.out / "elsewhere")
    assert place("--tables") == 0
    assert place.page.read_text() == page and len(place.executed) == 4
    place.config["runs"][1]["set"] = {"chunk": 1.0}
    place.config["runs"][3:] = []
    del place.config["runs"][2]
    assert place("--tables") == 0
    assert place.rows == ["alignatt"]
    told = capsys.readouterr().out
    for name in ("wait-k-1.medium.own", "wait-k-1.medium.heads", "offline.medium"):
        assert f"dropped: talks.scripted.en-de.{name} (" in told
    [line] = [line for line in place.page.read_text().splitlines() if "alignatt |" in line]
    assert line.count("–") == 2, "the rivals of the envelope are no longer there"


CHANGES = {
    "a text": lambda place: (place.data / "talks" / "de.txt").write_text("Ein Haus.\nSie.\n"),
    "a time": lambda place: (place.data / "talks" / "segments.yaml").write_text(
        SEGMENTS.replace("0.5", "0.6")
    ),
    "fewer recordings": lambda place: place.config["all"].update(skip=1),
    "hearing": lambda place: place.config["all"].update(
        options=place.config["all"]["options"] + " --perfect"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_row_is_dropped_when_anything_is_no_longer_as_it_was(place, capsys, change):
    place("--only", "alignatt")
    change(place)
    assert place("--tables") == 0
    assert place.rows == [] and NOTHING in place.page.read_text()
    assert "dropped: talks.scripted.en-de.alignatt.medium (" in capsys.readouterr().out


def test_the_folder_of_another_run_is_put_aside(place, capsys):
    place("--only", "alignatt")
    place.config["all"]["skip"] = 1
    assert place("--only", "alignatt") == 0
    assert place.executed == ["alignatt", "alignatt"]
    aside = Path(f"{place.folder('alignatt.medium')}.old-1")
    assert (aside / "hypothesis.jsonl").read_text().count("\n") == 2
    assert f"it is now '{aside}'" in capsys.readouterr().out


def test_a_run_that_fails_is_named_and_the_others_are_made(place, capsys, monkeypatch):
    def execute(arguments):
        return 1 if "offline" in arguments else place.execute(arguments)

    monkeypatch.setattr(place.script, "execute", execute)
    assert place() == 1
    assert place.rows == ALL[:3]
    assert "failed: talks.scripted.en-de.offline.medium" in capsys.readouterr().out


def test_a_run_that_names_no_commit_is_left_out(place, capsys, monkeypatch):
    monkeypatch.setattr(runs, "commit", lambda: None)
    assert place("--only", "alignatt") == 0
    assert place.rows == []
    assert "left out: talks.scripted.en-de.alignatt.medium (" in capsys.readouterr().out


def test_a_run_that_two_commits_made_names_both(place, monkeypatch):
    place("--only", "alignatt")
    file = place.folder("alignatt.medium") / "hypothesis.jsonl"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    monkeypatch.setattr(runs, "commit", lambda: "def5678+")
    place("--only", "alignatt")
    assert "`abc1234`, `def5678+`" in place.page.read_text()


def test_a_run_is_made_in_a_process_of_its_own(script):
    assert script.execute(["evaluate", "score", "/no/such/folder"]) == 1


def test_a_checkout_tells_its_commit():
    commits.commit.cache_clear()
    found = commits.commit()
    assert found is None or re.fullmatch(r"[0-9a-f]{7,}\+?", found)


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("<!-- table: talk -->\n<!-- end -->\n", "no table 'talk'. There are: talks"),
        ("<!-- table: talks -->\n", "has no end"),
        ("<!-- table: talks -->\n<!-- table: talks -->\n<!-- end -->\n", "has no end"),
        ("<!-- table: talks -->\n<!-- end -->\n<!-- end -->\n", "has no end"),
        ("no table", "no place for talks"),
    ],
)
def test_a_page_with_a_wrong_marker(page, told):
    with pytest.raises(UsageError, match=told):
        fill(page, {"talks": "| a |"})


def test_filling_twice_changes_nothing():
    once = fill(PAGE, {"talks": "| a |\\1\n"})
    assert "<!-- table: talks -->\n\n| a |\\1\n\n<!-- end -->" in once
    assert fill(once, {"talks": "| a |\\1\n"}) == once


def test_a_table_by_hand():
    run = {"pair": "en-de", "policy": "alignatt", "latency": "high", "closings": "own"}
    entry = {
        "run": {**run, "changes": {"chunk": "2.0"}, "model": "small"},
        "commits": ["abc1234"],
        "figures": {"longyaal_cu_ms": [1840.4, 1743.6, 1942.0], "chrf": [47.04, None, None]},
        "over": {"of": "", "chrf": [0.84, -0.04, 1.6]},
        "against": None,
    }
    columns = ["cu", "chrf", "wer", "chrf-over-rivals", "chrf-against"]
    assert table([entry], columns).splitlines()[-1] == (
        "| en-de alignatt | small | high chunk=2.0 | 1840 [1744, 1942] | 47.0 | – "
        "| +0.8 [-0.0, 1.6] | – | `abc1234` |"
    )
    with pytest.raises(UsageError, match=r"There is no column 'ter'\. There are: cu, ca, chrf"):
        table([entry], ["ter"])


def test_the_configuration_that_is_shipped_can_be_run(script, tmp_path, monkeypatch):
    """Every line has its hours, and every table a place; the data are stand-ins."""
    config = yaml.safe_load((ROOT / "configs" / "results.yaml").read_text("utf-8"))
    for line in config["runs"]:
        of = line["model"] if isinstance(line["model"], list) else [line["model"]]
        assert all(config["hours"][line["data"]][model] > 0 for model in of)
    pages = {}
    for one in config["tables"]:
        pages.setdefault(one["page"], {})[one["name"]] = table([], one["columns"])
    for page, tables in pages.items():
        assert fill((ROOT / page).read_text("utf-8"), tables)
