"""Captions of whole commands: what the subtitles hold arrives at every sink."""

import errno
import json
import signal
import subprocess
import sys
import threading
import wave
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from caption_services import Webhook, YouTube, Zoom, listening
from styles import STYLE
from test_hls import CUES, ORIGIN, listed, shown

from alignatt4llm.cli import play, sinks
from alignatt4llm.cli.files import check_files
from alignatt4llm.cli.main import main, parser
from alignatt4llm.errors import UsageError
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Again, Next, Origin, Sink
from alignatt4llm.outputs.sinks.delivery import Delivery, Patience
from alignatt4llm.outputs.sinks.kept import Kept, read_undelivered
from alignatt4llm.outputs.sinks.output import CaptionSinks
from alignatt4llm.outputs.sinks.table import SINKS, Destination, SinkKind
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import LANGUAGES

QUICK = Patience(first=0.001, most=0.004, flush=20.0)
SHORT = replace(QUICK, flush=3.0)


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tones(range(len(SCRIPT))) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where what is not delivered is kept; nobody is waited for for long."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(play, "CaptionSinks", partial(CaptionSinks, patience=QUICK))
    return sinks.undelivered_folder()


def translate(talk, *options):
    model = ["--model", "scripted", "--fast", "--to", "de"]
    return main(["translate", str(talk), *model, *map(str, options)])


def subtitles(path):
    blocks = path.read_text("utf-8").removeprefix("WEBVTT\n\n").strip().split("\n\n")
    return [block.split("\n")[2:] for block in blocks]


def test_every_sink_gets_what_the_subtitles_hold(talk, tmp_path, capsys):
    youtube, zoom, webhook = YouTube(), Zoom(last=5), Webhook()
    vtt, hls = tmp_path / "a.vtt", tmp_path / "hls"
    with listening(youtube) as one, listening(zoom) as two, listening(webhook) as three:
        options = [f"youtube:{one}", f"zoom:{two}", f"webhook:{three}", f"hls:{hls}"]
        asked = [part for each in options for part in ("--caption-sink", each)]
        assert translate(talk, "--vtt", vtt, *asked) == 0
    said = subtitles(vtt)
    assert len(said) > 3
    assert list(youtube.taken.values()) == list(zoom.taken.values()) == said
    assert [content["lines"] for content in webhook.taken.values()] == said
    assert len({content["session"] for content in webhook.taken.values()}) == 1
    cues = {n: text for name in listed(hls) for n, _, text in shown(hls / name)}
    assert list(cues.values()) == said
    assert youtube.faults + zoom.faults + webhook.faults == []
    assert youtube.stamps == sorted(youtube.stamps)
    assert "delivered" not in capsys.readouterr().err


def test_the_source_goes_along(talk, tmp_path):
    webhook, vtt = Webhook(), tmp_path / "a.vtt"
    with listening(webhook) as address:
        sink = f"webhook:{address}"
        assert translate(talk, "--with-source", "--vtt", vtt, "--caption-sink", sink) == 0
    contents = webhook.taken.values()
    assert [content["lines"] + content["source"] for content in contents] == subtitles(vtt)
    assert any(content["source"] for content in contents)


def test_every_language_goes_to_its_own_sinks(talk, tmp_path):
    webhook, youtube = Webhook(), YouTube()
    vtt, hls = tmp_path / "a.vtt", tmp_path / "hls"
    with listening(webhook) as one, listening(youtube) as two:
        asked = [f"webhook:{one}&to={{to}}", f"it=youtube:{two}", f"hls:{hls}/{{to}}"]
        options = [part for each in asked for part in ("--caption-sink", each)]
        assert translate(talk, "it", "--vtt", vtt, *options) == 0
    for code in ("de", "it"):
        said = subtitles(tmp_path / f"a.{code}.vtt")
        contents = [content for content in webhook.taken.values() if content["to"] == code]
        assert [content["lines"] for content in contents] == said
        assert [content["number"] for content in contents] == list(range(1, len(said) + 1))
        folder = hls / code
        cues = {n: text for name in listed(folder) for n, _, text in shown(folder / name)}
        assert list(cues.values()) == said
    assert list(youtube.taken.values()) == subtitles(tmp_path / "a.it.vtt")
    assert youtube.faults == webhook.faults == []


