"""Version 2 of the audio door: one session, many languages, which come and go while it runs."""

import asyncio
import json
import threading

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import created, journal_of, past_of, taken
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech, start_process
from talks import TALKS
from test_resume import header, live, speaker
from websockets.exceptions import ConnectionClosed

from alignatt4llm.errors import UsageError
from alignatt4llm.events import Close, Commit, End, SourceWord, TargetState
from alignatt4llm.machine.live import Speed
from alignatt4llm.recognizers.tones import SCRIPT
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.journals.journal import events_of
from alignatt4llm.serve.lifecycle import State
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.pasts import Pasts
from alignatt4llm.settings import fitting
from alignatt4llm.settings.system import System
from alignatt4llm.stream import Begins

MANY = {"version": 2, "to": ["de", "it", "zh"]}
STREAM = {"accept": "text/event-stream"}


def plain(text):
    return "".join(text.split())


def text_of(client, to):
    return "".join(e["text"] for e in client.events if e["type"] == "commit" and e["to"] == to)


def turns(client, state):
    return [e["to"] for e in client.events if e["type"] == "target" and e["state"] == state]


async def finish(client):
    await client.say({"type": "end"})
    await client.until("end")
    await client.socket.wait_closed()


async def opened(server, client, count):
    """Wait until so many languages can be said."""
    targets = server.registry._sessions[client.hello["session"]].targets
    while len(targets._sessions) < count:
        await asyncio.sleep(0.01)


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as server:
        yield server


def test_a_session_says_everything_in_every_language(server):
    async def talk():
        client = await Client(server).open(**MANY, trace=True)
        assert client.hello["to"] == ["de", "it", "zh"] and client.hello["from"] == "en"
        assert client.hello["version"] == 2 and "pair" not in client.hello
        await client.play(speech())
        await client.until("status")
        await finish(client)
        return client

    client = run(talk())
    for to in MANY["to"]:
        assert plain(text_of(client, to)) == plain(EVERYTHING)
    assert sorted(turns(client, "ended")) == sorted(MANY["to"])
    kinds = [frame["type"] for frame in client.frames]
    assert kinds.count("end") == 1 and kinds[-1] == "end" and "to" not in client.frames[-1]
    for frame in client.frames:
        if frame["type"] in ("commit", "close", "preview", "trace", "target", "source"):
            assert frame["to"] in MANY["to"]
    [status, *_] = [frame for frame in client.frames if frame["type"] == "status"]
    assert set(status["lags"]) <= set(MANY["to"])


def test_one_language_may_be_named_by_itself(server):
    async def talk(to):
        client = await Client(server).open(version=2, to=to)
        await client.play(speech(range(4)))
        await finish(client)
        return client.hello["to"], text_of(client, "de")

    for to in ("de", ["de"], "German", ["Deutsch"]):
        assert run(talk(to)) == (["de"], " ".join(SCRIPT[:4]).upper())


def test_version_1_is_answered_as_ever(server):
    async def talk():
        client = await Client(server).open(trace=True)
        assert set(client.hello) == {
            *("type", "version", "session", "key", "pair", "latency", "audio", "position")
        }
        assert client.hello["version"] == 1 and client.hello["pair"] == "en-de"
        await client.play(speech())
        await client.until("status")
        for kind in ("add", "drop"):
            await client.say({"type": kind, "to": "it"})
            while (frame := await client.next())["type"] != "error":
                pass
            assert frame["code"] == "bad_message" and not frame["fatal"]
        await finish(client)
        return client

    client = run(talk())
    assert client.text == EVERYTHING
    kinds = {frame["type"] for frame in client.frames}
    assert "target" not in kinds
    assert not any(
        {"to", "first", "lags"} & set(frame) for frame in client.frames if frame["type"] != "error"
    )


def test_a_target_joins_with_the_next_utterance(server):
    async def talk():
        client = await Client(server).open(version=2, to="de")
        await client.play(speech(), upto=len(speech(range(4))))
        await client.until("commit")
        await client.say({"type": "add", "to": "Italian"})
        await client.until("target")
        await opened(server, client, 2)
        await client.play(speech())
        await finish(client)
        return client

    client = run(talk())
    assert text_of(client, "de") == EVERYTHING
    [added, joined] = [
        e
        for e in client.events
        if e["type"] == "target" and e["to"] == "it" and e["state"] != "ended"
    ]
    assert (added["state"], added["from_start"], joined["state"]) == ("added", False, "joined")
    first = joined["first"]
    assert first > 3 and SCRIPT[first - 1].endswith(".")
    assert text_of(client, "it") == " ".join(SCRIPT[first:]).upper()


