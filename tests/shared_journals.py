"""What holds wherever journals are kept; a test file imports all of it and brings its own `place`.

A place has an ``address`` and a ``store``; ``fail`` makes it refuse what is written and ``mend``
takes that back.
"""

import asyncio
import json
import threading
from unittest.mock import patch

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech, start_process
from websockets.exceptions import ConnectionClosed

from alignatt4llm.events import Commit, Notice, SourceWord
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.errors import Replaced, Unkept, UnknownSession
from alignatt4llm.serve.journals import journal as journals
from alignatt4llm.serve.journals.journal import Journal, events_of
from alignatt4llm.serve.lifecycle import State
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.pasts import Pasts

HEADER = {"from": "en", "to": ["de"], "version": 2}
PATIENT = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def said(text):
    return Commit(text, 0, 1.0, 1.0, 0, (), "de")


def begun(place, name):
    return Journal(place.store.create({**HEADER, "session": name}), owned=True)


def found(place, name):
    return Journal(place.store.open(name))


def texts(journal):
    return [event.text for event in events_of(journal)]


def numbers(journal):
    read = []
    while lines := journal.since(len(read)):
        read += [json.loads(line)["seq"] for line in lines]
    return read


STEPS = st.lists(
    st.tuples(st.sampled_from(["say", "hear", "take", "look", "part", "fail"]), st.integers(0, 2)),
    max_size=30,
)


class Unsure:
    """A log whose store fails when it is told to, before it writes or, where it may, after."""

    def __init__(self, log, after):
        self._log, self._after, self.fails = log, after, False

    def __getattr__(self, name):
        return getattr(self._log, name)

    def write(self, lines):
        if self.fails:
            self.fails = False
            if not self._after:
                raise Unkept("it was told to")
            with patch.object(self._log, "_write", unanswered(self._log._write)):
                self._log.write(lines)
        self._log.write(lines)


def unanswered(write):
    """Write, and have no answer."""

    def late(*known):
        write(*known)
        raise Unkept("it was told to")

    return late


def several(place, name, after):
    """Return three journals of one session, of whom the first is its owner."""
    logs = [Unsure(place.store.create({**HEADER, "session": name}), after)]
    logs += [Unsure(place.store.open(name), after) for _ in range(2)]
    return logs, [Journal(log, owned=log is logs[0]) for log in logs]


@settings(max_examples=60, **PATIENT)
@given(steps=STEPS, after=st.booleans())
def test_whoever_writes_the_events_of_one_owner_stand_behind_those_of_another(place, steps, after):
    after = after and place.writes_again
    name = place.new_name()
    logs, all_of_them = several(place, name, after)
    kept, epoch, epochs = [], 0, [0, 0, 0]
    for number, (what, who) in enumerate(steps):
        journal = all_of_them[who]
        if what == "say":
            label = f"{epochs[who]}.{number}"
            journal.append(said(label), lambda label=label: kept.append(label))
        elif what == "hear":
            journal.hear(Settled((SourceWord("w", 0.0, 1.0),), number))
        elif what == "fail":
            logs[who].fails = True
        elif what == "part":
            journal.close()
        elif what == "look":
            journal.look()
        else:
            journal.close()
            logs[who] = Unsure(place.store.open(name), after)
            all_of_them[who] = Journal(logs[who])
            all_of_them[who].take()
            epoch += 1
            epochs[who] = epoch
    for journal in all_of_them:
        journal.flush()
    whole = found(place, name)
    written = texts(whole)
    if after:  # what was written without an answer may be, and is not told where it was said
        assert [label for label in written if label in kept] == kept
    else:
        assert written == kept
    assert numbers(whole) == [*range(1, len(written) + 1)]
    in_order = sorted(set(written), key=lambda label: [int(part) for part in label.split(".")])
    assert written == in_order
    for journal in all_of_them:
        if journal.look() or journal.last == whole.last:
            assert texts(journal) == written


