"""Strangers at both doors: whatever they send is answered, and nothing gets stuck."""

import asyncio
import json
import threading

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import created, journal_of, past_of, taken
from serve_harness import EVERYTHING, Client, run, serving, speech

from alignatt4llm.events import Close, Commit, Piece, SourceWord
from alignatt4llm.serve.errors import ServeError
from alignatt4llm.serve.journals.journal import events_of
from alignatt4llm.serve.messages import parse
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.text_protocol import read

ERRORS = 1000


class Server:
    """One server for all examples, and one event loop for all its clients."""

    def __init__(self, running):
        self.port = running.port
        self.registry = running.registry
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, coroutine):
        bounded = asyncio.wait_for(coroutine, 30)
        return asyncio.run_coroutine_threadsafe(bounded, self._loop).result()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    limits = {"sessions": 10_000, "resume": 0.1, "errors": ERRORS}
    with serving(tmp_path_factory.mktemp("journals"), **limits) as running:
        shared = Server(running)
        yield shared
        shared.close()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = """\
type version from to latency audio trace session key seq position id utterance_id words tail
clock_ms is_final protocol_version source_lang target_lang preset overrides history
"""
keys = st.sampled_from(NAMES.split())
objects = st.dictionaries(keys, values, max_size=6).map(json.dumps)
typed = st.builds(
    lambda kind, more: json.dumps({**more, "type": kind}),
    st.sampled_from(["start", "resume", "end", "ping", "init", "update"]),
    st.dictionaries(keys.filter(lambda key: key != "type"), values, max_size=6),
)
anything = st.one_of(st.text(max_size=50), values.map(json.dumps), objects, typed)


@settings(max_examples=500, deadline=None)
@given(anything)
def test_reading_a_message_fails_in_no_other_way_than_with_a_sentence(text):
    for reader in (parse, read):
        try:
            reader(text)
        except ServeError as problem:
            assert str(problem).endswith(".") and problem.code


# What a client says, and what it is.
GARBAGE = st.one_of(
    st.text(max_size=40).filter(lambda text: not text.strip().startswith("{")),
    st.sampled_from(["[]", "{}", '{"type": null}', '{"type": "begin"}', '{"type": ["start"]}']),
    st.builds(lambda key: json.dumps({"type": "ping", key: 1}), st.sampled_from(["x", "Type", ""])),
    st.builds(
        lambda value: json.dumps({"type": "start", "version": 1, "to": "de", "latency": value}),
        values.filter(lambda value: value not in (None, "low", "medium", "high")),
    ),
).map(lambda text: ("bad", text))
STEPS = st.one_of(
    GARBAGE,
    st.sampled_from(["add", "drop"]).map(lambda kind: ("bad", f'{{"type": "{kind}", "to": "it"}}')),
    st.just(("bad", b"")),
    st.just(("start", '{"type": "start", "version": 1, "to": "de"}')),
    st.binary(min_size=1, max_size=4000).map(lambda data: ("audio", data)),
    st.just(("ping", '{"type": "ping", "id": 5}')),
    st.just(("end", '{"type": "end"}')),
)


async def talk_to_the_audio_door(server, steps):
    """Play the steps against a model of the protocol."""
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/live") as socket:

        async def answer(*kinds):
            while True:
                frame = json.loads(await socket.recv())
                if frame["type"] in kinds:
                    return frame
                assert frame["type"] != "error", frame

        state = "new"
        for kind, message in steps:
            await socket.send(message)
            if kind == "ping":
                assert (await answer("pong"))["id"] == 5
            elif kind == "start" and state == "new":
                await answer("started")
                state = "live"
            elif kind == "audio" and state == "live":
                continue
            elif kind == "end" and state == "live":
                await answer("end")
                await socket.wait_closed()
                assert socket.close_code == 1000
                return
            else:
                error = await answer("error")
                assert not error["fatal"] and error["message"].endswith(".")
        await socket.send('{"type": "ping", "id": 6}')
        assert (await answer("pong"))["id"] == 6


SLOW = pytest.mark.slow
HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=150, deadline=None, suppress_health_check=HEALTH)
@given(steps=st.lists(STEPS, max_size=12))
def test_the_audio_door_answers_everything(server, steps):
    server.run(talk_to_the_audio_door(server, steps))


@SLOW
@settings(max_examples=10_000, deadline=None, suppress_health_check=HEALTH)
@given(steps=st.lists(STEPS, max_size=12))
def test_the_audio_door_answers_everything_ten_thousand_times(server, steps):
    server.run(talk_to_the_audio_door(server, steps))