def test_a_target_may_say_what_was_said_before_it_came(server):
    async def talk():
        client = await Client(server).open(version=2, to=["de"])
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        await client.say({"type": "add", "to": "zh", "from_start": True})
        await client.until("target")
        await opened(server, client, 2)
        await client.play(speech())
        await finish(client)
        return client

    client = run(talk())
    assert text_of(client, "de") == EVERYTHING
    assert plain(text_of(client, "zh")) == plain(EVERYTHING)


def test_a_target_that_is_dropped_ends_and_may_come_back(server):
    async def talk():
        client = await Client(server).open(**MANY)
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        await client.say({"type": "drop", "to": "it"})
        while "it" not in turns(client, "ended"):
            await client.next()
        await client.say({"type": "add", "to": "it", "from_start": True})
        await client.play(speech(), upto=250_000)
        await opened(server, client, 3)
        await client.play(speech())
        await finish(client)
        return client

    client = run(talk())
    for to in ("de", "zh"):
        assert plain(text_of(client, to)) == plain(EVERYTHING)
    text = text_of(client, "it")
    assert text.endswith(f" {EVERYTHING}") and EVERYTHING.startswith(text[: -len(EVERYTHING) - 1])
    numbers = [e["utterance"] for e in client.events if e["type"] == "close" and e["to"] == "it"]
    assert numbers == sorted(set(numbers))


WRONG = {
    "unknown": ({"type": "add", "to": "klingon"}, "Unknown language 'klingon'"),
    "there already": ({"type": "add", "to": "de"}, "'de' is there already"),
    "there under another name": ({"type": "add", "to": "German"}, "'de' is there already"),
    "a region of one that is there": ({"type": "add", "to": "de-AT"}, "'de' is there already"),
    "spoken": ({"type": "add", "to": "en"}, "English is what is spoken"),
    "two in one": ({"type": "add", "to": "it,zh"}, "Name one language"),
    "none": ({"type": "add", "to": " "}, "Name a language"),
    "no direction": ({"type": "add", "to": "fil"}, "en-fil cannot be translated here"),
    "not there": ({"type": "drop", "to": "it"}, "'it' is not among the languages here: de"),
    "dropping what is unknown": ({"type": "drop", "to": "xx-yy-zz"}, "Unknown language"),
    "the last": ({"type": "drop", "to": "de"}, "'de' is the only language left"),
}


