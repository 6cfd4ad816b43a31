"""What README, docs and help tell people to type is what the commands take.

Shell blocks are typed as they stand, in a folder of recordings, with the scripted engine; those of
the README and of the tutorials also with the models that come with the package.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from argparse import _SubParsersAction
from functools import cache
from urllib.error import URLError

import pytest
import yaml
from docs_blocks import (
    LANGUAGES,
    PAGES,
    ROOT,
    TUTORIALS,
    blocks,
    blocks_of,
    commands,
    lines,
    needs,
)
from papers import pdf
from sounds import write

from alignatt4llm.cli.main import parser
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.recognizers.tones import SCRIPT, tones

BLOCKS = blocks()
SHELL = [block for block in BLOCKS if block.language == "sh"]
PROSE = re.compile(r"`alignatt ([^`]+)`")
TYPED = sorted({block.page for block in SHELL if block.typed})
MEASURING = {block.page for block in SHELL if block.typed and "alignatt evaluate run" in block.text}
"""Pages whose commands take a minute."""
SAMPLES = ROOT / "samples"
CORPORA = ("talks", "fleurs-de", "samples")
RECORDINGS = ("talk.mp4", "talk.ogg", "film.mkv")
FORMS = {"mkv": "matroska"}
SAID = SCRIPT[:10]
"""What the recordings say to the scripted recogniser."""
TEXTS = {
    "abstract.txt": "Heads of a language model that look at the word they translate.",
    "terms.txt": "head = Kopf",
}
"""What pages say one has."""


@cache
def whole():
    return parser()


def known(arguments, command=None):
    """Return the parser that arguments belong to, and the arguments that are left to it."""
    command = command or whole()
    found = [action for action in command._actions if isinstance(action, _SubParsersAction)]
    if not found or not arguments or arguments[0].startswith("-"):
        return command, arguments
    assert arguments[0] in found[0].choices, f"{command.prog} has no {arguments[0]}"
    return known(arguments[1:], found[0].choices[arguments[0]])


def every_parser(command):
    yield command
    for action in command._actions:
        if isinstance(action, _SubParsersAction):
            for name in action.choices:
                yield from every_parser(action.choices[name])


PARSERS = list(every_parser(parser()))


def accepted(arguments):
    """Let the real parser read arguments, which exits where it refuses them; options in full."""
    command, left = known(arguments)
    own = left[: left.index("--")] if "--" in left else left
    options = {word.split("=")[0] for word in own if word.startswith("--")}
    assert options <= set(command._option_string_actions), f"{command.prog}: {options}"
    try:
        whole().parse_args(arguments)
    except SystemExit as refused:
        assert not refused.code, f"alignatt {shlex.join(arguments)} is refused"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_says_its_language(block):
    assert block.language in LANGUAGES


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_accepted(block):
    for arguments in commands(block.text):
        accepted(arguments)


@pytest.mark.parametrize("command", [p for p in PARSERS if p.epilog], ids=lambda p: p.prog)
def test_examples_of_help_are_accepted(command):
    whole_lines = re.sub(r"\\\n +", "", command.epilog)
    examples = re.findall(r"^  (alignatt .*?)(?:  .*)?$", whole_lines, re.MULTILINE)
    for example in examples:
        (arguments,) = commands(example)
        accepted(arguments)


@pytest.mark.parametrize("command", PARSERS, ids=lambda p: p.prog)
def test_every_option_is_explained(command):
    unexplained = [
        action.option_strings or action.dest
        for action in command._actions
        if not action.help and not isinstance(action, _SubParsersAction)
    ]
    assert unexplained == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_prose_are_there(page):
    for said in PROSE.findall(page.read_text("utf-8").replace("\n", " ")):
        command, left = known([word.split("|")[0] for word in said.split() if word != "…"])
        for option in (word.split("=")[0] for word in left if re.match(r"--\w", word)):
            assert option in command._option_string_actions, f"alignatt {said}"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "json"], ids=str)
def test_json_is_json(block):
    rest = block.text.strip()
    while rest:
        _, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].strip()


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=str)
def test_yaml_is_yaml(block):
    assert yaml.safe_load(block.text)


READ = [
    # Markdown, the arguments of each call of alignatt, why it is not run
    ("```sh\nalignatt demo\n```\n", [["demo"]], None),
    ("```sh\nalignatt demo   # a recording\n# alignatt translate\n```\n", [["demo"]], None),
    (
        "```sh\nalignatt check a.srt \\\n    --rules bbc\n```\n",
        [["check", "a.srt", "--rules", "bbc"]],
        None,
    ),
    ("```sh\nA=1 alignatt demo && alignatt doctor | tee a\n```\n", [["demo"], ["doctor"]], None),
    ("```sh\nalignatt check 'a b.srt'; echo alignatt\n```\n", [["check", "a b.srt"]], None),
    ("- so:\n\n  ```sh\n  alignatt demo\n  ```\n", [["demo"]], None),
    ("```text\n```\n```sh\nalignatt demo > log\n```\n", [["demo"]], None),
    ("```sh\nexport A=$(alignatt doctor)\n```\n", [["doctor"]], None),
    ("<!-- not run: needs a GPU -->\n```sh\nalignatt demo\n```\n", [["demo"]], "needs a GPU"),
    ("<!-- not run: slow -->\n\n```sh\nalignatt demo\n```\n", [["demo"]], "slow"),
    ("<!-- fragment -->\n```sh\nalignatt demo\n```\n", [["demo"]], "fragment"),
    ("<!-- a note -->\n```sh\nalignatt demo\n```\n", [["demo"]], None),
    ("<!-- not run: slow -->\nText.\n```sh\nalignatt demo\n```\n", [["demo"]], None),
]


@pytest.mark.parametrize(("markdown", "found", "why"), READ)
def test_commands_are_found_in_blocks(markdown, found, why):
    (shell,) = [block for block in blocks_of(markdown) if block.language == "sh"]
    assert (commands(shell.text), shell.why) == (found, why)


def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


class Typist:
    """Somebody who types a page's commands, one after the other, in a folder of recordings."""

    def __init__(self, folder, scripted):
        self.scripted = scripted
        self.folder = folder / "here"
        self.folder.mkdir()
        (self._tones if scripted else self._speech)()
        for name, text in TEXTS.items():
            (self.folder / name).write_text(text, "utf-8")
        pdf(self.folder / "paper.pdf", ["Heads and what they see."])
        program = folder / "bin" / "alignatt"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m alignatt4llm.cli.main "$@"\n')
        program.chmod(0o755)
        self.env = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}

    def _speech(self):
        """Have recordings of people."""
        for corpus in CORPORA:
            shutil.copytree(SAMPLES, self.folder / corpus)
        (self.folder / "recordings").mkdir()
        for suffix in ("ogg", "json"):
            shutil.copy(SAMPLES / f"lj001.{suffix}", self.folder / "recordings")
        for name in RECORDINGS:
            shutil.copy(SAMPLES / "fleurs-en-000.ogg", self.folder / name)

    def _tones(self):
        """Have recordings that the scripted recogniser hears."""
        text = " ".join(SAID)
        clip = {"audio": "a.ogg", **dict.fromkeys(("en", "de", "it"), text)}
        timed = [{"offset": 0, "duration": 0.4 * len(SAID), "text": text}]
        for folder in (*CORPORA, "recordings"):
            (self.folder / folder).mkdir()
            write(str(self.folder / folder / "a.ogg"), tones(range(len(SAID))), "ogg")
            name, content = ("a", timed) if folder == "recordings" else ("references", [clip])
            (self.folder / folder / f"{name}.json").write_text(json.dumps(content))
        for name in RECORDINGS:
            form = name.partition(".")[2]
            write(str(self.folder / name), tones(range(len(SAID))), FORMS.get(form, form))

    def check(self):
        """See that no file was left empty, and that files of a talk say what is said in it."""
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        assert [file for file in files if not file.stat().st_size] == []
        for file in files if self.scripted else []:
            if file.suffix[1:] in OUTPUTS and file.stem.split(".")[0] in ("talk", "film"):
                words = file.read_text("utf-8")
                assert [word for word in SAID if word.upper() not in words] == [], file

    def type(self, line):
        """Run a line of a block; servers until they answer."""
        need = needs(line)
        if need is None or (self.scripted and need == "models"):
            return
        calls = commands(line)
        command, _ = known(calls[0]) if calls else (whole(), [])
        options = command._option_string_actions
        for option in ("--engine", "--recognizer"):
            if self.scripted and option in options:
                line = self._extended(line, f"{option} scripted")
        if "--host" in options:
            self._serve(line)
        else:
            self._run(line)

    @staticmethod
    def _extended(line, more):
        return f"{line.split(' #')[0].rstrip()} {more}"

    def _run(self, line):
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    def _serve(self, line):
        port = free_port()
        line = self._extended(line, f"--port {port}")
        server = subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=self.folder, env=self.env)
        try:
            while not answers(f"http://127.0.0.1:{port}/readyz"):
                assert server.poll() is None, line
                time.sleep(0.1)
        finally:
            server.send_signal(signal.SIGINT)
            code = server.wait(60)
        assert code == 0, line


def answers(url):
    try:
        with urllib.request.urlopen(url):
            return True
    except (URLError, ConnectionError):
        return False


@pytest.mark.skipif(os.name == "nt" or not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("page", "scripted"),
    [
        *(
            pytest.param(
                page, True, id=f"{page}-scripted", marks=[pytest.mark.slow] * (page in MEASURING)
            )
            for page in TYPED
        ),
        *(
            pytest.param(page, False, id=page, marks=[pytest.mark.models, pytest.mark.slow])
            for page in TYPED
            if page.startswith(TUTORIALS)
        ),
    ],
)
def test_pages_run_as_they_stand(page, scripted, tmp_path):
    typist = Typist(tmp_path, scripted)
    for block in SHELL:
        if block.page == page and block.typed:
            for line in lines(block.text):
                typist.type(line)
    typist.check()