WORDS = st.text("abc. ", min_size=1, max_size=8).filter(str.strip)
TIMES = st.none() | st.floats(0, 1e6)
UPDATES = st.builds(
    lambda words, tail, clock, final: {
        "words": words,
        "tail": {"words": tail},
        "clock_ms": clock,
        "is_final": final,
    },
    st.lists(st.tuples(WORDS, TIMES, TIMES).map(list), max_size=6),
    st.lists(st.tuples(WORDS, TIMES, TIMES).map(list), max_size=3),
    st.floats(0, 1e6),
    st.booleans(),
)
BAD_UPDATES = st.one_of(
    GARBAGE.map(lambda step: step[1]),
    st.binary(max_size=40),
    st.builds(
        lambda key, value: json.dumps(
            {"type": "update", "seq": 1, "utterance_id": 0, "words": [], key: value}
        ),
        st.sampled_from(["words", "utterance_id", "seq"]),
        st.sampled_from([-1, "x", {"a": 1}, [1], [["a"]], True]),
    ),
)


async def talk_to_the_text_door(server, steps):
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/text") as socket:

        async def ask(message):
            await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
            return json.loads(await socket.recv())

        init = {"type": "init", "protocol_version": 1, "source_lang": "en", "target_lang": "de"}
        assert (await ask(init))["type"] == "init_ok"
        utterance, words, shown = 0, [], ""
        for seq, step in enumerate(steps, start=1):
            if not isinstance(step, dict):
                error = await ask(step)
                assert (error["type"], error["code"]) == ("error", "bad_protocol"), error
                continue
            words = words + step["words"]
            update = {**step, "words": words, "type": "update"}
            answer = await ask({**update, "seq": seq, "utterance_id": utterance})
            assert (answer["type"], answer["seq"]) == ("translation", seq), answer
            assert answer["committed_text"] == shown + answer["committed_delta"]
            shown = answer["committed_text"]
            if step["is_final"]:
                assert answer["final"] and answer["buffer_text"] == ""
                utterance, words, shown = utterance + 1, [], ""


@settings(max_examples=150, deadline=None, suppress_health_check=HEALTH)
@given(steps=st.lists(UPDATES | BAD_UPDATES, max_size=10))
def test_the_text_door_answers_everything(server, steps):
    server.run(talk_to_the_text_door(server, steps))


@SLOW
@settings(max_examples=10_000, deadline=None, suppress_health_check=HEALTH)
@given(steps=st.lists(UPDATES | BAD_UPDATES, max_size=10))
def test_the_text_door_answers_everything_ten_thousand_times(server, steps):
    server.run(talk_to_the_text_door(server, steps))


@settings(max_examples=25, deadline=None, suppress_health_check=HEALTH)
@given(cuts=st.lists(st.integers(0, len(speech()) - 1), min_size=1, max_size=5).map(sorted))
def test_wherever_the_connection_breaks_nothing_is_lost_or_repeated(tmp_path, cuts):
    async def talk(server):
        audio = speech()
        client = await Client(server).open()
        for cut in cuts:
            await client.play(audio, upto=cut)
            client.socket.transport.abort()
            await client.resume()
        await client.play(audio)
        return await client.finish()

    with serving(tmp_path) as server:
        assert run(talk(server)) == EVERYTHING


@settings(max_examples=60, deadline=None, suppress_health_check=HEALTH)
@given(lost=st.integers(0, 400))
def test_a_journal_that_was_not_written_to_its_end_is_read_up_to_there(tmp_path_factory, lost):
    path = tmp_path_factory.mktemp("journal") / "abcdefghijklmnop.jsonl"
    journal = created(path, {"session": "abcdefghijklmnop", "pair": "en-de", "to": ["de"]})
    word = SourceWord("Straße.", 0.0, 0.5)
    pieces = (Piece("Stra\u2028\x85ße", 0, ((0, 0.9), (1, 0.1))), Piece(".", 0))
    journal.hear(Settled((word, SourceWord("Ja", 0.6, 0.7)), 11_200))
    journal.append(Commit("Straße.", 0, 1.0, 1.1, 0, pieces))
    journal.append(Close(0, "Straße.", "Straße.", 0.0, 0.5, 1.0, 1))
    assert len(journal.since(0)) == 2
    journal.close()
    whole = [*events_of(journal_of(path))]
    assert [event.type for event in whole] == ["commit", "close"]
    assert whole[0].pieces == pieces
    past = past_of(path).targets["de"].past
    assert [word.text for word in past.standing.heard] == ["Ja"] and past.settled == 11_200
    header = len(path.read_bytes().split(b"\n")[0]) + 1
    with path.open("r+b") as file:
        file.truncate(max(header, path.stat().st_size - lost))
    rest = [*events_of(journal_of(path))]
    assert rest == whole[: len(rest)]
    again, past = taken(path)
    assert again.last == len(rest)
    assert past.targets["de"].past.closed == (len(rest) == 2)
    again.append(whole[0])
    again.close()
    assert [json.loads(line)["seq"] for line in journal_of(path).since(0)] == [
        *range(1, len(rest) + 2)
    ]