@pytest.mark.parametrize(("message", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_answered_and_the_session_goes_on(server, message, sentence):
    async def talk():
        client = await Client(server).open(version=2, to=["de"])
        await client.say(message)
        while (frame := await client.next())["type"] != "error":
            pass
        assert frame["code"] == "refused" and not frame["fatal"] and sentence in frame["message"]
        await client.play(speech())
        await finish(client)
        return text_of(client, "de")

    assert run(talk()) == EVERYTHING


MALFORMED = [
    {"type": "add"},
    {"type": "add", "to": ["it"]},
    {"type": "add", "to": "it", "from_start": 1},
    {"type": "drop", "to": None},
    {"type": "drop", "to": "de", "now": True},
]


@pytest.mark.parametrize("message", MALFORMED, ids=json.dumps)
def test_a_malformed_wish_is_a_bad_message(server, message):
    async def talk():
        client = await Client(server).open(version=2, to=["de"])
        await client.say(message)
        while (frame := await client.next())["type"] != "error":
            pass
        await finish(client)
        return frame["code"], frame["fatal"]

    assert run(talk()) == ("bad_message", False)


STARTS = {
    "twice": (["de", "German"], "unsupported_direction", "are both German"),
    "spoken": (["de", "en"], "unsupported_direction", "English is what is spoken"),
    "unknown": (["de", "klingon"], "unsupported_direction", "Unknown language 'klingon'"),
    "no direction": (["de", "fil"], "unsupported_direction", "en-fil cannot be translated"),
    "empty": ([], "bad_message", "a list of 1 to 100"),
    "not text": (["de", 7], "bad_message", "must be text"),
    "a number": (7, "bad_message", "'to' must be text"),
    "an object": ({"de": 1}, "bad_message", "'to' must be text"),
    "blanks": ([" "], "unsupported_direction", "Name a language"),
}


@pytest.mark.parametrize(("to", "code", "sentence"), STARTS.values(), ids=STARTS)
def test_a_start_that_cannot_be_meant_is_refused_in_a_sentence(server, to, code, sentence):
    async def talk():
        client = await Client(server).connect()
        await client.say({"type": "start", "version": 2, "to": to})
        return await client.next()

    frame = run(talk())
    assert (frame["type"], frame["code"]) == ("error", code) and sentence in frame["message"]
    assert server.registry.taken == 0


def test_every_language_takes_a_place(tmp_path):
    async def talk():
        client = await Client(server).open(version=2, to=["de", "it", "zh"])
        assert server.registry.taken == 3
        other = await Client(server).connect()
        await other.say({"type": "start", "version": 2, "to": ["de", "it"]})
        refused = await other.next()
        assert refused["code"] == "busy" and "1 of 4 places are free" in refused["message"]
        second = await Client(server).open(version=2, to=["de"])
        await client.say({"type": "drop", "to": "it"})
        while "it" not in turns(client, "ended"):
            await client.next()
        assert server.registry.taken == 3
        await client.say({"type": "add", "to": "it"})
        while "it" not in turns(client, "added"):
            await client.next()
        await client.say({"type": "drop", "to": "it"})
        await second.say({"type": "add", "to": "zh"})
        while (frame := await second.next())["type"] not in ("error", "target"):
            pass
        await finish(client)
        await finish(second)
        while server.registry.taken:
            await asyncio.sleep(0.01)
        return frame

    with serving(tmp_path, sessions=4) as server:
        assert run(talk())["type"] in ("error", "target")


@pytest.mark.parametrize(
    ("cost", "to", "told"),
    [
        (Speed(0.2, 0.02), ["de", "it", "zh"], "3 languages at once take up to 0.63 s"),
        (Speed(0.2, 0.02), ["de", "it"], ""),
        (Speed(0.9, 0.1), ["de"], ""),
        (None, ["de", "it", "zh"], ""),
    ],
)
def test_more_languages_than_are_live_are_told_and_said(tmp_path, monkeypatch, cost, to, told):
    monkeypatch.setattr(fitting, "known_speed", lambda *_: cost)

    async def talk():
        client = await Client(server).open(version=2, to=to)
        await client.play(speech(range(4)))
        await finish(client)
        return client

    interpreter = ScriptedInterpreter()
    interpreter.system = System("embedded", engine="llama.cpp")
    with serving(tmp_path, interpreter) as server:
        client = run(talk())
    notices = [frame["text"] for frame in client.frames if frame.get("kind") == "crowded"]
    assert len(notices) == bool(told) and all(told in text for text in notices)
    assert all(text_of(client, code) for code in to)


def test_a_server_may_have_several_languages_of_its_own(tmp_path):
    async def talk(version):
        client = await Client(server).connect()
        await client.say({"type": "start", "version": version})
        hello = client.hello = await client.until("started")
        await finish(client)
        return hello

    with serving(tmp_path, to=("de", "it")) as server:
        assert run(talk(2))["to"] == ["de", "it"]
        assert run(talk(1))["pair"] == "en-de"


class Stuck:
    """Drafts nothing until it is told to."""

    def __init__(self, drafter, free):
        self.drafter, self.free = drafter, free

    def draft(self, *asked):
        assert self.free.wait(30)
        return self.drafter.draft(*asked)

    def close(self):
        self.drafter.close()


class Slow(ScriptedInterpreter):
    """An interpreter that says nothing in one language until it is told to."""

    def __init__(self, slow):
        super().__init__()
        self.slow, self.free = slow, threading.Event()

    def open(self, pair, *asked, **more):
        session = super().open(pair, *asked, **more)
        if pair.target.code == self.slow:
            session._drafter = Stuck(session._drafter, self.free)
        return session


def test_a_slow_language_holds_no_other_up(tmp_path):
    """All of the others is said, and each has ended, before the first word of the slow one."""

    async def talk():
        client = await Client(server).open(**MANY)
        await client.play(speech())
        await client.say({"type": "end"})
        while len(turns(client, "ended")) < 2:
            await client.next()
        assert not text_of(client, "it")
        status = await client.until("status")
        assert status["lags"]["it"] > 5 and status["lag_s"] >= status["lags"]["it"] - 0.01
        slow.free.set()
        await client.until("end")
        return client

    slow = Slow("it")
    with serving(tmp_path, slow) as server:
        client = run(talk())
    for to in MANY["to"]:
        assert plain(text_of(client, to)) == plain(EVERYTHING)
    assert turns(client, "ended")[-1] == "it"


class Opens(ScriptedInterpreter):
    """An interpreter that opens some languages when it is told to, or fails to."""

    def __init__(self, late, problem=None):
        super().__init__()
        self.late, self.problem, self.free = late, problem, threading.Event()

    def open(self, pair, *asked, **more):
        if pair.target.code in self.late:
            assert self.free.wait(30)
            if self.problem:
                raise self.problem
        return super().open(pair, *asked, **more)


def session_of(server, client):
    return server.registry._sessions[client.hello["session"]]


async def till(true):
    while not true():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("added", [["it"], ["it", "zh"]])
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("before", [0, 4, 12])
def test_a_language_that_was_added_before_the_end_is_said(tmp_path, added, held, before):
    """However long it takes to open, and however little is still to come."""

    async def talk():
        client = await Client(server).open(version=2, to="de")
        await client.play(speech(range(before)))
        for to in added:
            await client.say({"type": "add", "to": to, "from_start": True})
        while turns(client, "added") != added:
            await client.until("target")
        session = session_of(server, client)
        await client.play(speech())
        await client.say({"type": "end"})
        await till(lambda: 2 * session._heard > client.sent - 64_000)
        opens.free.set()
        await client.until("end")
        return client

    opens = Opens(added)
    if not held:
        opens.free.set()
    with serving(tmp_path, opens) as server:
        client = run(talk())
    for to in ("de", *added):
        assert plain(text_of(client, to)) == plain(EVERYTHING)
    assert sorted(turns(client, "ended")) == sorted(["de", *added])


REASONS = [
    (UsageError("There is no memory for it."), "There is no memory for it."),
    (RuntimeError("0x1234"), "See the server's log."),
    (MemoryError(), "See the server's log."),
]


@pytest.mark.parametrize(("problem", "reason"), REASONS)
@pytest.mark.parametrize("first", ["drop", "fail"])
@pytest.mark.parametrize("added", [["it"], ["it", "zh"]])
def test_a_session_of_which_no_language_is_left_ends(tmp_path, problem, reason, first, added):
    """Whether the last to fail was added before another was dropped, or has ended since."""

    async def talk():
        client = await Client(server).open(version=2, to="de")
        await client.play(speech(range(6)))
        await client.until("commit")
        for to in added:
            await client.say({"type": "add", "to": to})
        while turns(client, "added") != added:
            await client.until("target")
        await client.say({"type": "drop", "to": "de"})
        if first == "fail":
            await client.until("target")
            opens.free.set()
        while first == "drop" and "de" not in turns(client, "ended"):
            await client.next()
        opens.free.set()
        await client.until("end")
        return client

    with serving(tmp_path, opens := Opens(added, problem)) as server:
        client = run(talk())
    assert sorted(turns(client, "ended")) == sorted(["de", *added])
    told = [frame for frame in client.frames if frame.get("kind") == "unopened"]
    assert sorted(e["text"].split(" could")[0].split()[-1] for e in told) == sorted(
        {"it": "Italian", "zh": "Chinese"}[to] for to in added
    )
    ends = [e for e in client.events if e["type"] == "target" and e["state"] == "ended"]
    assert all(e["text"].endswith(reason) and e["audio_s"] > 0 for e in told)
    assert all(e["audio_s"] > 0 for e in ends)


def test_a_language_that_cannot_be_opened_ends_no_other(tmp_path):
    async def talk():
        client = await Client(server).open(version=2, to="de")
        await client.play(speech(range(6)))
        await client.say({"type": "add", "to": "it"})
        while "it" not in turns(client, "ended"):
            await client.next()
        await client.play(speech())
        await finish(client)
        return client

    with serving(tmp_path, opens := Opens(["it"], REASONS[0][0])) as server:
        opens.free.set()
        client = run(talk())
    assert text_of(client, "de") == EVERYTHING and not text_of(client, "it")


@pytest.mark.parametrize("gone", [0, 1, 2])
@pytest.mark.parametrize("to", [["de"], ["de", "it", "zh"]])
def test_sessions_are_counted_and_not_their_languages(server, to, gone):
    async def talk():
        clients = [await Client(server).open(version=2, to=to) for _ in range(2)]
        for client in clients[:gone]:
            await client.socket.close()
            await till(lambda one=client: session_of(server, one).life.state is State.WAITING)
        with server.registry.places.counted(1):  # other work is no session
            server.registry.look_after()
        return server.registry.metrics.text().decode()

    told = run(talk())
    assert f'alignatt_sessions{{client="connected"}} {2 - gone}.0' in told
    assert f'alignatt_sessions{{client="gone"}} {gone}.0' in told


def test_a_restart_goes_on_with_every_language(tmp_path):
    """One that was dropped, one that is slow and one that waits to join among them."""

    async def until_it_is_killed(port):
        client = await Client(port).open(**MANY)
        await client.play(speech(), upto=150_000)
        await client.until("status")
        await client.say({"type": "drop", "to": "it"})
        await client.until("target")
        await client.until("status")
        return client

    async def and_on(client):
        await client.resume(version=2)
        told = next(frame for frame in client.frames if frame["type"] == "resumed")
        await client.play(speech())
        await finish(client)
        return told

    port = free_port()
    process = start_process(tmp_path, port)
    try:
        client = run(until_it_is_killed(port))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    with serving(tmp_path, port=port):
        told = run(and_on(client))
    assert set(told["to"]) >= {"de", "zh"} and told["version"] == 2
    for to in ("de", "zh"):
        assert plain(text_of(client, to)) == plain(EVERYTHING)
    assert EVERYTHING.startswith(text_of(client, "it"))
    assert sorted(turns(client, "ended")) == ["de", "it", "zh"]


def test_a_version_is_resumed_with_itself(server):
    async def talk(first, second):
        client = await Client(server).open(version=first)
        await client.socket.close()
        await client.connect()
        known = {key: client.hello[key] for key in ("session", "key")}
        await client.say({"type": "resume", "version": second, **known, "seq": 0})
        return await client.next()

    for first, second in ((1, 2), (2, 1)):
        frame = run(talk(first, second))
        assert frame["code"] == "wrong_version" and f"version {first}" in frame["message"]
    assert run(talk(2, 2))["type"] == "resumed"


def test_what_is_over_is_told_again_in_every_language(server):
    async def talk():
        client = await Client(server).open(**MANY)
        await client.play(speech(range(5)))
        await finish(client)
        again = Client(server)
        again.hello = client.hello
        await again.resume(version=2)
        with pytest.raises(ConnectionClosed):
            while True:
                await again.next()
        return client, again

    client, again = run(talk())
    assert again.events == client.events
    told = next(frame for frame in again.frames if frame["type"] == "resumed")
    assert told["ended"] and told["to"] == MANY["to"]


def test_files_and_captions_are_of_one_language(server):
    async def talk():
        client = await Client(server).open(**MANY)
        await client.play(speech())
        await finish(client)
        return client.hello["session"]

    session = run(talk())
    address = f"http://127.0.0.1:{server.port}"
    for query, code in (("", "de"), ("?to=it", "it"), ("?to=Chinese", "zh")):
        answer = httpx.get(f"{address}/transcripts/{session}.txt{query}")
        assert plain(answer.text) == plain(EVERYTHING)
        assert f".{code}.txt" in answer.headers["content-disposition"]
        lines = httpx.get(f"{address}/transcripts/{session}.jsonl{query}").text.splitlines()
        assert {json.loads(line)["to"] for line in lines if '"to"' in line} == {code}
        feed = httpx.get(
            f"{address}/captions/{session}{query}", headers={**STREAM, "last-event-id": "0"}
        )
        told = [
            json.loads(line[6:]) for line in feed.text.splitlines() if line.startswith("data: ")
        ]
        text = "".join(event["text"] for event in told if event["type"] == "commit")
        assert plain(text) == plain(EVERYTHING)
    assert httpx.get(f"{address}/transcripts/{session}.txt?to=klingon").status_code == 400


WORDS = tuple(SourceWord(f"w{n}.", float(n), n + 0.5) for n in range(8))
RECORDS = [
    Settled(WORDS[:2], 32_000),
    Commit("A", 0, 2.0, 2.0, 0, (), "de"),
    TargetState("added", 2.0, to="it"),
    Settled(WORDS[2:4], 64_000),
    Close(0, "w0. w1.", "A", 0.0, 1.5, 4.0, 2, "de"),
    TargetState("joined", 4.0, 3, to="it"),
    Commit("B", 0, 4.0, 4.0, 0, (), "it"),
    Settled(WORDS[4:], 128_000),
    TargetState("dropped", 8.0, to="de"),
    Close(0, "w3.", "B", 3.0, 3.5, 8.0, 1, "it"),
    TargetState("ended", 8.0, to="de"),
    End(8.0, 8.0, 1.0, 1.0),
]


def added_up(count):
    past = Pasts(["de"])
    for record in RECORDS[:count]:
        past.add(record)
    return past


def test_what_was_said_adds_up_by_hand():
    past = added_up(3)
    assert list(past.open) == ["de", "it"] and past.targets["it"].begins is Begins.NEXT
    past = added_up(6)
    assert past.targets["it"].begins is None
    standing = past.targets["it"].past.standing
    assert (standing.first, [word.text for word in standing.heard]) == (3, ["w3."])
    past = added_up(10)
    de, it = past.targets["de"], past.targets["it"]
    assert de.dropped and not de.ended and it.past.standing.first == 4
    assert [word.text for word in it.past.standing.heard] == ["w4.", "w5.", "w6.", "w7."]
    assert [word.text for word in de.past.standing.heard] == [f"w{n}." for n in range(2, 8)]
    assert (past.opened, past.settled, len(past.words)) == (4, 128_000, 8)
    past = added_up(12)
    assert past.ended and list(past.open) == ["it"]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(count=st.integers(0, len(RECORDS)))
def test_a_journal_gives_back_what_it_was_told(tmp_path_factory, count):
    path = tmp_path_factory.mktemp("journal") / "abcdefghijklmnop.jsonl"
    journal = created(path, {"to": ["de"]})
    for record in RECORDS[:count]:
        journal.hear(record) if isinstance(record, Settled) else journal.append(record)
    journal.close()
    durable = [record for record in RECORDS[:count] if not isinstance(record, Settled)]
    again = journal_of(path)
    assert [(e.type, e.to) for e in events_of(again)] == [(e.type, e.to) for e in durable]
    past, expected = past_of(path), added_up(count)
    assert (past.words, past.settled, past.ended) == (
        expected.words,
        expected.settled,
        expected.ended,
    )
    for to, each in expected.targets.items():
        assert past.targets[to].past.standing == each.past.standing
        assert past.targets[to].begins == each.begins


def of_each(events):
    """What each language says, and how it counts."""
    return {
        to: (
            plain("".join(e.text for e in events if isinstance(e, Commit) and e.to == to)),
            [
                (e.utterance, e.source, e.words)
                for e in events
                if isinstance(e, Close) and e.to == to
            ],
        )
        for to in ("de", "it")
    }


def test_a_session_is_resumed_in_all_languages_after_every_line_of_its_journal(tmp_path):
    pair, words = TALKS["inner spaces"]
    whole = {**header(pair, "medium"), "to": ["de", "it"]}
    interpreter, audio = speaker("inner spaces")

    def played(journal, past):
        return live(journal, interpreter, past, audio)

    first = created(tmp_path / "whole.jsonl", whole)
    expected = of_each(played(first, Pasts(whole["to"])))
    assert all(sum(count for *_, count in closes) == len(words) for _, closes in expected.values())
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines), 2):
        cut = tmp_path / f"{count}.jsonl"
        cut.write_bytes(b"".join(lines[:count]))
        assert of_each(played(*taken(cut))) == expected
