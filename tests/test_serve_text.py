"""The text door: version 1 of the text protocol, and the client it was made for."""

import json

import pytest
import websockets
from serve_harness import serving
from text_client import SENTENCE, TextClient, conversation, words
from websockets.exceptions import ConnectionClosed

from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.text_protocol import Update, placed
from alignatt4llm.translators.scripted import ScriptedDrafter


@pytest.mark.parametrize("path", ["/", "/text"])
def test_an_utterance_word_by_word(tmp_path, path):
    said = words(SENTENCE)

    async def work(client):
        hello = await client.open(preset="gemma_low_latency", context_text="A talk on houses.")
        answers = [await client.update(said[:count]) for count in range(1, len(said) + 1)]
        return hello, answers, await client.update(said, is_final=True)

    with serving(tmp_path) as server:
        hello, answers, final = conversation(server, work, path)
    assert hello == {
        "type": "init_ok",
        "protocol_version": 1,
        "direction": "en-de",
        "preset": "gemma_low_latency",
        "model": "scripted",
        "ignored_overrides": [],
    }
    shown = ""
    for seq, answer in enumerate([*answers, final], start=1):
        assert (answer["type"], answer["seq"], answer["utterance_id"]) == ("translation", seq, 0)
        assert answer["committed_text"] == shown + answer["committed_delta"]
        shown = answer["committed_text"]
    assert [answer["final"] for answer in answers] == [False] * len(answers)
    assert answers[4]["committed_text"] == "THE OLD HOUSE BY"
    assert answers[4]["buffer_text"] == "THE"
    assert answers[4]["covered_source_units"] == 4
    assert answers[4]["stop_reason"] == "peak_inaccessible"
    assert answers[0]["covered_source_units"] is None
    assert final["final"] and not final["forced_final"]
    assert final["committed_text"] == SENTENCE.upper()
    assert final["covered_source_units"] == 8


def test_the_context_stands_in_the_prompt_before_the_source(tmp_path):
    prompts = []

    class Watched(ScriptedDrafter):
        def draft(self, prompt, budget, judge=None, guess=()):
            prompts.append(prompt)
            return super().draft(prompt, budget, judge, guess)

    async def work(client):
        await client.open(context_text="A talk on houses.")
        return await client.update(words(SENTENCE), is_final=True)

    with serving(tmp_path, ScriptedInterpreter(Watched)) as server:
        final = conversation(server, work)
    assert final["committed_text"] == SENTENCE.upper()
    assert prompts
    for prompt in prompts:
        assert prompt.text.index("A talk on houses.") < prompt.text.index("the old house")


def test_the_tail_is_drafted_over_and_not_committed(tmp_path):
    async def work(client):
        await client.open()
        tail = {"words": [["river", None, None], ["was", None, None]]}
        before = await client.update(words("the old house"), tail=tail)
        after = await client.update(words("the old house river"))
        return before, after

    with serving(tmp_path) as server:
        before, after = conversation(server, work)
    assert before["committed_text"] == "THE OLD HOUSE"
    assert before["buffer_text"] == "RIVER"
    assert after["committed_text"] == "THE OLD HOUSE"


def test_finals_only_add_and_the_next_utterance_repeats_nothing(tmp_path):
    async def work(client):
        await client.open()
        texts = []
        for utterance, sentence in enumerate(["one two three.", "four five six.", "seven eight."]):
            said = words(sentence, 5000.0 * utterance)
            partial = await client.update(said[:2], utterance, tail={"words": [["x", None, None]]})
            final = await client.update(said, utterance, is_final=True)
            assert final["committed_text"].startswith(partial["committed_text"])
            texts.append(final["committed_text"])
        return texts

    with serving(tmp_path) as server:
        assert conversation(server, work) == ["ONE TWO THREE.", "FOUR FIVE SIX.", "SEVEN EIGHT."]


def test_an_utterance_without_end_is_closed_for_length(tmp_path):
    async def work(client):
        await client.open()
        said = words(" ".join(f"w{i}" for i in range(121)))
        partial = await client.update(said[:100])
        forced = await client.update(said)
        after = await client.update(words("and on", 60_000), 1, is_final=True)
        return partial, forced, after

    with serving(tmp_path) as server:
        partial, forced, after = conversation(server, work)
    assert not partial["final"] and forced["final"] and forced["forced_final"]
    assert forced["committed_text"] == " ".join(f"W{i}" for i in range(121))
    assert forced["committed_text"].startswith(partial["committed_text"])
    assert after["committed_text"] == "AND ON"


def test_overrides_belong_to_their_session_alone(tmp_path):
    said = words(SENTENCE)

    async def work(client):
        hello = await client.open(
            overrides={
                "translation_alignatt_hold_back_target_units": 2,
                "min_emit_target_units": 2,
                "border_margin": 3,
                "nonsense": {"a": 1},
            }
        )
        other = TextClient(server)
        await other.open(overrides={"inaccessible_ms": 1000})
        held = [(await client.update(said[:count]))["committed_text"] for count in (3, 4, 5, 6)]
        late = (await other.update(said))["committed_text"]
        final = await client.update(said, is_final=True)
        await other.socket.close()
        return hello, held, late, final

    with serving(tmp_path) as server:
        hello, held, late, final = conversation(server, work)
    assert hello["ignored_overrides"] == ["border_margin", "nonsense"]
    assert held == ["", "", "THE OLD", "THE OLD"]
    assert late == "THE OLD HOUSE BY THE"
    assert final["committed_text"] == SENTENCE.upper()


