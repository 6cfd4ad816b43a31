"""Captions arrive wherever they go: each once, in order, whatever the other side does."""

import json
import socket
import threading
from dataclasses import replace

import pytest
from caption_services import TAKEN, Webhook, YouTube, Zoom, listening
from hypothesis import given, settings
from hypothesis import strategies as st

from alignatt4llm.errors import UsageError
from alignatt4llm.events import Close, Commit, Source, SourceWord
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks import http
from alignatt4llm.outputs.sinks.base import Again, Next, Origin, Sink
from alignatt4llm.outputs.sinks.delivery import Delivery, Patience
from alignatt4llm.outputs.sinks.kept import Kept, read_undelivered
from alignatt4llm.outputs.sinks.output import CaptionSinks
from alignatt4llm.outputs.sinks.table import SINKS, Destination
from alignatt4llm.outputs.sinks.zoom import tag
from alignatt4llm.outputs.style import Style
from alignatt4llm.text.languages import LANGUAGES, Pair
from alignatt4llm.text.printable import one_line

ORIGIN = Origin("stream", Pair.parse("en-de"), 1_800_000_000.0)
QUICK = Patience(first=0.001, most=0.004, asked=0.01, flush=20.0)
SERVICES = {"youtube": YouTube, "zoom": Zoom, "webhook": Webhook}
CUES = [
    Cue(("Grüß Gott,", "schön, dass"), 250, 1500),
    Cue(("你好 <b>&\u200f",), 1600, 3000, ("hello",)),
    Cue(("naïve <br> 😀",), 3000, 4999),
]


class Run:
    """Hands cues to a service and collects what is said of it."""

    def __init__(self, folder, kind, address, patience=QUICK, following=Next(), origin=ORIGIN):
        self.said = []
        self.where = Destination.parse(f"{kind}:{address}")
        self.path = folder / "kept.jsonl"
        sink = self.where.open(origin, following)
        kept = Kept(self.path, self.where, origin)
        self.delivery = Delivery(str(self.where), sink, kept, self.said.append, patience)

    def send(self, cues, first=1):
        for number, cue in enumerate(cues, first):
            self.delivery.put(number, cue)
        return self

    def end(self):
        self.delivery.finish(CUES[-1].end)
        settle(self.delivery)
        return self


def settle(delivery):
    delivery.wait()
    delivery.settle()


def lines(service):
    """What a service has taken, as lines of text."""
    if isinstance(service, Webhook):
        return [content["lines"] + content["source"] for content in service.taken.values()]
    return list(service.taken.values())


def expected(kind, cues):
    shown = [[*cue.lines, *cue.below] for cue in cues]
    if kind == "youtube":  # what it takes for a tag stands apart
        shown = [[line.replace("<b", "<\u2060b") for line in cue] for cue in shown]
    return shown


ODD = ["two\nlines", "a\r\nb", "page\fbreak", "sep\u2028arate", "half \ud800", "\x1b[2J", "\n"]


@pytest.mark.parametrize("word", ODD)
def test_what_is_heard_breaks_no_line_of_what_is_sent(tmp_path, word):
    youtube, webhook = YouTube(), Webhook()
    with listening(youtube) as one, listening(webhook) as two:
        where = [Destination.parse(f"youtube:{one}"), Destination.parse(f"webhook:{two}")]
        style = Style.of(ORIGIN.pair, with_source=True)
        output = CaptionSinks(where, style, ORIGIN, tmp_path, print, {}, QUICK)
        words = (SourceWord("well", 0.0, 1.0), SourceWord(word, 1.0, 2.0))
        output.write(Source(0, words, (), 2.0))
        output.write(Commit("Nun ja.", 0, 2.0, 2.0, 1))
        output.write(Close(0, f"well {word}", "Nun ja.", 0.0, 2.0, 2.0, 2))
        output.close()
    assert youtube.faults == []
    (content,) = webhook.taken.values()
    assert content["lines"] == ["Nun ja."]
    assert content["source"] == [" ".join(["well", *filter(None, [one_line(word)])])]


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("http://a/b", "seq=7"),
        ("http://a/b?", "seq=7"),
        ("http://a/b?x=1&seq=9", "x=1&seq=7"),
        ("http://a/b?seq=9&x=1", "x=1&seq=7"),
        ("http://a/b?ns=GZHkEA==&sparams=id%2Cns", "ns=GZHkEA==&sparams=id%2Cns&seq=7"),
        ("http://a/b?q=a+b&&e#f", "q=a+b&e&seq=7"),
        ("http://a/b?subseq=9", "subseq=9&seq=7"),
    ],
)
def test_what_an_address_has_stays_as_it_is(address, query):
    assert http.with_query(address, seq=7) == f"http://a/b?{query}"


