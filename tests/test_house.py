"""The house stays tidy: few files at its door, short functions, and a light foundation.

Which room may use which is held by the contracts in ``make check``.
"""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from statistics import median

import pytest

import alignatt4llm

PACKAGE = Path(alignatt4llm.__file__).parent


def functions():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                documented = ast.get_docstring(node, clean=False) is not None
                first = node.body[0]
                lines = node.end_lineno - node.lineno + 1
                if documented:
                    lines -= first.end_lineno - first.lineno + 1
                yield f"{path.relative_to(PACKAGE)}: {node.name}", lines


def test_few_files_lie_at_the_door():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_functions_are_short():
    lengths = dict(functions())
    assert median(lengths.values()) <= 8
    assert [name for name, lines in lengths.items() if lines > 60] == []


def test_files_are_one_idea():
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert [path.name for path, count in lines.items() if count > 400] == []


@pytest.mark.parametrize("name", ["events", "target", "text.words", "errors"])
def test_the_foundation_loads_neither_numpy_nor_weights(name):
    code = f"import alignatt4llm.{name}, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    strange = ("numpy", "torch", "av", "alignatt4llm.weights", "alignatt4llm.translators")
    assert [name for name in loaded if name.startswith(strange)] == []


@pytest.mark.parametrize("name", alignatt4llm.__all__)
def test_every_public_name_is_there(name):
    assert getattr(alignatt4llm, name) is not None


def test_what_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'Interpeter'"):
        alignatt4llm.Interpeter  # noqa: B018


def test_public_names_are_the_objects_of_their_rooms():
    for module, names in alignatt4llm._HOMES.items():
        for name in names:
            home = import_module(f"alignatt4llm.{module}")
            assert getattr(alignatt4llm, name) is getattr(home, name)


def test_make_installs_what_the_commands_of_the_readme_need():
    root = PACKAGE.parent.parent
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    makefile = (root / "Makefile").read_text("utf-8")
    demo, everything = re.findall(r'BIN\)/python .* -e "\.\[(embedded[^"]*)\]"', makefile)[:2]
    shown = set(re.findall(r"\.venv/bin/alignatt (\w+)", (root / "README.md").read_text("utf-8")))
    needed = shown & set(extras["project"]["optional-dependencies"])
    assert {"listen", "serve"} <= needed <= set(demo.split(","))
    assert {"transformers", "heads", "evaluate"} <= set(everything.split(","))