def test_a_dead_sink_changes_nothing_else_and_its_captions_can_be_sent_again(
    talk, tmp_path, capsys, folder, monkeypatch
):
    monkeypatch.setattr(play, "CaptionSinks", partial(CaptionSinks, patience=SHORT))
    vtt, hls, jsonl = tmp_path / "a.vtt", tmp_path / "hls", tmp_path / "a.jsonl"
    youtube = YouTube(["ok", "ok", *[503] * 10_000])
    with listening(youtube) as address:
        sink = f"youtube:{address}"
        options = ["--caption-sink", sink, "--caption-sink", f"hls:{hls}", "--jsonl", jsonl]
        assert translate(talk, "--vtt", vtt, *options) == 0
        said = subtitles(vtt)
        assert list(youtube.taken.values()) == said[:2]
        cues = {n: text for name in listed(hls) for n, _, text in shown(hls / name)}
        assert list(cues.values()) == said
        (kept,) = folder.iterdir()
        told = capsys.readouterr().err
        assert str(kept) in told and f"({len(said) - 2})" in told
        assert "cid" not in told + kept.read_text("utf-8") + jsonl.read_text("utf-8")

        youtube.script.clear()
        assert main(["resend", str(kept), "--caption-sink", sink]) == 0
    assert list(youtube.taken.values()) == said
    assert youtube.stamps == sorted(youtube.stamps)
    assert youtube.faults == []
    assert list(folder.iterdir()) == []


def test_a_notice_tells_of_the_trouble_while_it_lasts(talk, tmp_path, monkeypatch):
    failed = threading.Event()

    class Dead(Sink):
        def send(self, number, cue):
            raise Again("it is dead")

    class Told(CaptionSinks):
        def write(self, event):
            super().write(event)
            if self._number:
                failed.wait(10)

        def _say(self, sentence):
            super()._say(sentence)
            failed.set()

    kind = SinkKind(lambda *_: Dead(), "NAME", lambda *_: None, str)
    monkeypatch.setitem(SINKS, "dead", kind)
    monkeypatch.setattr(play, "CaptionSinks", partial(Told, patience=replace(QUICK, flush=0.0)))
    path = tmp_path / "a.jsonl"
    assert translate(talk, "--caption-sink", "dead:x", "--jsonl", path) == 0
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    notices = [event["text"] for event in events if event["type"] == "notice"]
    assert [text for text in notices if "dead:x does not take its caption 1" in text]


@pytest.mark.parametrize("targets", [["de"], ["de", "it"]], ids=" ".join)
@pytest.mark.parametrize("realtime", [False, True], ids=["fast", "live"])
@pytest.mark.parametrize(("began", "expected"), [(None, 1050.0), (0.0, 1000.0), (7.5, 1007.5)])
def test_times_count_from_where_the_source_began(
    tmp_path, monkeypatch, realtime, targets, began, expected
):
    """However long it took before to find out the language, to load models or to open a file."""
    passed, origins = [10.0], []  # s since the computer was started, at 1000 s after 1970
    clock = SimpleNamespace(time=lambda: 1000.0 + passed[0], monotonic=lambda: passed[0])

    def slow(what, seconds):
        def done(*args, **kwargs):
            passed[0] += seconds
            return what(*args, **kwargs)

        return done

    def noted(where, style, origin, *rest):
        origins.append(origin)
        return CaptionSinks(where, style, origin, *rest)

    def source():
        yield tones(range(4))
        passed[0] += 1000.0

    monkeypatch.setattr(play, "time", clock)
    monkeypatch.setattr(play, "CaptionSinks", noted)
    monkeypatch.setattr(play, "OutputFile", slow(play.OutputFile, 10.0))
    monkeypatch.setattr(play.Choice, "open", slow(play.Choice.open, 40.0 - 10.0 * len(targets)))
    options = ["--to", *targets, "--txt", str(tmp_path / "a.txt"), "--model", "scripted"]
    args = parser().parse_args(["translate", "x.wav", *options])
    play.play(args, source(), None, realtime, began=began)
    assert [origin.pair.target.code for origin in origins] == targets
    assert [origin.began for origin in origins] == [expected] * len(targets)


