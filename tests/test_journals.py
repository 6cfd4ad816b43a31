"""Journals in a folder that servers share."""

import errno
import os
import secrets

import pytest
from shared_journals import *  # noqa: F403

from alignatt4llm.serve.journals import folder
from alignatt4llm.serve.journals.stores import store_at

_WEEK = 7 * 86400.0
_write = folder._write


class Folder:
    """A folder whose disk can be full."""

    writes_again = False

    def __init__(self, path, monkeypatch):
        self.address, self._patch = path, monkeypatch
        self.store = store_at(path, _WEEK)

    def new_name(self):
        return secrets.token_urlsafe(16)

    def fail(self):
        def full(descriptor, data):
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        self._patch.setattr(folder, "_write", full)

    def mend(self, soon=None):
        self._patch.setattr(folder, "_write", _write)

    def lose(self, name):
        (self.address / f"{name}.jsonl").unlink()


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Folder(tmp_path, monkeypatch)
