"""The first minute: the demo, and what a shell completes."""

import filecmp
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from alignatt4llm.cli import demo, main, translate
from alignatt4llm.text.languages import LANGUAGES

ROOT = Path(__file__).parent.parent


def test_the_demo_translates_its_recording(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(translate, "run", lambda args: asked.append(args) or 0)
    assert main.main(["demo", "--to", "it"]) == 0
    assert (asked[0].to, asked[0].input, asked[0].realtime) == (["it"], demo.SAMPLE, True)
    assert "alignatt translate FILE" in capsys.readouterr().err


def test_the_demo_says_what_is_wrong_with_a_language(capsys):
    assert main.main(["demo", "--to", "xx"]) != 0
    assert "alignatt: error: " in capsys.readouterr().err


def test_the_recording_of_the_demo_is_the_sample_and_has_its_licence_beside_it():
    sample = Path(demo.SAMPLE)
    assert filecmp.cmp(sample, ROOT / "samples" / sample.name, shallow=False)
    assert "CC BY 4.0" in (sample.parent / "LICENSE.md").read_text("utf-8")


def test_the_changelog_begins_with_the_version_of_the_package():
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest[1] == whole["project"]["version"]


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script for bash, in a folder with two files of one beginning."""
    folder = tmp_path_factory.mktemp("here")
    for name in ("talk.ogg", "talk two.ogg"):
        (folder / name).touch()
    shell = ["alignatt", "completion", "bash"]
    with (folder / "script").open("w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", file)
        assert main.main(shell[1:]) == 0
    return folder / "script"


COMPLETED = [
    # what is typed so far, what is offered among others, what is not
    (["dem"], {"demo"}, {"doctor"}),
    (["translate", "ta"], {"talk.ogg", "talk two.ogg"}, {"script"}),
    (["translate", "--srt", "ta"], {"talk.ogg"}, {"script"}),
    (["translate", "--to", ""], set(LANGUAGES), {"German"}),
    (["translate", "talk.ogg", "--lat"], {"--latency"}, {"--language"}),
    (["listen", "--latency", "l"], {"low"}, {"high"}),
    (["demo", "--to", "d"], {"de", "da"}, {"en"}),
    (["models", ""], {"list", "fetch", "verify"}, {"demo"}),
    (["serve", "--model", "embedded"], {"embedded", "embedded-large"}, {"auto"}),
    (["completion", "b"], {"bash"}, {"zsh"}),
]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(("typed", "offered", "others"), COMPLETED)
def test_bash_completes(script, typed, offered, others):
    asks = (
        'source ./script; COMP_WORDS=(alignatt "$@"); COMP_CWORD=$#; COMPREPLY=(); '
        'complete -p alignatt > /dev/null; _shtab_alignatt; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-c", asks, "bash", *typed]
    done = subprocess.run(command, capture_output=True, text=True, cwd=script.parent, check=True)
    found = set(done.stdout.split("\n"))
    assert offered <= found
    assert not others & found


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_scripts_of_their_own(shell, capsys):
    assert main.main(["completion", shell]) == 0
    assert "translate" in capsys.readouterr().out