@pytest.mark.parametrize("kind", SERVICES)
def test_cues_arrive_in_order(tmp_path, kind):
    service = SERVICES[kind]()
    with listening(service) as address:
        Run(tmp_path, kind, address).send(CUES).end()
    assert lines(service) == expected(kind, CUES)
    assert len(service.posts) == len(CUES)
    assert service.faults == []
    assert not (tmp_path / "kept.jsonl").exists()


def test_youtube_by_hand(tmp_path):
    service = YouTube()
    with listening(service) as address:
        Run(tmp_path, "youtube", address).send(CUES).end()
    assert service.posts == [
        (1, "2027-01-15T08:00:00.250\nGrüß Gott,<br>schön, dass\n"),
        (2, "2027-01-15T08:00:01.600\n你好 <\u2060b>&\u200f<br>hello\n"),
        (3, "2027-01-15T08:00:03.000\nnaïve <\u2060br> 😀\n"),
    ]


STAMPED = ["2012-12-24T00:00:06.873", "2012-12-24T00:00:06.873 region:reg1#cue1"]


@pytest.mark.parametrize("text", STAMPED)
def test_what_is_said_is_no_time_of_another_caption(tmp_path, text):
    service = YouTube()
    with listening(service) as address:
        Run(tmp_path, "youtube", address).send([Cue((text,), 0, 1000)]).end()
    assert service.posts == [(1, f"2027-01-15T08:00:00.000\n\u2060{text}\n")]


def test_zoom_by_hand(tmp_path):
    service = Zoom(last=41)
    with listening(service) as address:
        Run(tmp_path, "zoom", address).send(CUES[:2]).end()
    assert service.posts == [
        (42, "Grüß Gott,\nschön, dass\n"),
        (43, "你好 <b>&\u200f\nhello\n"),
    ]
    assert service.faults == []


def test_a_webhook_by_hand(tmp_path):
    service = Webhook()
    with listening(service) as address:
        Run(tmp_path, "webhook", address).send(CUES[1:2], first=7).end()
    content = {
        "session": "stream",
        "number": 7,
        "from": "en",
        "to": "de",
        "start": 1.6,
        "end": 3.0,
        "lines": ["你好 <b>&\u200f"],
        "source": ["hello"],
    }
    assert service.posts == [("stream-de-7", content)]


@pytest.mark.parametrize(
    ("code", "known"),
    [("de", "de-DE"), ("en", "en-US"), ("ja", "jp-JP"), ("zh", "zh-CN"), ("pt", "pt-BR")],
)
def test_zoom_hears_of_the_language_with_its_country(code, known):
    assert tag(LANGUAGES[code]) == known


def test_a_language_in_the_address_is_kept(tmp_path):
    service = Zoom()
    with listening(service) as address:
        Run(tmp_path, "zoom", f"{address}&lang=de-AT").send(CUES[:1]).end()
    assert service.faults == []
    assert service.taken


@pytest.mark.parametrize("answer", ["-1", "0", "", "41", " 41\n", "what?"])
def test_zoom_goes_on_where_the_meeting_stands(tmp_path, answer):
    last = int(answer) if answer.strip("- \n").isdecimal() else 0
    service = Zoom(last=last)
    service.counter = answer
    with listening(service) as address:
        Run(tmp_path, "zoom", address).send(CUES).end()
    assert list(service.taken) == [last + 1, last + 2, last + 3]
    assert service.faults == []


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_meeting_that_counts_for_itself_begins_with_one(tmp_path, status):
    service = Zoom([status])
    with listening(service) as address:
        Run(tmp_path, "zoom", address).send(CUES).end()
    assert list(service.taken) == [1, 2, 3]