def test_an_owner_that_was_replaced_writes_nothing_more_and_knows_it(place):
    name = place.new_name()
    first = begun(place, name)
    first.append(said("a"))
    second = found(place, name)
    second.take()
    told = []
    first.append(said("b"), lambda: told.append("b"))
    second.append(said("c"))
    assert isinstance(first.problem, Replaced) and not told
    assert texts(found(place, name)) == ["a", "c"]


def test_an_owner_that_was_replaced_knows_it_at_its_next_look(place):
    name = place.new_name()
    first = begun(place, name)
    found(place, name).take()
    assert first.problem is None
    first.flush()
    assert isinstance(first.problem, Replaced)


def test_who_takes_over_is_told_what_was_said_up_to_that_moment(place):
    name = place.new_name()
    first = begun(place, name)
    first.append(said("a"))
    log = place.store.open(name)
    past = Pasts(["de"])
    second = Journal(log, past)
    first.append(said("b"))
    first.hear(Settled((SourceWord("w", 0.0, 1.0),), 16_000))
    second.take()
    pieces = past.targets["de"].past.standing
    assert (second.last, past.settled, pieces.said) == (2, 16_000, True)
    assert [word.text for word in past.words] == ["w"]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_what_waits_is_written_in_order_and_told_only_then(place, count):
    name = place.new_name()
    journal = begun(place, name)
    journal.append(said("before"))
    place.fail()
    told = []
    for number in range(count):
        journal.append(said(str(number)), lambda number=number: told.append(number))
        journal.hear(Settled((SourceWord("w", 0.0, 1.0),), number))
    assert (journal.last, told, journal.safe) == (1, [], False) and journal.trouble
    place.mend()
    journal.settle(10)
    assert told == [*range(count)] and journal.safe and not journal.trouble
    assert texts(found(place, name)) == ["before", *map(str, range(count))]
    assert numbers(found(place, name)) == [*range(1, count + 2)]


def test_no_more_waits_than_there_is_room_for(place, monkeypatch):
    monkeypatch.setattr(journals, "MOST_WAITING", 10)
    journal = begun(place, place.new_name())
    place.fail()
    for number in range(12):
        journal.append(said(str(number)))
    assert isinstance(journal.problem, Unkept)
    place.mend()


@pytest.mark.parametrize(
    "name", ["", "short", "../../../../etc/passwd", "x" * 65, "a b c d e f g h i"]
)
def test_what_is_no_name_of_a_session_leads_nowhere(place, name):
    for ask in (place.store.header, place.store.open):
        with pytest.raises(UnknownSession):
            ask(name)


def test_what_is_gone_is_unknown(place):
    name = place.new_name()
    journal = begun(place, name)
    for number in range(300):
        journal.append(said(str(number)))
    reader = found(place, name)
    place.lose(name)
    for ask in (place.store.header, place.store.open):
        with pytest.raises(UnknownSession):
            ask(name)
    with pytest.raises(UnknownSession):
        reader.take()


# Two servers of one place


@pytest.fixture
def two(place):
    """Two servers that share a place."""
    with serving(place.address, resume=5.0) as one, serving(place.address, resume=5.0) as other:
        yield one, other


def at(client, server):
    client.url = Client(server).url
    return client


async def problem_of(client):
    with pytest.raises(ConnectionClosed):
        while True:
            await client.next()
    return client.frames[-1]["code"]


@pytest.mark.parametrize("attached", [True, False])
def test_a_client_resumes_at_another_server_while_the_first_thinks_the_session_its_own(
    two, attached
):
    one, other = two

    async def talk():
        client = await Client(one).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        before = client.socket
        if not attached:
            before.transport.abort()
        await at(client, other).resume()
        if attached:
            with pytest.raises(ConnectionClosed):
                while True:
                    last = json.loads(await before.recv())
            assert last["code"] == "replaced" and last["type"] == "error"
        await client.play(speech())
        text = await client.finish()
        while one.registry._sessions:
            await asyncio.sleep(0.05)
        return text

    assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("turns", [(one, 3) for one in range(40_000, 200_000, 40_000)])