@pytest.mark.parametrize("end", ["within", "behind"])
def test_a_session_ends_while_its_sink_is_blocked(tmp_path, monkeypatch, end):
    may, came = threading.Event(), threading.Event()

    class Blocked(Sink):
        def send(self, number, cue):
            came.set()
            may.wait(30)

    kind = SinkKind(lambda *_: Blocked(), "NAME", lambda *_: None, str)
    monkeypatch.setitem(SINKS, "blocked", kind)
    where = Destination("blocked", "x")
    origin, told = Origin("s", STYLE.pair, 0.0), []
    flush = 0.0 if end == "behind" else 20.0
    output = CaptionSinks([where], STYLE, origin, tmp_path, told.append, {}, Patience(flush=flush))
    session = ScriptedInterpreter().open(STYLE.pair)
    for event in [*session.feed(tones(range(len(SCRIPT)))), *session.finish()]:
        output.write(event)
    assert came.wait(10)
    assert not may.is_set()  # all of it is said, nothing is delivered
    if end == "within":
        threading.Timer(0.05, may.set).start()
    output.close()
    assert bool(told) is (end == "behind")
    assert len(list(tmp_path.iterdir())) == len(told)
    may.set()


def test_who_will_not_wait_loses_nothing(tmp_path, monkeypatch):
    def impatient(delivery):
        raise KeyboardInterrupt

    monkeypatch.setattr(Delivery, "wait", impatient)
    where = [Destination.parse(f"{kind}:http://127.0.0.1:1/") for kind in ("zoom", "webhook")]
    origin = Origin("s", STYLE.pair, 0.0)
    output = CaptionSinks(where, STYLE, origin, tmp_path, print, {}, QUICK)
    session = ScriptedInterpreter().open(STYLE.pair)
    for event in [*session.feed(tones(range(len(SCRIPT)))), *session.finish()]:
        output.write(event)
    with pytest.raises(KeyboardInterrupt):
        output.close()
    one, other = (read_undelivered(path).cues for path in tmp_path.iterdir())
    assert one == other and len(one) > 3


def test_resending_goes_on_where_the_meeting_stands(tmp_path, capsys, folder):
    """What was taken without its being known is not sent twice."""
    zoom = Zoom(last=9)
    zoom.taken[9] = ["GOOD MORNING"]
    path = tmp_path / "kept.jsonl"
    where = Destination.parse("zoom:https://example.org/x")
    kept = Kept(path, where, Origin("s", STYLE.pair, 0.0))
    kept.add([(n, Cue((text,), 0, 1000)) for n, text in enumerate(["GOOD MORNING", "A", "B"], 4)])
    kept.close(Next(9, tried=True))
    with listening(zoom) as address:
        assert main(["resend", str(path), "--caption-sink", f"zoom:{address}"]) == 0
    assert list(zoom.taken.values()) == [["GOOD MORNING"], ["A"], ["B"]]
    assert zoom.faults == []
    assert not path.exists()


def test_what_is_refused_again_stays_in_the_file(tmp_path, capsys):
    webhook = Webhook([422])
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, Destination.parse("webhook:https://example.org/x"), ORIGIN)
    kept.add(enumerate(CUES, 4))
    kept.close(Next(4))
    with listening(webhook) as address:
        assert main(["resend", str(path), "--caption-sink", f"webhook:{address}"]) == 1
        assert read_undelivered(path).cues == ((4, CUES[0]),)
        assert main(["resend", str(path), "--caption-sink", f"webhook:{address}"]) == 0
    assert list(webhook.taken) == ["stream-de-5", "stream-de-6", "stream-de-4"]


