"""Engines are started once a module; vLLM's own warnings are not this project's."""

import os

import pytest

os.environ.update({"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"})
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")


def pytest_collection_modifyitems(items):
    for item in items:
        if "vllm" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore"))
