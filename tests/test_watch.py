"""Reading along over real HTTP: what listeners are told, and all that they may not do."""

import asyncio
import json
import socket
import threading
from contextlib import suppress
from xml.etree import ElementTree

import httpx
import pytest
import websockets
from serve_harness import EVERYTHING, Client, run, serving, speech

from alignatt4llm.recognizers.tones import SCRIPT
from alignatt4llm.serve import feed, transcripts
from alignatt4llm.serve import watch as watching
from alignatt4llm.serve.errors import EngineFailed
from alignatt4llm.serve.journals.records import FORMAT

NOBODY = "abcdefghijklmnop"


def base(server):
    return f"http://127.0.0.1:{server.port}"


def watch(server, client, rest=""):
    return f"{base(server)}/watch/{client.hello['session']}{rest}"


def frames(text):
    """Return (id, kind, data) of each event of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            found.append((number, fields["event"], json.loads(fields["data"])))
    return found


def said(events):
    return "".join("".join(data["parts"]) for _, kind, data in events if kind == "commit")


def told(events, kind):
    return [data for _, name, data in events if name == kind]


async def spoken(server, words=range(len(SCRIPT)), **options):
    client = await Client(server, **options).open()
    await client.play(speech(words))
    await client.finish()
    return client


async def left(server):
    """A session that waits for its client."""
    return await Client(server).open()


def talk(server, words=range(len(SCRIPT)), **options):
    return run(spoken(server, words, **options))


def read(server, client, **asked):
    return frames(httpx.get(watch(server, client, "/events"), **asked).text)


def test_the_whole_of_a_session_that_is_over_can_be_read(tmp_path):
    with serving(tmp_path) as server:
        client = talk(server)
        events = read(server, client)
        page = httpx.get(watch(server, client))
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert said(events) == client.text == EVERYTHING
    (heading,) = told(events, "session")
    assert heading["from"] == {"code": "en", "name": "English", "dir": "ltr"}
    assert heading["to"] == [{"code": "de", "name": "Deutsch", "dir": "ltr"}]
    closes = [event for event in client.events if event["type"] == "close"]
    assert [close["source"] for close in told(events, "close")] == [c["source"] for c in closes]
    assert events[-1][1] == "over"
    numbers = [number for number, *_ in events if number]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("how", ["header", "query", "both"])
@pytest.mark.parametrize("at", [1, 7, 10_000])
def test_reading_goes_on_after_a_break(tmp_path, how, at):
    with serving(tmp_path) as server:
        client = talk(server)
        whole = [event for event in read(server, client) if event[0]]
        seen = whole[min(at, len(whole)) - 1][0]
        asked = {
            "header": {"headers": {"last-event-id": str(seen)}},
            "query": {"params": {"after": seen}},
            "both": {"headers": {"last-event-id": str(seen)}, "params": {"after": 1}},
        }[how]
        rest = [event for event in read(server, client, **asked) if event[0]]
    assert rest == [event for event in whole if event[0] > seen]


@pytest.mark.parametrize("number", ["-1", "nonsense", "9" * 40, "1e3", "", "²"])
def test_a_number_that_is_none_begins_at_the_beginning(tmp_path, number):
    with serving(tmp_path) as server:
        client = talk(server, range(8))
        assert said(read(server, client, params={"after": number})) == client.text


@pytest.mark.parametrize("number", ["500", "99999999999"])
def test_a_number_to_come_gives_nothing_of_before(tmp_path, number):
    with serving(tmp_path) as server:
        client = talk(server, range(8))
        assert said(read(server, client, params={"after": number})) == ""


def test_a_long_session_is_read_in_stretches_without_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(feed, "PAGE", 16)
    with serving(tmp_path) as server:
        client = talk(server, [*range(len(SCRIPT))] * 4)
        assert client.seq > 48
        for after in (0, 7, 15, 16, 17):
            events = read(server, client, params={"after": after})
            rest = [event for event in client.events if event["seq"] > after]
            assert said(events) == "".join(e["text"] for e in rest if e["type"] == "commit")


def test_who_reads_along_is_told_while_it_is_said_and_loses_nothing_in_a_break(tmp_path):
    async def both():
        client = await Client(server).open()
        text, last = "", 0
        address = watch(server, client, "/events")
        async with httpx.AsyncClient(timeout=30) as http:
            for words in (8, 20, len(SCRIPT)):
                asked = {"last-event-id": str(last)} if last else {}
                async with http.stream("GET", address, headers=asked) as stream:
                    await client.play(speech(), upto=len(speech(range(words))))
                    if words == len(SCRIPT):
                        await client.finish()
                    block = ""
                    async for line in stream.aiter_lines():
                        block += line + "\n"
                        if line:
                            continue
                        for number, kind, data in frames(block.strip() + "\n\n"):
                            last = number or last
                            text += "".join(data["parts"]) if kind == "commit" else ""
                        block = ""
                        if len(text.split()) >= words - 4 and words < len(SCRIPT):
                            break
        return client.text, text

    with serving(tmp_path) as server:
        whole, text = run(both())
    assert text == whole == EVERYTHING


def test_the_source_of_the_open_utterance_is_shown_as_it_is_heard(tmp_path):
    async def both():
        client = await Client(server).open()
        async with (
            httpx.AsyncClient(timeout=30) as http,
            http.stream("GET", watch(server, client, "/events")) as stream,
        ):
            await client.play(speech(range(5)) + bytes(1600))
            async for line in stream.aiter_lines():
                if "everyone" in line and "committed" in line:
                    await client.finish()
                    return json.loads(line.removeprefix("data: "))

    with serving(tmp_path) as server:
        heard = run(both())
    assert set(heard) == {"committed", "tail"}
    assert f"{heard['committed']} {heard['tail']}".startswith("Good morning everyone")


def test_the_link_is_enough_to_read_and_for_nothing_else(tmp_path):
    shown = {"additional_headers": {"authorization": "Bearer secret"}}

    async def steal(client, frame):
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/live") as socket:
            with suppress(websockets.ConnectionClosed):  # it may be refused before that
                await socket.send(json.dumps(frame))
            return json.loads(await socket.recv())["code"]

    with serving(tmp_path, token="secret") as server:
        client = talk(server, range(8), **shown)
        name = client.hello["session"]
        assert said(read(server, client)) == client.text
        page = httpx.get(watch(server, client))
        assert page.status_code == 200 and client.hello["key"] not in page.text
        for asset in ("watch.js", "watch.css", "lines.js", "hall.js"):
            assert httpx.get(f"{base(server)}/watch/page/{asset}").status_code == 200
        assert "GOOD" in httpx.get(watch(server, client, "/translation.srt")).text
        for path in ("/", "/about", "/metrics", "/page/app.js", f"/transcripts/{name}.srt"):
            assert httpx.get(base(server) + path).status_code == 401
        for asset in ("app.js", "index.html", "..%2fapp.py", "link.js"):
            assert httpx.get(f"{base(server)}/watch/page/{asset}").status_code == 404
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            for rest in ("", "/events", "/translation.srt"):
                answer = httpx.request(method, watch(server, client, rest))
                assert answer.status_code == 401
        resume = {"type": "resume", "version": 1, "session": name, "seq": 0, "position": 0}
        assert run(steal(client, {**resume, "key": name})) == "unauthorized"
    with serving(tmp_path) as server:  # no token: the name alone resumes nothing
        assert run(steal(client, {**resume, "key": name})) == "unknown_session"
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert httpx.request(method, watch(server, client)).status_code == 405


@pytest.mark.parametrize("name", [NOBODY, "x", "a" * 100, "..%2f..%2fetc", "%00", "ü" * 20])
def test_a_link_that_leads_nowhere_is_told_on_a_page(tmp_path, name):
    with serving(tmp_path) as server:
        for rest in ("", "/captions"):
            address = f"{base(server)}/watch/{name}{rest}"
            answer = httpx.get(address, headers={"accept": "text/html"})
            assert answer.status_code == 404
            if "%2f" not in name:
                assert "<h1>There is nothing to read here</h1>" in answer.text
            assert httpx.get(address).json()["error"]["code"]
        assert httpx.get(f"{base(server)}/watch/{name}/events").status_code == 404


@pytest.mark.parametrize("rest", ["/events", "/translation.srt"])
def test_only_languages_of_the_session_can_be_read(tmp_path, rest):
    with serving(tmp_path) as server:
        client = talk(server, range(8))
        assert httpx.get(watch(server, client, rest), params={"to": "de"}).status_code == 200
        wrong = httpx.get(watch(server, client, rest), params={"to": "it"})
    assert wrong.status_code == 404
    assert wrong.json()["error"]["message"] == "This session is translated into de."


@pytest.mark.parametrize("kind", ["srt", "vtt", "txt"])
def test_a_listener_has_the_files_that_the_speaker_has(tmp_path, kind):
    with serving(tmp_path) as server:
        client = talk(server)
        mine = httpx.get(watch(server, client, f"/translation.{kind}"))
        theirs = httpx.get(f"{base(server)}/transcripts/{client.hello['session']}.{kind}")
    assert mine.text == theirs.text and "GOOD" in mine.text
    assert mine.headers["content-type"] == theirs.headers["content-type"]


def line(seq, kind, to, **content):
    return json.dumps({"seq": seq, "type": kind, **content, **({"to": to} if to else {})}) + "\n"


END = {"audio_s": 1, "wall_s": 1, "rtf": 1, "peak_memory_mb": 1}
KEPT = {"audio": "s16le", "latency": "medium", "version": 2, "key_sha256": ""}


def commits(*said):
    """Return the lines of a journal with what was said in which language, and its end."""
    lines = [line(n, "commit", to, text=text) for n, (to, text) in enumerate(said, 1)]
    return [*lines, line(len(said) + 1, "end", "", **END)]


SPOKEN = commits(("de", "Guten"), ("ar", "مرحبا"), ("de", " Tag"), ("", "?"), ("ar", " بكم"))
JOURNALS = {
    "two languages, the first": (FORMAT, ["de", "ar"], SPOKEN, "de", "Guten Tag?"),
    "two languages, the second": (FORMAT, ["de", "ar"], SPOKEN, "ar", "مرحبا? بكم"),
    "two languages, none named": (FORMAT, ["de", "ar"], SPOKEN, "", "Guten Tag?"),
    "of its language nothing is told": (FORMAT, ["de"], commits(("", "Ja"), ("", ".")), "", "Ja."),
    "nothing was said": (FORMAT, ["de"], commits(), "de", ""),
    "killed within a line": (FORMAT, ["de"], [*commits(("de", "A")), '{"seq": 3, "ty'], "", "A"),
    "another version": (FORMAT - 1, ["de"], SPOKEN, "de", None),
    "not of this session": (FORMAT, ["it"], SPOKEN, "de", None),
}


@pytest.mark.parametrize("name", JOURNALS)
def test_whatever_is_kept_of_a_session_can_be_read(tmp_path, name):
    version, targets, lines, to, text = JOURNALS[name]
    header = {
        "session": NOBODY,
        "pair": f"en-{targets[0]}",
        "from": "en",
        "to": targets,
        **KEPT,
    }
    first = json.dumps({"type": "session", "format": version, **header}) + "\n"
    (tmp_path / f"{NOBODY}.jsonl").write_text(first + "".join(lines), "utf-8")
    with serving(tmp_path) as server:
        answer = httpx.get(f"{base(server)}/watch/{NOBODY}/events", params={"to": to})
    if text is None:
        assert answer.status_code == 404 and answer.json()["error"]["message"]
        return
    events = frames(answer.text)
    assert said(events) == text and events[-1][1] == "over"
    (heading,) = told(events, "session")
    assert [target["code"] for target in heading["to"]] == targets


def test_speakers_are_told_how_many_listen_in_which_language(tmp_path):
    async def both():
        client = await Client(server).open()
        async with httpx.AsyncClient(timeout=30) as http:
            address = watch(server, client, "/events")
            async with http.stream("GET", address), http.stream("GET", f"{address}?to=de"):
                while (await client.until("status"))["listeners"] != {"de": 2}:
                    await asyncio.sleep(0.01)
            while (await client.until("status"))["listeners"]:
                await asyncio.sleep(0.01)
        await client.finish()

    with serving(tmp_path, heartbeat=0.2) as server:
        run(both())


def test_head_takes_no_place_and_a_full_house_is_told(tmp_path):
    async def both():
        client = await Client(server).open()
        async with httpx.AsyncClient(timeout=30) as http:
            address = watch(server, client, "/events")
            head = await http.head(address)
            async with http.stream("GET", address) as one:
                lines = one.aiter_lines()
                await anext(lines)
                full = await http.get(address)
            await client.finish()
            return head.status_code, full.status_code, full.headers["retry-after"]

    with serving(tmp_path, listeners=1) as server:
        assert run(both()) == (200, 503, "10")


def burst(server, address, count):
    """Ask for a feed so many times at once, and return the connections and what was answered."""
    ports = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(count)]
    for one in ports:
        one.sendall(f"GET {address} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    return ports, [int(one.recv(12).split()[1]) for one in ports]


@pytest.mark.parametrize(
    ("places", "shares"),
    [(1, [1, 0]), (2, [2, 0]), (4, [3, 1]), (8, [6, 2]), (16, [12, 3, 1]), (40, [30, 8, 2])],
)
@pytest.mark.parametrize("rounds", [1, 2])
def test_one_session_leaves_places_for_the_listeners_of_others(tmp_path, places, shares, rounds):
    """Even where all come at once; who is gone has given the place back."""
    with serving(tmp_path, listeners=places) as server:
        clients = [run(left(server)) for _ in shares]
        for _ in range(rounds):
            held = []
            for client, share in zip(clients, shares, strict=True):
                address = f"/watch/{client.hello['session']}/events"
                ports, answers = burst(server, address, places + 3)
                held += ports
                assert [answers.count(200), answers.count(503)] == [share, places + 3 - share]
            for port in held:
                port.close()
            for client in clients:
                broadcast = server.registry._readings._known[client.hello["session"]]
                while broadcast.audience.told(0)["listeners"]:
                    threading.Event().wait(0.01)


@pytest.mark.parametrize("kind", ["jsonl", "ass", "ttml", "scc", "SRT", "srt.srt", "docx"])
def test_listeners_have_no_other_files(tmp_path, kind):
    with serving(tmp_path) as server:
        answer = httpx.get(watch(server, talk(server, range(2)), f"/translation.{kind}"))
    assert answer.status_code == 404
    assert "srt, vtt, txt" in answer.json()["error"]["message"]


@pytest.mark.parametrize("kinds", [["srt"], ["srt", "vtt", "txt"]])
def test_a_file_is_laid_out_once_for_all_until_more_is_said(tmp_path, monkeypatch, kinds):
    laid = []
    written = transcripts._written
    monkeypatch.setattr(
        transcripts, "_written", lambda *asked: laid.append(asked) or written(*asked)
    )
    with serving(tmp_path) as server:
        client = talk(server, range(8))
        texts = {
            httpx.get(watch(server, client, f"/translation.{kind}"), params={"to": to}).text
            for kind in kinds
            for to in ("de", "German", "")
            for _ in range(3)
        }
    assert len(laid) == len(texts) == len(kinds)


def test_what_is_said_since_is_in_the_next_file(tmp_path):
    async def both():
        client = await Client(server).open()
        async with httpx.AsyncClient(timeout=30) as http:
            for upto in (6, 12, 18, 0):
                if upto:
                    await client.play(speech(), len(speech(range(upto))))
                    await client.until("commit")
                else:
                    await client.finish()
                heard = client.text.split()
                answer = await http.get(watch(server, client, "/translation.txt"))
                assert answer.text.split()[: len(heard)] == heard
        assert answer.text.split() == heard

    with serving(tmp_path) as server:
        run(both())


def test_a_feed_in_which_nothing_is_said_shows_that_it_is_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "_ALIVE", 0.05)

    async def both():
        client = await Client(server).open()
        async with (
            httpx.AsyncClient(timeout=30) as http,
            http.stream("GET", watch(server, client, "/events")) as stream,
        ):
            kinds = []
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    kinds.append(line[7:])
                if kinds.count("alive") == 3:
                    await client.finish()
                    return kinds

    with serving(tmp_path) as server:
        assert run(both()) == ["session", "alive", "alive", "alive"]


def test_listeners_wait_for_a_speaker_who_comes_back(tmp_path):
    """The engine fails, the session is resumed from disk: listeners are sent there."""

    async def both():
        client = await Client(server).open()
        address = watch(server, client, "/events")
        await client.play(speech(), upto=100_000)
        await client.until("commit")
        async with httpx.AsyncClient(timeout=30) as http:
            async with http.stream("GET", address) as stream:
                lines = stream.aiter_lines()
                await anext(lines)
                session = server.registry._sessions[client.hello["session"]]
                session.stop(EngineFailed("It broke."))
                while server.registry._sessions:
                    await asyncio.sleep(0.01)
                await client.resume()
                before = frames("\n".join([line async for line in lines]))  # ends by itself
            assert "over" not in [kind for _, kind, _ in before]
            await client.play(speech())
            await client.finish()
            last = max(number for number, *_ in before if number)
            rest = frames((await http.get(address, params={"after": last})).text)
        return client.text, said(before) + said(rest)

    with serving(tmp_path) as server:
        mine, theirs = run(both())
    assert mine == theirs == EVERYTHING


def test_a_server_that_stops_sends_listeners_away(tmp_path):
    async def both():
        client = await Client(server).open()
        async with (
            httpx.AsyncClient(timeout=30) as http,
            http.stream("GET", watch(server, client, "/events")) as stream,
        ):
            lines = stream.aiter_lines()
            await anext(lines)
            server.loop.call_soon_threadsafe(server.drain)
            return [line async for line in lines]

    with serving(tmp_path) as server:
        assert "event: over" not in run(both())


@pytest.mark.parametrize(
    "link",
    ["https://example.org/watch/abc", "http://localhost:8765/watch/ü?to=zh", "http://[::1]/"],
)
def test_links_are_drawn(tmp_path, link):
    with serving(tmp_path) as server:
        answer = httpx.get(f"{base(server)}/qr.svg", params={"link": link})
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/svg+xml"
    root = ElementTree.fromstring(answer.text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {node.tag.rpartition("}")[2] for node in root.iter()} <= {"svg", "g", "path"}


@pytest.mark.parametrize("link", ["", "javascript:alert(1)", "example.org", "http://" + "a" * 600])
def test_nothing_but_links_is_drawn(tmp_path, link):
    with serving(tmp_path) as server:
        assert httpx.get(f"{base(server)}/qr.svg", params={"link": link}).status_code == 404
