"""Journals in Redis, which may be away, be restarted, or forget."""

import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from itertools import permutations
from urllib.parse import quote

import pytest
from breaking_link import Link
from redis import Redis
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech
from shared_faults import *  # noqa: F403
from shared_faults import kinds, until_notice
from shared_journals import *  # noqa: F403
from shared_journals import HEADER, begun, found, numbers, said, texts
from shared_servers import *  # noqa: F403
from shared_servers import at

from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import Commit
from alignatt4llm.serve.errors import Replaced, Unkept, UnknownSession
from alignatt4llm.serve.journals.journal import events_of
from alignatt4llm.serve.journals.redis import RedisStore
from alignatt4llm.serve.journals.stores import store_at

PROGRAM = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="redis-server is not installed")
_WEEK = 7 * 86400.0


class RedisPlace:
    """A Redis of its own that keeps what it is told on disk."""

    writes_again = True

    def __init__(self, folder, *options):
        self._folder, self._options = folder, options
        self.port = free_port()
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self.start()
        self.store = store_at(self.address, _WEEK)
        self.bytes = Redis(port=self.port)

    def start(self):
        self._process = subprocess.Popen(
            [PROGRAM, "--port", str(self.port), "--dir", str(self._folder), "--bind", "127.0.0.1",
             "--appendonly", "yes", "--save", "", *self._options],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(200):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.02)

    def stop(self, how=signal.SIGTERM):
        self._process.send_signal(how)
        self._process.wait()

    def new_name(self):
        return secrets.token_urlsafe(16)

    def fail(self):
        self.stop()

    def mend(self, soon=None):
        self.start()
        time.sleep(0.3)  # so long nobody asks after a failure

    def lose(self, name):
        self.store._redis.delete(f"alignatt:{{{name}}}", f"alignatt:{{{name}}}:lines")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    place = RedisPlace(tmp_path_factory.mktemp("redis"))
    yield place
    place.stop()


@pytest.fixture
def place(running):
    if running._process.poll() is not None:
        running.mend()
    return running


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_redis_is_restarted_while_somebody_speaks(place, how, times=2):
    async def talk():
        client = await Client(server).open()
        for number in range(times):
            upto = 60_000 * (number + 1)
            await client.play(speech(), upto=upto)
            place.stop(how)
            await client.play(speech(), upto=upto + 30_000)
            await until_notice(client, "unkept")
            place.mend()
            await until_notice(client, "kept")
        await client.play(speech())
        text = await client.finish()
        assert kinds(client) == ["unkept", "kept"] * times
        return text

    with serving(place.address) as server:
        assert run(talk()) == EVERYTHING


def test_redis_is_away_for_a_moment_in_which_nobody_speaks(place):
    async def talk():
        client = await Client(server).open()
        place.fail()
        await until_notice(client, "unkept")
        place.mend()
        await until_notice(client, "kept")
        await client.play(speech())
        return await client.finish()

    with serving(place.address) as server:
        assert run(talk()) == EVERYTHING


LOSE_TWO = """
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 3)
if #newest < 3 then return end
redis.call('XDEL', KEYS[1], newest[1][1], newest[2][1])
redis.call('XSETID', KEYS[1], newest[3][1])
"""


def test_what_redis_lost_when_it_was_killed_is_written_again(place):
    async def talk():
        client = await Client(server).open()
        for upto in (100_000, 200_000, 300_000):
            await client.play(speech(), upto=upto)
            await client.until("commit")
            lines = f"alignatt:{{{client.hello['session']}}}:lines"
            place.store._redis.eval(LOSE_TWO, 1, lines)
        await client.play(speech())
        text = await client.finish()
        journal = found(place, client.hello["session"])
        assert numbers(journal) == [*range(1, client.seq + 1)]
        return text, "".join(texts_of_commits(journal))

    with serving(place.address) as server:
        told, kept = run(talk())
    assert told == kept.strip() == EVERYTHING


def texts_of_commits(journal):
    return [event.text for event in events_of(journal) if isinstance(event, Commit)]


@pytest.mark.parametrize("count", [0, 1, 100])
def test_a_redis_that_was_emptied_gets_a_young_session_back(place, count):
    name = place.new_name()
    journal = begun(place, name)
    for number in range(count):
        journal.append(said(str(number)))
    found(place, name).take()
    other = found(place, name)
    other.take()
    place.lose(name)
    other.append(said("more"))
    assert texts(found(place, name)) == [*map(str, range(count)), "more"]
    journal.append(said("late"))
    assert isinstance(journal.problem, Replaced)


