"""Journals in a folder that servers share."""

import errno
import json
import os
import secrets
import shutil
import sys
import time

import pytest
from filelock import FileLock
from shared_faults import *  # noqa: F403
from shared_journals import *  # noqa: F403
from shared_journals import begun, found, numbers, said, texts
from shared_servers import *  # noqa: F403

from alignatt4llm.cli.main import main
from alignatt4llm.serve.errors import Unkept, UnknownSession
from alignatt4llm.serve.journals import folder
from alignatt4llm.serve.journals.folder import FolderStore
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


def test_a_line_that_was_not_written_whole_is_left_to_its_owner_by_readers(place):
    name = place.new_name()
    first = begun(place, name)
    first.append(said("a"))
    with (place.address / f"{name}.jsonl").open("ab") as file:
        file.write(b'{"seq": 2, "ty')
    reader = found(place, name)
    assert texts(reader) == ["a"]
    first.append(said("b"))
    assert first.problem is None and reader.look()
    assert texts(reader) == ["a", "b"]


def test_what_a_dead_owner_had_half_written_is_cut_off(place):
    name = place.new_name()
    begun(place, name).append(said("a"))
    with (place.address / f"{name}.jsonl").open("ab") as file:
        file.write(b'{"seq": 2, "ty')
    second = found(place, name)
    second.take()
    second.append(said("b"))
    assert (texts(found(place, name)), numbers(found(place, name))) == (["a", "b"], [1, 2])


def test_epochs_are_counted_in_the_journal(place):
    name = place.new_name()
    begun(place, name)
    for _ in range(3):
        found(place, name).take()
    records = map(json.loads, (place.address / f"{name}.jsonl").read_text().splitlines())
    assert [record["epoch"] for record in records if record["type"] == "owner"] == [2, 3, 4]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_nothing_is_left_of_a_line_that_could_not_be_written(place, monkeypatch, number, share):
    name = place.new_name()
    journal = begun(place, name)
    journal.append(said("a"))
    size = (place.address / f"{name}.jsonl").stat().st_size

    def failing(descriptor, data):
        os.write(descriptor, data[: int(share * len(data))])
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder, "_write", failing)
    journal.append(said("b"))
    assert journal.trouble == os.strerror(number).lower()
    assert (place.address / f"{name}.jsonl").stat().st_size == size
    monkeypatch.undo()
    journal.flush()
    assert texts(found(place, name)) == ["a", "b"]


def room_for(free):
    """Return what writes to a disk that has room for so many bytes and then is full."""

    def write(descriptor, data):
        nonlocal free
        written = os.write(descriptor, data[:free])
        free -= written
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return write


@pytest.mark.parametrize("rooms", [[0, 80], [0, 150, 150], [0, 300], [100, 5, 400], [0, 1, 999]])
@pytest.mark.parametrize("cuts", [True, False])
def test_a_disk_that_is_full_again_doubles_nothing(place, monkeypatch, rooms, cuts):
    name = place.new_name()
    journal = begun(place, name)
    if not cuts:
        monkeypatch.setattr(folder.FileLog, "_cut", lambda self: full())
    for number in range(4):
        monkeypatch.setattr(folder, "_write", room_for(rooms[0] if not number else 0))
        journal.append(said(str(number)))
    for free in rooms[1:]:
        monkeypatch.setattr(folder, "_write", room_for(free))
        journal.flush()
    monkeypatch.undo()
    journal.flush()
    whole = found(place, name)
    assert journal.problem is None
    assert (texts(whole), numbers(whole)) == (["0", "1", "2", "3"], [1, 2, 3, 4])


def full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_that_became_shorter_is_not_written_on(place):
    name = place.new_name()
    journal = begun(place, name)
    for number in range(3):
        journal.append(said(str(number)))
    os.truncate(place.address / f"{name}.jsonl", 200)
    journal.append(said("3"))
    assert isinstance(journal.problem, UnknownSession)


def removed(path):
    path.unlink()


def moved(path):
    path.rename(path.with_suffix(".away"))