def test_a_client_that_goes_to_and_fro_misses_nothing_and_hears_nothing_twice(two, turns):
    step, rounds = turns

    async def talk():
        client = await Client(two[0]).open()
        for number in range(rounds * 2):
            await client.play(speech(), upto=min(len(speech()), step * (number + 1)))
            await at(client, two[(number + 1) % 2]).resume()
        await client.play(speech())
        return await client.finish()

    assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("languages", [["de", "it"], ["it", "zh", "de"]])
def test_all_languages_of_a_session_go_on_at_another_server(two, languages):
    def texts_of(client):
        commits = [event for event in client.events if event["type"] == "commit"]
        said_in = {to: "".join(e["text"] for e in commits if e["to"] == to) for to in languages}
        return {to: "".join(text.split()) for to, text in said_in.items()}

    async def talk(moves):
        client = await Client(two[0]).open(version=2, to=languages)
        for number in range(moves):
            await client.play(speech(), upto=70_000 * (number + 1))
            await client.until("commit")
            await at(client, two[(number + 1) % 2]).resume(version=2)
        await client.play(speech())
        await client.finish()
        return texts_of(client)

    undisturbed = run(talk(0))
    assert run(talk(3)) == undisturbed and all(undisturbed.values())


def test_a_client_that_comes_straight_back_is_not_given_what_another_server_took(two):
    async def talk():
        client = await Client(two[0]).open()
        await client.play(speech(), upto=150_000)
        for _ in range(3):  # all that was sent is said, so that nothing is written meanwhile
            await client.until("status")
        await at(client, two[1]).resume()
        await client.play(speech(), upto=200_000)
        for _ in range(2):
            await client.until("status")
        stale = two[0].registry._sessions.get(client.hello["session"])
        await at(client, two[0]).resume()
        assert two[0].registry._sessions[client.hello["session"]] is not stale
        await client.play(speech())
        return await client.finish()

    with patch("alignatt4llm.serve.keeping._SELDOM", 3600.0):
        assert run(talk()) == EVERYTHING


def waiting_in(registry, where, monkeypatch):
    """Let resumptions wait at a point; return what lets them go on, and what tells their end."""
    go_on, over = threading.Event(), threading.Event()
    work, resume = getattr(registry, where), registry.resume

    async def late(*known):
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        return await work(*known)

    async def resumed(*known):
        try:
            return await (late if where == "resume" else resume)(*known)
        finally:
            over.set()

    monkeypatch.setattr(registry, where, late)
    monkeypatch.setattr(registry, "resume", resumed)
    return go_on, over


@pytest.mark.parametrize("where", ["_ours", "_take_over", "resume"])
@pytest.mark.parametrize(("sends", "leaves"), [(0, "close"), (3, "close"), (0, "abort")])
@pytest.mark.parametrize("back_at", [0, 1])
def test_a_client_that_gave_a_busy_server_up_is_not_served_there_later(
    two, monkeypatch, where, sends, leaves, back_at
):
    async def talk():
        client = await Client(two[0]).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        go_on, over = waiting_in(two[1].registry, where, monkeypatch)
        gone = await Client(two[1]).connect()
        known = {key: client.hello[key] for key in ("session", "key")}
        await gone.say({"type": "resume", "version": 1, "seq": 0, "position": 0, **known})
        for number in range(sends):
            await gone.say({"type": "ping", "id": number})
        gone.socket.transport.abort() if leaves == "abort" else await gone.socket.close()
        await asyncio.sleep(0.3)  # the busy server is told
        monkeypatch.undo()
        resuming = asyncio.ensure_future(at(client, two[back_at]).resume())
        if (where, back_at) != ("_take_over", 1):  # else it waits behind the one who left
            await resuming
        go_on.set()
        await resuming
        await asyncio.to_thread(over.wait)
        await client.play(speech())
        return await client.finish()

    assert run(talk()) == EVERYTHING


