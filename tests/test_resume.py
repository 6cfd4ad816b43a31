"""A session that is cut off, wherever it is, says in the end what an uninterrupted one says."""

import json
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import created, taken
from serve_harness import Client, run, serving, speech
from talks import TALKS
from websockets.exceptions import ConnectionClosed

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import Close, Commit, SourceWord
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.journals.journal import events_of
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.pasts import Pasts
from alignatt4llm.serve.sessions import LiveSession
from alignatt4llm.serve.steps import Steps
from alignatt4llm.serve.text_protocol import read
from alignatt4llm.serve.text_session import TextSession
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.scripted import ScriptedDrafter

METRICS = Metrics()


def whole(pair, words):
    """The translation that the script gives: the words in capitals."""
    return plain(pair, " ".join(words).upper())


def plain(pair, text):
    """A text without the spaces that mean nothing in the target language."""
    return "".join(text.split()) if Pair.parse(pair).target.by_character else text


class Hearing(ScriptedInterpreter):
    """Hears a talk in tones, in its direction."""

    def __init__(self, pair, words):
        super().__init__(script=words)
        self._pairs = (pair,)

    @property
    def pairs(self):
        return self._pairs


def speaker(name):
    """An interpreter that hears this talk in tones, and audio that says it."""
    pair, words = TALKS[name]
    return Hearing(pair, words), speech(range(len(words)))


class Reciting(ScriptedInterpreter):
    """Hears words at their times, whatever is played; of a stream that begins at a sample."""

    def __init__(self, words, hold_back, start):
        super().__init__()
        at = start / SAMPLE_RATE
        self.words = [
            replace(word, start=word.start - at, end=word.end - at)
            for word in words
            if round(word.end * SAMPLE_RATE) > start
        ]
        self.hold_back = hold_back

    def hear(self, spoken, latency="medium"):
        return TimedTextRecognizer(self.words, self.hold_back)


def live(journal, interpreter, past, audio):
    """Play a stream from where its past ends, chunk by chunk; return once it is over."""
    over = threading.Event()
    broadcast = Broadcast(journal)
    session = LiveSession(interpreter, broadcast, past, past.settled, Limits(), METRICS, Steps())
    session.start(over.set)
    size = 2 * round(LATENCIES[session.header["latency"]].chunk * SAMPLE_RATE)
    for start in range(2 * past.settled, len(audio), size):
        assert session.offer(audio[start : start + size])
        while len(audio) - start > size and session.status()["lag_s"] and not session.over:
            time.sleep(0.0002)
    session.finish()
    assert over.wait(20) and session.life.problem is None
    journal.close()
    return [*events_of(journal)]


def text_of(pair, events):
    return plain(pair, "".join(event.text for event in events if isinstance(event, Commit)))


def header(pair, latency):
    source, target = pair.split("-")
    known = {"session": "x" * 16, "pair": pair, "from": source, "to": [target]}
    return {**known, "version": 2, "latency": latency, "audio": "s16le"}


def every_cut(folder, pair, latency, interpreter, audio):
    """Yield what is said by an uninterrupted session and then, for every line of its journal, by
    one that is killed after it and continued; ``interpreter`` is given the first sample."""
    path = folder / "whole.jsonl"
    journal = created(path, header(pair, latency))
    yield live(journal, interpreter(0), Pasts(journal.header["to"]), audio)
    lines = path.read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines)):
        cut = folder / f"{count}.jsonl"
        cut.write_bytes(b"".join(lines[:count]))
        journal, past = taken(cut)
        yield live(journal, interpreter(past.settled), past, audio)


@pytest.mark.parametrize("latency", ["medium", "high"])
@pytest.mark.parametrize("name", TALKS)
def test_a_session_is_resumed_to_the_letter_after_every_line_of_its_journal(
    tmp_path, name, latency
):
    pair, words = TALKS[name]
    interpreter, audio = speaker(name)
    runs = every_cut(tmp_path, pair, latency, lambda start: interpreter, audio)
    uninterrupted = next(runs)
    assert text_of(pair, uninterrupted) == whole(pair, words)
    closes = closes_of(uninterrupted)
    assert sum(count for *_, count in closes) == len(words)
    for resumed in runs:
        assert text_of(pair, resumed) == whole(pair, words)
        assert closes_of(resumed) == closes


def closes_of(events):
    return [
        (close.utterance, close.source, close.target, close.words)
        for close in events
        if isinstance(close, Close)
    ]


VOCABULARY = {
    "en-de": ["We", "New York", "came", "home.", "3.5 %", "1 000", "Why?", "so,", "it's", "7"],
    "fr-en": ["Oui !", "Il", "vient", "«", "demain", "».", "à", "midi", "!", "l'eau", ": non"],
    "zh-de": ["我", "们", "今", "天。", "看", "GPT-4", "旧，", "地", "图！", "3.5"],
    "en-zh": ["Good", "New York", "came", "home.", "3.5 %", "1 000", "Why?", "so,", "U.S.", "7"],
    "th-en": ["เรา", "ดู", "แผนที่", "เก่า", "กัน", "วันนี้", "3", "ที่นี่"],
    "ar-de": ["وصلت", "أخيرا", "إلى البيت.", "هل", "نمت؟", "نعم", "!", "شكرا،", "٣"],
    "he-en": ["הגעתי", "סוף סוף", "הביתה.", "האם", "ישנת?", "כן", "!", "תודה,", "ב-7"],
}