def copied(path):
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def begun_anew(path):
    path.with_suffix(".new").write_bytes(path.read_bytes()[:-1])
    path.with_suffix(".new").replace(path)


def removed_with_its_folder(path):
    shutil.rmtree(path.parent)


GONE = [removed, moved, copied, begun_anew, removed_with_its_folder]


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("does", ["says", "is silent"])
def test_an_owner_whose_file_is_gone_does_not_go_on(tmp_path, monkeypatch, gone, does):
    place = Folder(tmp_path / "transcripts", monkeypatch)
    name = place.new_name()
    journal = begun(place, name)
    journal.append(said("a"))
    gone(place.address / f"{name}.jsonl")
    told = []
    journal.append(said("b"), lambda: told.append("b")) if does == "says" else journal.flush()
    assert isinstance(journal.problem, UnknownSession) and not told
    assert texts(journal) == ["a"]  # who listens reads it to its end


@pytest.mark.parametrize("gone", GONE)
def test_nobody_takes_a_file_that_is_gone(tmp_path, monkeypatch, gone):
    place = Folder(tmp_path / "transcripts", monkeypatch)
    name = place.new_name()
    begun(place, name).append(said("a"))
    second = found(place, name)
    gone(place.address / f"{name}.jsonl")
    with pytest.raises((UnknownSession, Unkept)):
        second.take()


@pytest.mark.parametrize("days", [0.5, 3.0, 7.0])
def test_a_silent_session_is_not_old(place, days):
    name = place.new_name()
    journal = begun(place, name)
    past = time.time() - days * 86400 - 60
    os.utime(place.address / f"{name}.jsonl", (past, past))
    journal.flush()
    FolderStore(place.address, days * 86400).tidy()
    journal.append(said("a"))
    assert journal.problem is None and texts(found(place, name)) == ["a"]


def test_a_process_that_does_not_let_go_of_the_file_is_a_trouble_that_passes(place, monkeypatch):
    monkeypatch.setattr(folder, "_PATIENCE", 0.1)
    name = place.new_name()
    journal = begun(place, name)
    with FileLock(place.address / f"{name}.lock"):
        journal.append(said("a"))
        assert "does not let go" in journal.trouble
    journal.flush()
    assert texts(found(place, name)) == ["a"]


@pytest.mark.parametrize("hours", [-400, -1, 0, 1, 400])
def test_old_journals_go_whatever_the_clock_of_this_machine_says(place, monkeypatch, hours):
    old, new = place.new_name(), place.new_name()
    for name in (old, new):
        begun(place, name).close()
    past = time.time() - 8 * 86400
    os.utime(place.address / f"{old}.jsonl", (past, past))
    now = time.time() + hours * 3600
    monkeypatch.setattr(time, "time", lambda: now)
    place.store.tidy()
    assert [path.stem for path in place.address.glob("*.jsonl")] == [new]
    assert not (place.address / f"{old}.lock").exists()


@pytest.mark.parametrize(
    ("transcripts", "status", "says"),
    [
        ("ftp://host/folder", 2, "redis://"),
        ("http://127.0.0.1:1", 2, "redis://"),
        ("s3://bucket", 2, "redis://"),
        ("unix:///run/redis.sock", 2, "redis://"),
        ("/proc/transcripts", 1, "another folder"),
        ("/dev/null", 1, "another folder"),
        ("/dev/null/deeper", 1, "another folder"),
    ],
)
def test_where_nothing_can_be_kept_is_told_in_a_sentence(capsys, transcripts, status, says):
    command = ["serve", "--model", "scripted", "--port", "0", "--transcripts", transcripts]
    assert main(command) == status
    said = capsys.readouterr().err
    assert said.startswith("alignatt: error: ") and says in said and "Traceback" not in said


def test_without_its_package_redis_is_named_with_what_installs_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "alignatt4llm.serve.journals.redis", raising=False)
    address = "redis://127.0.0.1:1/0"
    assert main(["serve", "--model", "scripted", "--port", "0", "--transcripts", address]) == 1
    assert "alignatt4llm[cluster]" in capsys.readouterr().err