def test_an_ended_session_is_told_at_the_other_server(two):
    async def talk():
        client = await Client(two[0]).open()
        await client.play(speech())
        await client.finish()
        client.seq, client.events = 3, client.events[:3]
        await client.connect()
        known = {key: client.hello[key] for key in ("session", "key")}
        at(client, two[1])
        await client.connect()
        await client.say(
            {"type": "resume", "version": 1, "seq": 3, "position": client.settled, **known}
        )
        assert (await client.until("resumed"))["ended"]
        await client.until("end")
        return client.text

    assert run(talk()) == EVERYTHING


def sse(text):
    """Read Server-Sent Events."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"])


@pytest.mark.parametrize("path", ["/watch/{}/events", "/captions/{}"])
@pytest.mark.parametrize("comes", ["before", "amid"])
def test_listeners_of_another_server_follow_what_is_said(two, path, comes):
    one, other = two

    async def listen(session):
        address = f"http://127.0.0.1:{other.port}{path.format(session)}"
        async with httpx.AsyncClient(timeout=30) as web:
            text = ""
            while '"end"' not in text and "event: over" not in text:
                seen = [line[4:] for line in text.splitlines() if line.startswith("id: ")]
                asked = {"accept": "text/event-stream", "last-event-id": (["0", *seen])[-1]}
                async with web.stream("GET", address, headers=asked) as answer:
                    async for more in answer.aiter_text():
                        text += more
        return text

    async def talk():
        client = await Client(one).open()
        session = client.hello["session"]
        if comes == "amid":
            await client.play(speech(), upto=150_000)
            await client.until("commit")
        listening = asyncio.ensure_future(listen(session))
        await client.play(speech(), upto=200_000)
        await client.until("commit")
        await client.play(speech())
        await client.finish()
        return await listening

    events = [*sse(run(talk()))]
    commits = [data for kind, data in events if kind == "commit"]
    text = "".join("".join(data["parts"]) if "parts" in data else data["text"] for data in commits)
    assert text.strip() == EVERYTHING


@pytest.mark.parametrize("pause", ["silent", "away", "once more"])
@pytest.mark.parametrize("begun", [False, True])
def test_captions_of_another_server_outlast_pauses(two, monkeypatch, pause, begun):
    one, other = two
    for name in ("_ALIVE", "_LINGER"):
        monkeypatch.setattr(f"alignatt4llm.serve.captions.{name}", 0.05, raising=False)

    async def talk():
        client = await Client(one).open()
        if begun:
            await client.play(speech(), upto=150_000)
            await client.until("commit")
        address = f"http://127.0.0.1:{other.port}/captions/{client.hello['session']}"
        asked = {"accept": "text/event-stream", "last-event-id": "0"}
        async with (
            httpx.AsyncClient(timeout=30) as web,
            web.stream("GET", address, headers=asked) as answer,
        ):
            lines = answer.aiter_lines()
            for _ in range(5):
                assert await until_alive(lines)
            if pause == "away":
                client.socket.transport.abort()
            if pause != "silent":
                await client.resume()
            await client.play(speech())
            await client.finish()
            return [line async for line in lines]

    assert "event: end" in run(talk())


async def until_alive(lines):
    async for line in lines:
        if line == ": alive":
            return True
    return False


def test_captions_of_a_session_that_moves_here_end_so_that_viewers_ask_again(two):
    one, other = two

    async def talk():
        client = await Client(one).open()
        address = f"http://127.0.0.1:{other.port}/captions/{client.hello['session']}"
        asked = {"accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(timeout=30) as web,
            web.stream("GET", address, headers=asked) as answer,
        ):
            lines = answer.aiter_lines()
            assert await until_alive(lines)
            await at(client, other).resume()
            rest = [line async for line in lines]
        await client.play(speech())
        await client.finish()
        return rest

    assert "event: end" not in run(talk())


def test_a_transcript_is_the_same_at_every_server_and_grows(two):
    one, other = two

    def text(server, session):
        return httpx.get(f"http://127.0.0.1:{server.port}/transcripts/{session}.txt").text

    async def talk():
        client = await Client(one).open()
        session = client.hello["session"]
        await client.play(speech(), upto=200_000)
        await client.until("close")
        before = await asyncio.to_thread(text, other, session)
        await client.play(speech())
        await client.finish()
        return before, await asyncio.to_thread(text, other, session), text(one, session)

    before, after, own = run(talk())
    assert before.strip() and after == own and after.startswith(before.strip()[:20])
    assert " ".join(after.split()) == EVERYTHING


def test_whoever_asks_is_told_what_is_written_by_then(two):
    one, other = two

    async def asked(session):
        work = other.registry.broadcast(session)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, other.loop))

    async def talk():
        client = await Client(one).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        first = await asked(client.hello["session"])
        await client.play(speech())
        await client.finish()
        second = await asked(client.hello["session"])
        assert second is first and (second.journal.last, second.journal.ended) == (client.seq, True)

    run(talk())


# Faults


async def until_notice(client, kind):
    while (frame := await client.until("notice"))["kind"] != kind:
        pass
    return frame


def kinds(client):
    return [frame["kind"] for frame in client.frames if frame["type"] == "notice"]


def test_a_session_goes_on_while_nothing_can_be_kept_and_its_client_is_told_once(place):
    async def talk():
        client = await Client(server).open()
        await client.play(speech(), upto=100_000)
        await client.until("commit")
        settled, said_before = client.settled, client.seq
        place.fail()
        await client.play(speech(), upto=250_000)
        told = await until_notice(client, "unkept")
        assert "cannot be resumed" in told["text"]
        previews = [frame["text"] for frame in client.frames if frame["type"] == "preview"]
        while "OLD MAPS" not in previews[-1]:  # what is said can be seen, as held
            previews.append((await client.until("preview"))["text"])
        status = await client.until("status")
        assert status["settled"] <= max(settled, 100_000) and client.seq <= said_before + 5
        seen = client.seq
        await client.until("status")
        assert client.seq == seen
        refused = Client(server)
        for wish in (
            {"type": "start", "version": 2, "to": "de"},
            {"type": "resume", "version": 1, "seq": 0, "position": 0}
            | {key: client.hello[key] for key in ("session", "key")},
        ):
            await refused.connect()
            await refused.say(wish)
            assert await problem_of(refused) == "unkept"
            assert refused.socket.close_code == 1013
        place.mend()
        await until_notice(client, "kept")
        await client.play(speech())
        text = await client.finish()
        assert kinds(client) == ["unkept", "kept"]
        return text

    with serving(place.address) as server:
        assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("kinds_told", [["unkept", "kept"], ["unkept"], ["a", "unkept", "b"]])
@pytest.mark.parametrize("times", [1, 2, 50])
def test_who_comes_later_is_told_once_whether_it_is_kept(place, kinds_told, times):
    broadcast = Broadcast(begun(place, place.new_name()))

    async def listen():
        with broadcast.listener(0, trace=False) as early:
            heard = []
            for number in range(times):
                for kind in kinds_told:
                    if kind in ("unkept", "kept") or not number:
                        broadcast.publish(Notice(kind, f"{number}"))
                        heard += [json.loads(line) async for line in early.fresh()]
        with broadcast.listener(0, trace=False) as late:
            return heard, [json.loads(line) async for line in late.fresh()]

    early, late = run(listen())
    states = [kind for kind in kinds_told if kind in ("unkept", "kept")]
    others = [kind for kind in kinds_told if kind not in states]
    assert [notice["kind"] for notice in early] == kinds_told + states * (times - 1)
    assert sorted(notice["kind"] for notice in late) == sorted([*others, states[-1]])
    assert [n["text"] for n in late if n["kind"] in states] == [str(times - 1)]


def test_the_end_waits_until_it_can_be_kept(place):
    async def talk():
        client = await Client(server).open()
        await client.play(speech(), upto=100_000)
        await client.until("commit")
        place.fail()
        await client.play(speech())
        finishing = asyncio.ensure_future(client.finish())
        await asyncio.sleep(1.5)
        assert not finishing.done()
        place.mend()
        return await finishing

    with serving(place.address) as server:
        assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("why", ["too much waits", "the end cannot be kept", "the client is gone"])
def test_what_could_not_be_kept_is_said_again_when_the_client_resumes(place, monkeypatch, why):
    limits = {"resume": 1.0}
    if why == "too much waits":
        monkeypatch.setattr(journals, "MOST_WAITING", 5)

    async def talk():
        client = await Client(server).open()
        await client.play(speech(), upto=100_000)
        await client.until("commit")
        place.fail()
        await client.play(speech(), upto=150_000)
        if why != "too much waits":
            await until_notice(client, "unkept")
        if why == "the client is gone":
            client.socket.transport.abort()
        else:
            await client.play(speech())
            if why == "the end cannot be kept":
                await client.say({"type": "end"})
            assert await problem_of(client) == "unkept"
        while server.registry._sessions:
            await asyncio.sleep(0.05)
        place.mend()
        await asyncio.sleep(0.3)
        await client.resume()
        await client.play(speech())
        return await client.finish()

    with serving(place.address, **limits) as server:
        assert run(talk()) == EVERYTHING


def test_a_session_whose_client_could_not_come_back_is_not_ended(place):
    async def talk():
        client = await Client(server).open()
        await client.play(speech(), upto=100_000)
        await client.until("commit")
        place.fail()
        await client.play(speech(), upto=150_000)
        await until_notice(client, "unkept")
        client.socket.transport.abort()
        [session] = server.registry._sessions.values()
        while session.life.state in (State.WAITING, State.ATTACHED):
            await asyncio.sleep(0.02)
        place.mend()
        while server.registry._sessions:
            await asyncio.sleep(0.02)
        await client.resume()
        await client.play(speech())
        return await client.finish()

    with serving(place.address, resume=3.0) as server:
        assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("late", [0.5, 0.9, 0.999])
def test_a_client_that_could_not_come_back_is_waited_for_anew(place, late):
    """It waited for nearly as long as it may when what is said could be kept again."""
    resume = 1000.0

    async def talk():
        client = await Client(server).open()
        await client.play(speech(), upto=100_000)
        await client.until("commit")
        place.fail()
        await client.play(speech(), upto=150_000)
        await until_notice(client, "unkept")
        client.socket.transport.abort()
        [session] = server.registry._sessions.values()
        while session.life.state is not State.WAITING:
            await asyncio.sleep(0.02)
        session.life._active -= late * resume
        place.mend()
        while session.broadcast.journal.trouble or session.broadcast.journal.waiting:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(session.keep)
        session.life._active -= (1 - late / 2) * resume
        server.registry.look_after()
        await client.resume()
        await client.play(speech())
        return await client.finish()

    with serving(place.address, resume=resume) as server:
        assert run(talk()) == EVERYTHING


def test_a_session_that_is_taken_over_while_its_server_cannot_write_says_nothing_twice(two, place):
    one, other = two

    async def talk():
        client = await Client(one).open()
        await client.play(speech(), upto=100_000)
        await client.until("commit")
        place.fail()
        await client.play(speech(), upto=200_000)
        await until_notice(client, "unkept")
        place.mend(soon=one)
        await at(client, other).resume()
        await client.play(speech())
        return await client.finish()

    assert run(talk()) == EVERYTHING


# Processes that die


def killed(process):
    process.kill()
    process.wait()
    process.stderr.close()


def test_all_speakers_of_a_server_that_is_killed_go_on_at_once(place):
    ports = free_port(), free_port()
    first, second = (start_process(place.address, port) for port in ports)

    async def talk(number, dead):
        client = await Client(ports[0]).open()
        await client.play(speech(), upto=60_000 + 20_000 * number)
        await client.until("commit")
        dead.count -= 1
        if not dead.count:
            killed(first)
            dead.set()
        await dead.wait()
        await at(client, ports[1]).resume()
        await client.play(speech())
        return await client.finish()

    async def all_of_them():
        dead = asyncio.Event()
        dead.count = 6
        return await asyncio.gather(*(talk(number, dead) for number in range(6)))

    try:
        assert run(all_of_them()) == [EVERYTHING] * 6
    finally:
        killed(first)
        killed(second)
