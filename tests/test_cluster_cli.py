"""What ``alignatt cluster`` says where there is no Ray."""

import sys

import pytest

from alignatt4llm.cli.main import main

COMMANDS = [["up"], ["up", "--nodes", "2", "--model", "scripted"], ["status"], ["down"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_ray_the_extra_is_named(command, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.serve", None)
    assert main(["cluster", *command]) == 1
    said = capsys.readouterr().err
    assert said.startswith("alignatt: error: A cluster needs the package ray, which is not")
    assert "alignatt4llm[cluster]" in said and said.count("\n") == 1