@pytest.mark.parametrize(("address", "first"), [("&seq=17", 17), ("&seq=x", 1), ("", 1)])
def test_a_number_in_youtubes_address_is_the_first(tmp_path, address, first):
    service = YouTube(last=first - 1)
    with listening(service) as base:
        Run(tmp_path, "youtube", base + address).send(CUES).end()
    assert list(service.taken) == [first, first + 1, first + 2]
    assert service.faults == []


TROUBLE = {
    "an error": [500],
    "three errors": [500, 502, 503],
    "too many": [(429, "0")],
    "too many, till a date": [(429, "Thu, 01 Jan 2026 00:00:00 GMT")],
    "later, by a word": [(503, "soon")],
    "reset before it is taken": ["reset"],
    "reset once it is taken": ["reset once taken"],
    "cut off": ["cut"],
    "cut off once it is taken": ["cut once taken"],
    "closed": ["close"],
    "in the middle": ["ok", 500, "reset once taken", "ok"],
    "the same again and again": ["reset once taken"] * 5,
}


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("script", TROUBLE.values(), ids=TROUBLE)
def test_trouble_costs_no_cue_and_doubles_none(tmp_path, kind, script):
    service = SERVICES[kind](script)
    with listening(service) as address:
        Run(tmp_path, kind, address).send(CUES).end()
    assert lines(service) == expected(kind, CUES)
    assert service.faults == []
    assert not (tmp_path / "kept.jsonl").exists()


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("when", ["silent", "silent once taken"])
def test_a_service_that_does_not_answer_is_asked_again(tmp_path, kind, when, monkeypatch):
    monkeypatch.setattr(http, "ANSWER", 0.2)
    service = SERVICES[kind](["ok", when, "ok"])
    with listening(service) as address:
        Run(tmp_path, kind, address).send(CUES).end()
    assert lines(service) == expected(kind, CUES)
    assert service.faults == []