@pytest.mark.parametrize(
    "script",
    [[], ["ok"], [422], [422, "ok"], [422, 422], ["ok", 422], [422, "reset"], [422, 503, 422]],
    ids=str,
)
def test_a_resend_that_is_killed_leaves_every_cue_in_the_file(tmp_path, script):
    class Killing(Webhook):
        def next(self):
            if not self.script:
                process.kill()
                return "close"
            return super().next()

    path, webhook = tmp_path / "kept.jsonl", Killing(script)
    kept = Kept(path, Destination.parse("webhook:https://example.org/x"), ORIGIN)
    kept.add(enumerate(CUES, 4))
    kept.close(Next(4))
    with listening(webhook) as address:
        command = [sys.executable, "-m", "alignatt4llm.cli.main", "resend", str(path)]
        process = subprocess.Popen([*command, "--caption-sink", f"webhook:{address}"])
        assert process.wait(60) == -signal.SIGKILL
    assert read_undelivered(path).cues == tuple(enumerate(CUES, 4))
    assert list(tmp_path.iterdir()) == [path]


def test_a_rest_that_cannot_be_written_leaves_the_file_as_it_is(tmp_path, capsys, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "kept.jsonl"
    kept = Kept(path, Destination.parse("webhook:https://example.org/x"), ORIGIN)
    kept.add(enumerate(CUES, 4))
    kept.close(Next(4))
    before = path.read_bytes()
    monkeypatch.setattr("alignatt4llm.files.writing._replace", full)
    with listening(Webhook([422])) as address:
        assert main(["resend", str(path), "--caption-sink", f"webhook:{address}"]) == 2
    error = capsys.readouterr().err
    assert f"'{path}' cannot be written: No space left on device." in error
    assert "lost" not in error
    assert path.read_bytes() == before


WRONG_FILES = {
    "empty": "",
    "no JSON": "hello",
    "JSON of another kind": '{"a": 1}\n',
    "a list": "[]\n",
    "a number": "7\n",
    "an unknown sink": '{"sink": "x", "session": "s", "pair": "en-de", "began": 0}\n',
    "a time that is none": '{"sink": "zoom", "session": "s", "pair": "en-de", "began": "x"}\n',
    "a language that is none": '{"sink": "zoom", "session": "s", "pair": "en-xx", "began": 0}\n',
}


@pytest.mark.parametrize("content", WRONG_FILES.values(), ids=WRONG_FILES)
def test_what_is_no_such_file_is_refused(tmp_path, content, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    assert main(["resend", str(path), "--caption-sink", "zoom:https://example.org/x"]) == 2
    assert str(path) in capsys.readouterr().err
    assert path.read_text() == content


@pytest.mark.parametrize("asked", [[], ["zoom"], ["youtube", "youtube"]])
def test_resending_needs_the_kind_of_sink_of_the_file(tmp_path, asked, capsys):
    path = tmp_path / "a.jsonl"
    kept = Kept(path, Destination.parse("youtube:https://example.org/x"), ORIGIN)
    kept.add(enumerate(CUES, 1))
    kept.close(Next(1))
    given = [f"--caption-sink={kind}:http://a/{n}" for n, kind in enumerate(asked)]
    assert main(["resend", str(path), *given]) == 2
    assert "youtube:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["translate", "listen"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["youtube:SECRET"], "whole address"),
        (["zoom:http://a/b", "zoom:http://a/b"], "given twice"),
        (["hls:a", "hls:a"], "given twice"),
        (["hls:a", "hls:./a"], "both write"),
        (["hls:a", "hls:A?mpegts=1"], "both write"),
        (["hls:a", "hls:b/../a"], "both write"),
        (["hls:{to}", "de=hls:de"], "both write"),
        (["hls:a/{to}", "hls:a/./{to}"], "both write"),
        (["hls:a/{to}?mpegts=1", "hls:a/de"], "both write"),
        (["hls:{from}/{to}", "hls:en/de"], "both write"),
        (["hls:{from}-{to}", "German=hls:{from}-de"], "both write"),
        (["hls:{session}", "de=hls:{session}"], "both write"),
        (["hls:{session}", "hls:./{session}"], "both write"),
        (["zoom:http://a/{to}", "de=zoom:http://a/de"], "given twice"),
        (["hls:a", "it=hls:b"], "--to is de"),
    ],
)
def test_a_sink_that_is_none_is_told_before_anything_is_loaded(
    command, given, told, talk, capsys, monkeypatch
):
    monkeypatch.setattr("alignatt4llm.interpreter.Interpreter", None)
    asked = [part for each in given for part in ("--caption-sink", each)]
    monkeypatch.setattr("alignatt4llm.cli.listen.microphone", lambda *_: iter(()))
    file = [str(talk)] if command == "translate" else []
    assert main([command, *file, "--to", "de", *asked]) == 2
    error = capsys.readouterr().err
    assert told in error and "SECRET" not in error


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("hls:a", "every language"),
        ("de=hls:a", ""),
        ("hls:{to}", ""),
        ("fr=hls:a", "--to is de, it"),
    ],
)
def test_several_languages_do_not_go_to_one_sink(given, told):
    args = SimpleNamespace(caption_sink=[given])
    into = [LANGUAGES["de"], LANGUAGES["it"]]
    if told:
        with pytest.raises(UsageError, match=told):
            sinks.destinations(args, into)
    else:
        (where,) = sinks.destinations(args, into)
        assert given.endswith(where.address)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["listen", "--to=de,it", "hls:{to}", "it=hls:it/"], "both write"),
        (["listen", "--to=de,it", "de=hls:a", "it=hls:a"], "both write"),
        (["listen", "--to=de", "hls:{to}", "hls:it"], ""),
        (["listen", "--to=de", "--from=auto", "hls:{from}", "hls:en"], "both write"),
        (["listen", "--to=de", "--from=auto", "hls:{from}", "hls:de"], ""),
        (["listen", "--to=de", "--from=cs", "hls:{from}", "hls:en"], ""),
        (["serve", "hls:{to}", "de=hls:de/."], "both write"),
        (["serve", "hls:{to}", "hls:fil"], "both write"),
        (["serve", "hls:{from}-{to}", "hls:{from}-yue"], "both write"),
        (["serve", "hls:{session}/{to}", "de=hls:{session}/DE"], "both write"),
        (["serve", "--to=it", "hls:{to}", "de=hls:de/."], "both write"),
        (["serve", "hls:{session}/{to}", "hls:{to}"], ""),
        (["serve", "hls:a/{session}", "hls:a"], ""),
        (["serve", "hls:{to}", "hls:{from}-{to}"], ""),
        (["serve", "de=zoom:http://a/b", "it=zoom:http://a/b"], ""),
    ],
    ids=str,
)
def test_no_two_sinks_write_the_same_whatever_is_filled_in(options, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [each if each[0] == "-" else f"--caption-sink={each}" for each in options[1:]]
    args = parser().parse_args([options[0], *given])
    if told:
        with pytest.raises(UsageError, match=told):
            check_files(args)
    else:
        check_files(args)


@pytest.mark.parametrize("name", ["captions.m3u8", "captions00000.vtt"])
@pytest.mark.parametrize("role", ["read", "written"])
def test_segments_are_written_over_nothing_that_is_named(talk, tmp_path, name, role, capsys):
    path = tmp_path / name
    talk.rename(path)
    before = path.read_bytes()
    source, options = (path, []) if role == "read" else ("x.wav", ["--vtt", path])
    assert translate(source, *options, "--caption-sink", f"hls:{tmp_path}") == 2
    assert "--caption-sink" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_without_httpx_it_says_what_to_install(talk, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "httpx", None)
    assert translate(talk, "--caption-sink", "zoom:http://a/b") == 1
    assert "alignatt4llm[sinks]" in capsys.readouterr().err


def test_ctrl_c_delivers_what_was_said(talk, tmp_path):
    youtube, vtt = YouTube(), tmp_path / "a.vtt"
    with listening(youtube) as address:
        command = [sys.executable, "-m", "alignatt4llm.cli.main", "translate", str(talk)]
        options = ["--model", "scripted", "--to", "de", "--realtime", "--vtt", str(vtt)]
        process = subprocess.Popen([*command, *options, "--caption-sink", f"youtube:{address}"])
        assert youtube.come.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert list(youtube.taken.values()) == subtitles(vtt)
    assert youtube.faults == []
