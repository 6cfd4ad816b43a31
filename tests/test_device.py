"""The device: the best there is, or the one asked for."""

from types import SimpleNamespace

import pytest
import torch

from alignatt4llm.errors import UsageError
from alignatt4llm.machine.device import Device


@pytest.fixture
def machine(monkeypatch):
    def have(cuda=False, mps=False, bf16=True, cpu_bf16=True, asked=""):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
        routines = SimpleNamespace(_is_mkldnn_bf16_supported=lambda: cpu_bf16)
        monkeypatch.setattr(torch.ops, "mkldnn", routines)
        monkeypatch.setenv("ALIGNATT_DEVICE", asked)

    return have


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({"cuda": True, "mps": True}, Device("cuda")),
        ({"cuda": True, "bf16": False}, Device("cuda", "float32")),
        ({"mps": True}, Device("mps")),
        ({}, Device("cpu")),
        ({"cpu_bf16": False}, Device("cpu", "float32")),
        ({"cuda": True, "cpu_bf16": False}, Device("cuda")),
        ({"cuda": True, "asked": "cpu"}, Device("cpu")),
        ({"cuda": True, "asked": "cuda:1"}, Device("cuda:1")),
    ],
)
def test_the_best_device_is_found_or_the_one_asked_for_taken(machine, there, found):
    machine(**there)
    assert Device.best() == found


def test_a_cpu_without_matrix_routines_gets_float32(machine, monkeypatch):
    machine()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert Device.best() == Device("cpu", "float32")


def test_a_device_that_is_not_there_is_told(machine):
    machine(asked="cuda")
    with pytest.raises(UsageError, match="finds no such device"):
        Device.best()
    machine(asked="tpu")
    with pytest.raises(UsageError, match="'tpu' is no device; choose cuda, mps, cpu"):
        Device.best()


def test_types_are_those_of_torch():
    assert Device("cpu").torch_dtype == "auto"
    assert Device("cpu", "float32").torch_dtype is torch.float32