@st.composite
def timed_talks(draw):
    """A direction, and words of its source with dashes between them and pauses before them."""
    pair = draw(st.sampled_from(sorted(VOCABULARY)))
    words, at = [], 0.0
    for text in draw(st.lists(st.sampled_from(VOCABULARY[pair]), min_size=1, unique=True)):
        for part in (text, "–") if draw(st.integers(0, 3)) == 0 else (text,):
            start = at + draw(st.sampled_from([0.0, 0.1, 1.3]))
            at = start + draw(st.sampled_from([0.2, 0.5]))
            words.append(SourceWord(part, start, at))
    return pair, words


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(timed_talks(), st.sampled_from(["low", "medium", "high"]), st.sampled_from([0.0, 0.6, 1.5]))
def test_whatever_is_said_a_session_is_resumed_at_every_point(
    tmp_path_factory, talk, latency, hold_back
):
    pair, words = talk
    audio = bytes(2 * round((words[-1].end + 0.5) * SAMPLE_RATE))
    said = whole(pair, [word.text for word in words])

    def interpreter(start):
        return Reciting(words, hold_back, start)

    folder = tmp_path_factory.mktemp("journals")
    for events in every_cut(folder, pair, latency, interpreter, audio):
        assert text_of(pair, events) == said


@pytest.mark.parametrize("name", TALKS)
def test_a_server_that_is_stopped_is_followed_by_one_that_goes_on(tmp_path, name):
    pair, words = TALKS[name]
    interpreter, audio = speaker(name)
    source, target = pair.split("-")

    async def first(server):
        client = await Client(server).open(**{"from": source, "to": target})
        await client.play(audio, upto=len(audio) * 5 // 6)
        await client.until("close")
        server.loop.call_soon_threadsafe(server.drain)
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
        return client

    async def second(server, client):
        client.url = Client(server).url
        await client.resume()
        await client.play(audio)
        return await client.finish()

    with serving(tmp_path, interpreter) as server:
        client = run(first(server))
    with serving(tmp_path, interpreter) as server:
        assert plain(pair, run(second(server, client))) == whole(pair, words)


@pytest.mark.parametrize("name", TALKS)
def test_a_client_that_loses_its_connection_misses_nothing_whatever_is_said(tmp_path, name):
    pair, words = TALKS[name]
    interpreter, audio = speaker(name)
    source, target = pair.split("-")

    async def talk():
        client = await Client(server).open(**{"from": source, "to": target})
        for part in range(1, 4):
            await client.play(audio, upto=len(audio) * part // 4)
            client.socket.transport.abort()
            await client.resume()
        await client.play(audio)
        return await client.finish()

    with serving(tmp_path, interpreter) as server:
        assert plain(pair, run(talk())) == whole(pair, words)


class Breaking(ScriptedDrafter):
    """Fails once, when it is told to."""

    broken = False

    def draft(self, *args, **kwargs):
        if Breaking.broken:
            Breaking.broken = False
            raise RuntimeError("the engine broke")
        return super().draft(*args, **kwargs)


def updates_of(words):
    """A client's updates: a word more each time, the last as its tail; two utterances."""
    seq = 0
    for utterance, part in enumerate((words[: len(words) * 2 // 3], words[len(words) * 2 // 3 :])):
        timed = [
            [w, 1e6 * utterance + 500 * n, 1e6 * utterance + 500 * n + 400]
            for n, w in enumerate(part)
        ]
        for count in range(1, len(timed) + 1):
            seq += 1
            yield {
                "type": "update",
                "seq": seq,
                "utterance_id": utterance,
                "words": timed[: count if count == len(timed) else count - 1],
                "tail": {"words": [] if count == len(timed) else timed[count - 1 : count]},
                "clock_ms": timed[count - 1][2],
                "is_final": count == len(timed),
            }


def answered(pair, words, broken=-1, drafter=Breaking, **more):
    """Return the final answers, and whether the engine broke at update ``broken``."""
    source, target = pair.split("-")
    init = {"type": "init", "protocol_version": 1, "source_lang": source, "target_lang": target}
    session = TextSession(ScriptedInterpreter(drafter), read(json.dumps({**init, **more})))
    finals, broke = [], False
    for number, update in enumerate(map(read, map(json.dumps, updates_of(words)))):
        Breaking.broken = number == broken
        try:
            answer = session.answer(update)
        except RuntimeError:
            broke = True
            answer = session.answer(update)
        if answer["final"]:
            finals.append((plain(pair, answer["committed_text"]), answer["covered_source_units"]))
    Breaking.broken = False
    session.close()
    return finals, broke


@pytest.mark.parametrize("name", TALKS)
def test_a_text_client_whose_engine_fails_at_any_update_gets_the_same_text(name):
    pair, words = TALKS[name]
    uninterrupted, _ = answered(pair, words)
    part = len(words) * 2 // 3
    assert uninterrupted == [
        (whole(pair, words[:part]), part),
        (whole(pair, words[part:]), len(words) - part),
    ]
    failures = [answered(pair, words, broken) for broken in range(len(words))]
    assert [finals for finals, _ in failures] == [uninterrupted] * len(words)
    assert sum(broke for _, broke in failures) >= len(words) // 2


def test_a_text_client_whose_engine_fails_is_shown_with_the_same_history():
    prompts = []

    class Watched(Breaking):
        def draft(self, prompt, *args, **kwargs):
            answer = super().draft(prompt, *args, **kwargs)
            prompts.append(prompt.text)
            return answer

    overrides = {"max_history_utterances": 3}
    answered(*TALKS["dashes"], drafter=Watched, overrides=overrides, history=[["Hm.", "HM."]])
    uninterrupted, prompts = prompts, []
    answered(*TALKS["dashes"], 12, drafter=Watched, overrides=overrides, history=[["Hm.", "HM."]])
    assert prompts[-1] == uninterrupted[-1]
    assert "I came – at last – home." in prompts[-1]