@pytest.mark.parametrize("kind", SERVICES)
def test_a_service_that_always_answers_late_gets_every_cue(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(http, "ANSWER", 0.1)
    service = SERVICES[kind]()
    service.slow = 0.3
    with listening(service) as address:
        Run(tmp_path, kind, address).send(CUES).end()
    assert lines(service) == expected(kind, CUES)
    assert service.faults == []
    assert len(service.posts) < 3 * len(CUES)


@pytest.mark.parametrize("kind", ["youtube", "zoom"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_what_waits_for_its_meeting_is_sent_when_it_begins(tmp_path, kind, status):
    service = SERVICES[kind](["ok", status, status])
    with listening(service) as address:
        Run(tmp_path, kind, address).send(CUES).end()
    assert lines(service) == expected(kind, CUES)
    assert service.faults == []


WAYS = st.sampled_from(
    [*TAKEN[:3], "reset", "cut", "close", 400, 403, 408, 500, 503, (429, "0"), (503, "0")]
)


@settings(max_examples=40)
@given(kind=st.sampled_from(["youtube", "zoom"]), script=st.lists(WAYS), count=st.integers(0, 6))
def test_by_any_script_each_cue_arrives_once_in_order(tmp_path_factory, kind, script, count):
    cues = [Cue((f"Zeile {n}",), 1000 * n, 1000 * n + 900) for n in range(count)]
    service = SERVICES[kind](script)
    with listening(service) as address:
        run = Run(tmp_path_factory.mktemp("kept"), kind, address).send(cues).end()
    assert lines(service) == [list(cue.lines) for cue in cues]
    assert service.faults == []
    assert run.delivery.undelivered == 0


def test_a_webhook_that_refuses_a_cue_gets_the_next(tmp_path):
    service = Webhook(["ok", 422])
    with listening(service) as address:
        run = Run(tmp_path, "webhook", address).send(CUES).end()
    assert [key for key, _ in service.posts] == ["stream-de-1", "stream-de-3"]
    assert read_undelivered(run.path).cues == ((2, CUES[1]),)
    complaint, recovery, account = run.said
    assert "422" in complaint and "again" in recovery
    assert "(1)" in account and str(run.path) in account


def test_nothing_is_said_to_be_taken_that_was_not(tmp_path):
    service = Webhook([403] * 10)
    with listening(service) as address:
        run = Run(tmp_path, "webhook", address).send(CUES)
        run.delivery.reach(10_000)
        run.end()
    complaint, account = run.said
    assert "403" in complaint and "(3)" in account


class Blocked(Sink):
    """Takes nothing until it may."""

    def __init__(self):
        self.may, self.came, self.closed = (threading.Event() for _ in range(3))
        self.taken = []

    def send(self, number, cue):
        self.came.set()
        if not self.may.wait(30):
            raise Again("it is blocked")
        self.taken.append(number)
        self.position = number + 1

    def close(self):
        self.closed.set()


def blocked(folder, **patience):
    where = Destination.parse("youtube:https://example.org/a?cid=secret")
    said, sink = [], Blocked()
    kept = Kept(folder / "kept.jsonl", where, ORIGIN)
    return sink, Delivery(str(where), sink, kept, said.append, replace(QUICK, **patience)), said


def test_nobody_waits_for_a_sink_and_the_rest_is_kept(tmp_path):
    sink, delivery, said = blocked(tmp_path, flush=0.0)
    for number, cue in enumerate(CUES, 1):
        delivery.put(number, cue)
        delivery.reach(cue.start)
    sink.came.wait(10)
    delivery.finish(5000)
    settle(delivery)  # while it is blocked
    found = read_undelivered(tmp_path / "kept.jsonl")
    assert found.cues == tuple(enumerate(CUES, 1))
    assert found.following == Next(1, tried=True)
    assert found.kind == "youtube" and found.origin == ORIGIN
    assert "youtube:https://example.org/…; the rest (3)" in said[-1]
    sink.may.set()
    assert sink.closed.wait(10)


def test_what_can_be_neither_delivered_nor_kept_is_told_to_be_lost(tmp_path):
    (tmp_path / "folder").write_text("is a file")
    sink, delivery, said = blocked(tmp_path / "folder", flush=0.0)
    delivery.put(1, CUES[0])
    delivery.finish(5000)
    settle(delivery)
    assert "(1) is lost: " in said[-1] and str(tmp_path / "folder") in said[-1]
    sink.may.set()


def test_what_finds_no_room_is_kept_and_the_rest_arrives(tmp_path):
    sink, delivery, said = blocked(tmp_path, waiting=2)
    for number, cue in enumerate(CUES, 1):
        delivery.put(number, cue)
    sink.may.set()
    delivery.finish(5000)
    settle(delivery)
    found = read_undelivered(tmp_path / "kept.jsonl")
    assert sink.taken == [1, 2]
    assert found.cues == ((3, CUES[2]),)
    assert found.following == Next(3)
    assert "(1)" in said[-1]


def test_a_wait_of_any_length_ends_with_the_stream(tmp_path):
    service = YouTube([500, 500])
    with listening(service) as address:
        run = Run(
            tmp_path, "youtube", address, replace(QUICK, first=3600.0, most=3600.0, flush=8.0)
        )
        run.send(CUES)
        service.come.wait(10)
        service.script.clear()
        run.end()
    assert lines(service) == expected("youtube", CUES)


def test_nobody_there_and_somebody_later(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    failed = threading.Event()
    run = Run(tmp_path, "zoom", f"http://127.0.0.1:{port}/closedcaption?cid=k%C3%A4y==")
    run.delivery._say = lambda sentence: (run.said.append(sentence), failed.set())
    run.send(CUES)
    assert failed.wait(10)
    service = Zoom()
    with listening(service, port):
        run.end()
    assert lines(service) == expected("zoom", CUES)
    assert "no connection" in run.said[0] and "again" in run.said[1]


def test_a_fault_of_a_sink_is_no_fault_of_the_stream(tmp_path):
    sink, delivery, said = blocked(tmp_path)
    sink.send = lambda number, cue: 1 / 0
    for number, cue in enumerate(CUES, 1):
        delivery.put(number, cue)
    delivery.finish(5000)
    settle(delivery)
    assert read_undelivered(tmp_path / "kept.jsonl").cues == tuple(enumerate(CUES, 1))
    assert "ZeroDivisionError" in said[0]


SECRETS = {
    "a parameter": "https://example.org/c?cid=SECRET",
    "the path": "https://hooks.example.org/services/SECRET/x",
    "a user": "https://me:SECRET@example.org/c",
    "a fragment": "https://example.org/c#SECRET",
    "a parameter and a port": "http://127.0.0.1:1/c?key=SECRET&id=2",
}


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("address", SECRETS.values(), ids=SECRETS)
def test_no_secret_is_shown_or_kept(tmp_path, kind, address, monkeypatch, caplog):
    monkeypatch.setattr(http, "CONNECT", 0.05)
    caplog.set_level("INFO")
    where = Destination.parse(f"{kind}:{address.replace('https', 'http')}")
    assert "SECRET" not in str(where) + repr(where)
    local = address.replace("hooks.example.org", "127.0.0.1:1").replace(
        "example.org", "127.0.0.1:1"
    )
    run = Run(tmp_path, kind, local, replace(QUICK, flush=0.2)).send(CUES).end()
    assert run.said
    assert "SECRET" not in "".join(run.said) + run.path.read_text("utf-8") + caplog.text


WRONG = {
    "no kind": "https://example.org",
    "another kind": "twitch:https://example.org",
    "no address": "youtube:",
    "a name alone": "zoom:SECRET",
    "another scheme": "webhook:ftp://example.org/SECRET",
    "no host": "youtube:https:///SECRET",
    "a port that is none": "youtube:https://example.org:SECRET/",
    "a port too high": "youtube:https://example.org:99999/SECRET",
    "a space": "youtube:https://example.org/a SECRET",
    "a line break": "youtube:https://example.org/a\nSECRET",
    "a bad host": "youtube:https://[SECRET/",
    "no folder": "hls:",
    "nothing": "",
    "only a colon": ":",
    "no kind behind a language": "de=https://example.org/SECRET",
    "a language alone": "de=",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_is_no_sink_is_refused_without_its_secret(text):
    with pytest.raises(UsageError) as problem:
        Destination.parse(text)
    assert "--caption-sink" in str(problem.value)
    assert "SECRET" not in str(problem.value)


def test_a_file_is_no_folder_for_segments(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        Destination.parse(f"hls:{tmp_path / 'file'}")


def test_what_is_no_language_is_told():
    with pytest.raises(UsageError, match="Unknown language 'xx'"):
        Destination.parse("xx=hls:a")


@pytest.mark.parametrize(
    ("text", "takes"),
    [("hls:a", True), ("de=hls:a", True), ("German=hls:a", True), ("de-AT=hls:a", True),
     ("it=hls:a", False), ("webhook:http://a/b?it=c:d", True)],
)  # fmt: skip
def test_a_sink_may_be_for_one_language(text, takes):
    where = Destination.parse(text)
    assert where.takes(ORIGIN.pair) is takes
    assert where.kind in text and text.endswith(where.address)


def test_names_in_an_address_are_filled_in():
    where = Destination.parse("hls:out/{session}/{from}-{to}{x}").of(ORIGIN)
    assert where.address == "out/stream/en-de{x}"


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("", None), ("-1", None), ("soon", None), ("²", None)]
)
def test_how_long_the_other_side_wants_to_be_left_alone(value, seconds):
    assert http._after(value) == seconds


def test_every_kind_of_sink_is_tried_here():
    assert set(SINKS) == {*SERVICES, "hls"}


def test_the_kept_file_says_how_to_send_it_again(tmp_path):
    kept = Kept(tmp_path / "a.jsonl", Destination.parse("zoom:https://z.us/c?id=1"), ORIGIN)
    kept.add([(2, CUES[1])])
    kept.close(Next(2))
    head = json.loads((tmp_path / "a.jsonl").read_text("utf-8").split("\n")[0])
    assert head["resend"] == f"alignatt resend '{tmp_path / 'a.jsonl'}' --caption-sink 'zoom:URL'"


def test_a_kept_file_that_is_closed_stays_as_it_is(tmp_path):
    path = tmp_path / "a.jsonl"
    kept = Kept(path, Destination.parse("zoom:https://z.us/c?id=1"), ORIGIN)
    kept.add([(2, CUES[1])])
    kept.close(Next(2))
    before = path.read_text("utf-8")
    kept.add([(3, CUES[2])])
    assert path.read_text("utf-8") == before