def test_a_redis_that_lost_more_than_is_at_hand_ends_the_session(place):
    name = place.new_name()
    journal = begun(place, name)
    for number in range(600):
        journal.append(said(str(number)))
    place.lose(name)
    journal.append(said("more"))
    assert isinstance(journal.problem, UnknownSession)


def test_journals_go_by_themselves_when_they_have_not_changed_for_long(place):
    store = RedisStore(place.address, 0.4)
    name = place.new_name()
    log = store.create({**HEADER, "session": name})
    log.write(['{"seq": 1, "type": "close"}'])
    for _ in range(6):  # whoever owns it keeps it, also when nothing is said
        time.sleep(0.1)
        log.write([])
    assert store.header(name)["session"] == name
    time.sleep(0.6)
    with pytest.raises(UnknownSession):
        store.header(name)
    assert not list(store._redis.scan_iter(f"*{name}*"))


@pytest.mark.parametrize(
    "options", [["--maxmemory", "1"], ["--min-replicas-to-write", "1"]], ids=["full", "replicas"]
)
def test_a_redis_that_takes_nothing_is_away(tmp_path, options):
    place = RedisPlace(tmp_path, *options)
    try:
        with pytest.raises(AlignattError, match="cannot be kept at redis://"):
            place.store.check()
        with pytest.raises(Unkept):
            begun(place, place.new_name())
    finally:
        place.stop()


@pytest.mark.parametrize(
    ("version", "serves"),
    [
        ("2.8.24", False),
        ("5.0.14", False),
        ("6.0.16", False),
        ("6.2.0", True),
        ("6.10.1", True),
        ("10.0.0", True),
        ("7.4.0-rc1", True),
        ("255.255.255", True),
        ("", True),
        ("unstable", True),
    ],
)
def test_a_redis_that_is_too_old_is_told_at_the_start(place, monkeypatch, version, serves):
    monkeypatch.setattr(Redis, "info", lambda self, *_: {"redis_version": version})
    if serves:
        place.store.check()
        return
    with pytest.raises(AlignattError, match=f"6.2 or later.*this is {version}"):
        place.store.check()


def test_a_redis_that_does_not_tell_its_version_is_used(place):
    place.bytes.execute_command("ACL SETUSER shy on >secret ~alignatt:* +@all -info")
    store_at(f"redis://shy:secret@127.0.0.1:{place.port}/0", _WEEK).check()


PASSWORD = "a secret / with @ signs"


@pytest.mark.parametrize(
    ("given", "known"), [("", PASSWORD), (PASSWORD, ""), ("", ""), ("wrong", PASSWORD), ("", "no")]
)
def test_the_password_comes_from_the_address_or_the_environment(
    tmp_path, monkeypatch, given, known
):
    place = RedisPlace(tmp_path, "--requirepass", PASSWORD)
    monkeypatch.setenv("ALIGNATT_REDIS_PASSWORD", known)
    user = f":{quote(given, safe='')}@" if given else ""
    store = store_at(f"redis://{user}127.0.0.1:{place.port}/0", _WEEK)
    try:
        if (given or known) == PASSWORD:
            store.check()
            return
        with pytest.raises(AlignattError) as told:
            store.check()
        assert PASSWORD not in str(told.value) and "wrong" not in str(told.value).split("(")[0]
    finally:
        place.stop()


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("redis://127.0.0.1:1/0", 1),
        ("redis://:secret@127.0.0.1:1/0", 1),
        ("rediss://127.0.0.1:1/0", 1),
        ("redis://no.such.host.invalid:6379/0", 1),
        ("redis://127.0.0.1:port/0", 2),
        ("redis://127.0.0.1:1/first", 2),
        ("redis://127.0.0.1:1/0?nonsense=1", 2),
        ("redis://127.0.0.1:1/-1", 2),
        ("REDIS://127.0.0.1:1/0", 1),
    ],
)
def test_a_redis_that_is_not_there_is_told_in_a_sentence(capsys, address, status):
    assert main(["serve", "--model", "scripted", "--port", "0", "--transcripts", address]) == status
    said = capsys.readouterr().err
    assert "--transcripts" in said and "Traceback" not in said and "secret" not in said


