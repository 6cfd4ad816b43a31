"""The text door when engines fail, are slow, or their client leaves."""

import asyncio
import threading
import time

import httpx
from serve_harness import Client, run, serving, speech
from text_client import SENTENCE, TextClient, conversation, words

from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.translators.scripted import ScriptedDrafter

LONG = [[f"word{number}.", None, None] for number in range(60)]
"""An update of many short sentences, each of which is drafted by itself."""


class Flaky(ScriptedDrafter):
    """Fails at every third draft."""

    calls = 0

    def draft(self, *asked):
        Flaky.calls += 1
        if Flaky.calls % 3 == 0:
            raise RuntimeError("the engine broke")
        return super().draft(*asked)


def test_a_failed_update_is_answered_and_the_session_goes_on(tmp_path, caplog):
    said = words(SENTENCE)

    async def work(client):
        await client.open()
        answers = [await client.update(said[:count]) for count in range(2, len(said) + 1)]
        final = await client.update(said, is_final=True)
        while final["type"] == "error":
            final = await client.update(said, is_final=True)
        return answers, final

    Flaky.calls = 0
    with serving(tmp_path, ScriptedInterpreter(Flaky)) as server:
        answers, final = conversation(server, work)
    failed = [answer for answer in answers if answer["type"] == "error"]
    assert failed and all(answer["code"] == "processing_failed" for answer in failed)
    assert all(answer["seq"] for answer in failed)
    assert final["committed_text"] == SENTENCE.upper()


class Broken(ScriptedDrafter):
    """Fails as long as it is told to."""

    broken = threading.Event()

    def draft(self, *asked):
        if Broken.broken.is_set():
            raise RuntimeError("the engine broke")
        return super().draft(*asked)


def test_an_utterance_whose_first_update_fails_is_not_open(tmp_path, caplog):
    async def work(client):
        await client.open()
        await client.update(words("the old house"), is_final=True)
        Broken.broken.set()
        failed = await client.update(words("was sold."), utterance=1, is_final=True)
        Broken.broken.clear()
        return failed, await client.update(words("thank you."), utterance=2, is_final=True)

    with serving(tmp_path, ScriptedInterpreter(Broken)) as server:
        failed, after = conversation(server, work)
    assert failed["code"] == "processing_failed"
    assert (after["type"], after["committed_text"].strip()) == ("translation", "THANK YOU.")


class Shut(ScriptedInterpreter):
    """Opens no session for a while after an engine has failed."""

    refusals = 0

    def open(self, *asked, **more):
        if Broken.broken.is_set() and self.refusals < 2:
            self.refusals += 1
            raise RuntimeError("no memory")
        return super().open(*asked, **more)


def test_a_session_that_cannot_be_opened_again_is_opened_later(tmp_path, caplog):
    async def work(client):
        await client.open()
        said = words(SENTENCE)
        first = await client.update(said[:4])
        Broken.broken.set()
        failed = [await client.update(said) for _ in range(3)]
        Broken.broken.clear()
        return first, failed, await client.update(said, is_final=True)

    with serving(tmp_path, Shut(Broken)) as server:
        first, failed, final = conversation(server, work)
    assert first["committed_text"]
    assert {answer["code"] for answer in failed} == {"processing_failed"}
    assert final["committed_text"] == SENTENCE.upper()


class Slow(ScriptedDrafter):
    """Takes its time for every draft, and comes back."""

    def draft(self, *asked):
        time.sleep(0.05)
        return super().draft(*asked)


def test_a_long_update_of_short_steps_is_no_engine_that_hangs(tmp_path):
    async def work(client):
        await client.open()
        live = await Client(server).open()
        await live.play(speech(range(4)))
        answer = await client.update(LONG, is_final=True)
        return answer, await live.finish()

    with serving(tmp_path, ScriptedInterpreter(Slow), step=1.0) as server:
        answer, said = conversation(server, work)
        assert not server.registry.stuck.is_set()
        assert httpx.get(f"http://127.0.0.1:{server.port}/readyz").status_code == 200
    assert answer["committed_text"] == " ".join(word[0] for word in LONG).upper()
    assert said


def test_nothing_is_translated_for_a_client_that_is_gone(tmp_path):
    async def leave():
        client = TextClient(server)
        await client.open()
        asked = asyncio.create_task(client.update(LONG, is_final=True))
        await asyncio.sleep(0.2)
        await client.socket.close()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

    with serving(tmp_path, ScriptedInterpreter(Slow)) as server:
        run(leave())
        deadline = time.monotonic() + 1.0  # the whole update takes three
        while any(thread.name == "text" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert server.registry.taken == 0