def test_a_client_that_reconnects_gets_nothing_twice(tmp_path):
    said = words(SENTENCE)

    async def work(client):
        await client.open()
        before = await client.update(said[:5])
        await client.socket.close()
        await client.open(
            accepted_target_prefix=before["committed_text"], history=[["Hello.", "HELLO."]]
        )
        again = await client.update(said[:5])
        final = await client.update(said, is_final=True)
        return before, again, final

    with serving(tmp_path) as server:
        before, again, final = conversation(server, work)
    assert before["committed_text"] == again["committed_text"] == "THE OLD HOUSE BY"
    assert again["committed_delta"] == ""
    assert final["committed_text"] == SENTENCE.upper()


BAD_INITS = [
    ("{", "bad_protocol"),
    ("[]", "bad_protocol"),
    ('{"type": "update", "seq": 1, "utterance_id": 0, "words": []}', "bad_protocol"),
    ({"protocol_version": "x"}, "bad_protocol"),
    ({"protocol_version": 2}, "bad_protocol"),
    ({"preset": "fastest"}, "bad_protocol"),
    ({"preset": 7}, "bad_protocol"),
    ({"overrides": {"partial_max_new_tokens": -5}}, "bad_protocol"),
    ({"overrides": {"inaccessible_ms": "soon"}}, "bad_protocol"),
    ({"overrides": []}, "bad_protocol"),
    ({"history": [["a"]]}, "bad_protocol"),
    ({"accepted_target_prefix": []}, "bad_protocol"),
    ({"target_lang": "tlh"}, "unsupported_direction"),
    ({"target_lang": "cs"}, "unsupported_direction"),
    ({"source_lang": "de", "target_lang": "en"}, "unsupported_direction"),
]


@pytest.mark.parametrize(("init", "code"), BAD_INITS)
def test_a_bad_beginning_gets_an_error_frame_and_is_closed(tmp_path, init, code):
    async def work(client):
        if isinstance(init, str):
            client.socket = await websockets.connect(client.url)
            answer = await client.ask(init)
        else:
            answer = await client.open(**init)
        with pytest.raises(ConnectionClosed):
            await client.socket.recv()
        return answer

    with serving(tmp_path) as server:
        answer = conversation(server, work)
        assert server.registry.taken == 0
    assert (answer["type"], answer["code"]) == ("error", code)
    if code == "unsupported_direction":
        assert answer["supported"] == ["en-de", "en-it", "en-zh"]


BAD_UPDATES = [
    "{",
    '"update"',
    '{"type": "init", "protocol_version": 1, "source_lang": "en", "target_lang": "de"}',
    {"seq": -1},
    {"seq": "one"},
    {"utterance_id": None},
    {"words": "hello"},
    {"words": [["hello"]]},
    {"words": [["hello", "soon", 3]]},
    {"words": [["hello", 1e400, 3]]},
    {"words": [[7, 1, 3]]},
    {"words": [["\ud800", 1, 3]]},
    {"tail": []},
    {"clock_ms": -1},
    {"clock_ms": 1e300},
    {"is_final": "yes"},
    {"utterance_id": 9},
]


@pytest.mark.parametrize("bad", BAD_UPDATES)
def test_a_bad_update_gets_an_error_frame_and_the_session_goes_on(tmp_path, bad):
    async def work(client):
        await client.open()
        await client.update(words("one two"))
        good = {"type": "update", "seq": 7, "utterance_id": 0, "words": []}
        error = await client.ask(bad if isinstance(bad, str) else {**good, **bad})
        return error, await client.update(words("one two three"), is_final=True)

    with serving(tmp_path) as server:
        error, final = conversation(server, work)
    assert (error["type"], error["code"]) == ("error", "bad_protocol")
    if isinstance(bad, dict) and "seq" not in bad:
        assert error["seq"] == 7
    assert final["committed_text"] == "ONE TWO THREE"


def test_partial_updates_replace_each_other_and_finals_do_not(tmp_path):
    async def work(client):
        await client.open()
        for utterance in range(3):
            said = words("one two three four five", 5000.0 * utterance)
            for count in range(1, 6):
                update = {"type": "update", "seq": 10 * utterance + count, "words": said[:count]}
                await client.socket.send(
                    json.dumps({**update, "utterance_id": utterance, "is_final": count == 5})
                )
        finals = []
        while len(finals) < 3:
            answer = json.loads(await client.socket.recv())
            assert answer["type"] == "translation", answer
            if answer["final"]:
                finals.append(answer)
        return finals

    with serving(tmp_path) as server:
        finals = conversation(server, work)
    assert [answer["seq"] for answer in finals] == [5, 15, 25]
    assert [answer["utterance_id"] for answer in finals] == [0, 1, 2]


def test_text_sessions_take_places_and_give_them_back(tmp_path):
    async def work(client):
        await client.open()
        other = TextClient(server)
        answer = await other.open()
        await other.socket.close()
        return answer

    with serving(tmp_path, sessions=1) as server:
        assert conversation(server, work)["code"] == "busy"
        assert conversation(server, lambda client: client.open())["type"] == "init_ok"


def test_words_without_times_never_run_backwards():
    update = Update(1, 0, (("a", 1.0, 1.5), ("b", None, None), ("c", 0.2, 0.4)), (), 3.0, False)
    placed_words = placed(update, 0, 0.0, 3.0)
    assert [(word.start, word.end) for word in placed_words] == [(1.0, 1.5), (1.5, 3.0), (3.0, 3.0)]