def test_what_answers_and_is_no_redis_is_told_in_a_sentence(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer():
            while True:
                try:
                    with listening.accept()[0] as one:
                        one.recv(100)
                        one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        address = f"redis://127.0.0.1:{port}/0"
        command = ["serve", "--model", "scripted", "--port", "0", "--transcripts", address]
        assert main(command) == 1
    assert "cannot be kept" in capsys.readouterr().err


def test_an_owner_that_redis_answered_too_late_writes_nothing_twice(place):
    name = place.new_name()
    log = place.store.create({**HEADER, "session": name})
    lines = ['{"seq": 1, "type": "close"}', '{"type": "heard"}', '{"seq": 2, "type": "close"}']
    log.write(lines[:2])
    log._known.clear()
    log._known.append(((0, 0), ""))  # as if no answer had come
    log.write(lines)
    assert list(place.store.open(name).more()) == lines
    other = place.store.open(name)
    assert other.take() == lines
    with pytest.raises(Replaced):
        log.write(lines)
    assert numbers(found(place, name)) == [1, 2]


def keys_of(name):
    return f"alignatt:{{{name}}}", f"alignatt:{{{name}}}:lines"


def kept_by(place, name):
    return {key: place.bytes.dump(key) for key in keys_of(name)}


def lose_what_came_after(place, name, before):
    """Set Redis back, as when it was killed before it had written to disk."""
    for key, value in before.items():
        place.bytes.restore(key, 0, value, replace=True)


@pytest.mark.parametrize("order", [*permutations(range(3))])
@pytest.mark.parametrize("takes", [[], ["lost"], ["lost", "lost"], ["lost", "after"], ["after"]])
@pytest.mark.parametrize("does", ["say", "look"])
def test_a_redis_that_was_set_back_has_one_owner(place, order, takes, does):
    """Whoever goes on, all that it told is there, in order, and nothing else."""
    name = place.new_name()
    journals = [begun(place, name)]
    journals[0].append(said("begun"))
    before = kept_by(place, name)
    told = {number: [] for number in range(3)}

    def say(number, what):
        text = f"{number} {what}"
        journals[number].append(said(text), lambda: told[number].append(text))

    for take in takes:
        if take == "after":
            lose_what_came_after(place, name, before)
            before = {}
        journals.append(found(place, name))
        journals[-1].take()
        say(len(journals) - 1, "took it")
    lose_what_came_after(place, name, before)
    for what in ("then", "later"):
        for number in order:
            if number < len(journals):
                say(number, what) if does == "say" else journals[number].flush()
    for journal in journals:
        journal.flush()
    going_on = [number for number, journal in enumerate(journals) if journal.problem is None]
    whole = found(place, name)
    assert len(going_on) <= 1 and numbers(whole) == [*range(1, whole.last + 1)]
    for number in going_on:
        assert texts(journals[number]) == texts(whole)
        assert [text for text in texts(whole) if text in told[number]] == told[number]
    for journal in journals:
        assert journal.problem is None or isinstance(journal.problem, Replaced)


def test_of_two_owners_with_one_epoch_the_later_goes_on(place):
    name = place.new_name()
    begun(place, name).append(said("begun"))
    before = kept_by(place, name)
    first, second = found(place, name), found(place, name)
    first.take()
    lose_what_came_after(place, name, before)
    second.take()
    first.append(said("first"))
    second.append(said("second"))
    assert isinstance(first.problem, Replaced) and second.problem is None
    assert texts(found(place, name)) == ["begun", "second"]


@pytest.mark.parametrize("count", [1, 2, 100])
def test_what_stands_where_a_line_belongs_is_not_passed_over(place, count):
    name = place.new_name()
    journal = begun(place, name)
    for number in range(1, count + 1):
        line = f'{{"seq": {number}, "type": "close", "to": "de"}}'
        place.store._redis.xadd(keys_of(name)[1], {"line": line}, id=f"{number}-0")
    told = []
    journal.append(said("mine"), lambda: told.append("mine"))
    assert isinstance(journal.problem, Replaced) and not told


def test_a_client_of_a_server_that_cannot_reach_redis_goes_on_at_one_that_can(place, tmp_path):
    """The first server is cut off, the second is not; what the first had not written is void."""
    with (
        Link(place.port) as link,
        serving(f"redis://127.0.0.1:{link.port}/0") as one,
        serving(place.address) as other,
    ):

        async def talk():
            client = await Client(one).open()
            await client.play(speech(), upto=100_000)
            await client.until("commit")
            link.cut()
            await client.play(speech(), upto=250_000)
            await until_notice(client, "unkept")
            late = client.socket
            await at(client, other).resume()
            await client.play(speech(), upto=300_000)
            link.mend()
            with pytest.raises(Exception):  # noqa: B017
                while True:
                    await late.recv()
            assert late.close_code == 1008
            await client.play(speech())
            return await client.finish()

        assert run(talk()) == EVERYTHING
