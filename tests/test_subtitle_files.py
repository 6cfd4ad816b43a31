"""Files of subtitles: every format holds what was said, for FFmpeg and for a second library."""

import html
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import av
import pysubs2
import pytest
from serve_harness import speech
from test_evaluate_corpus import write_wav
from test_uploads import wav
from ttconv.imsc import reader as imsc
from ttconv.model import P
from ttconv.scc import reader as scc

from alignatt4llm import interpreter
from alignatt4llm.cli.main import main
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Close, Commit, Source, SourceWord
from alignatt4llm.files.writing import Records
from alignatt4llm.outputs.line21 import encodable
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.outputs.tracks import READERS, read_track
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import Pair

KINDS = ("srt", "vtt", "ass", "ttml", "scc")
TALKS = {
    "de": ["Größer & schöner <i>als</i> je,", "sagt Élodie: {das} kostet --> 5 \\ Öre!"],
    "fr": ["Où sont-ils ? À Noël, ça va.", "L'œuvre est finie, n'est-ce pas ?"],
    "en": ["It's 5 < 6 && 7 > 6.", '[laughs] #1 -- "quoted" 100% & more'],
    "es": ["¿Qué pasó? ¡Nada, señor Muñoz!", "Él dijo que sí."],
    "zh": ["他说，我们用 GPT-4 翻译。", "「很快」，对吧？"],
    "he": ["שלום עולם, זה GPT-4.", "מה שלומך?"],
    "th": ["วันนี้อากาศดีมาก", "เราจะไปเที่ยวกัน"],
    "hi": ["नमस्ते दुनिया, यह GPT है।", "अच्छा।"],
}


def events(texts):
    """Say each text as an utterance of six seconds."""
    for n, text in enumerate(texts):
        start = 3.0 + 7 * n
        words = tuple(SourceWord(f"w{n}{i}", start + i, start + i + 1) for i in range(6))
        yield Source(n, words, (), start + 6)
        yield Commit((" " if n else "") + text, n, start + 6, 0.0, -1)
        spoken = " ".join(word.text for word in words)
        yield Close(n, spoken, text, start, start + 6, start + 6, 6)


def letters(text):
    """All that can be seen."""
    return re.sub(r"[\s\u2060\u200f]", "", text)


def by_ffmpeg(path):
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(subtitles=0) if packet.size]
        lines = [rect.ass.decode() for packet in packets for rect in packet.decode()]
    texts = [line.split(",", 8)[8].replace(r"\{{}", "{") for line in lines]
    texts = [re.sub(r"(?<!\\)\{\\[^}]*\}", "", text).replace(r"\N", " ") for text in texts]
    return [re.sub(r"\\([{}])", r"\1", text) for text in texts]


def by_library(path):
    """The texts of the cues, as pysubs2 or ttconv read them."""
    text = path.read_text("utf-8")
    if path.suffix in (".ttml", ".scc"):
        if path.suffix == ".scc":
            document = scc.to_model(text)
        else:
            document = imsc.to_model(ElementTree.ElementTree(ElementTree.fromstring(text)))
        found = [e for e in document.get_body().dfs_iterator() if isinstance(e, P)]
        return [
            "".join(e.get_text() for e in p.dfs_iterator() if hasattr(e, "get_text")) for p in found
        ]
    return [event.text.replace(r"\N", " ") for event in pysubs2.load(str(path))]


@pytest.mark.parametrize("code", TALKS)
@pytest.mark.parametrize("kind", KINDS)
def test_two_readers_get_back_what_was_said(tmp_path, code, kind):
    style = Style.of(Pair.parse(f"it-{code}"))
    path = tmp_path / f"a.{kind}"
    if kind == "scc" and code in ("zh", "he", "th", "hi"):
        with pytest.raises(UsageError, match="SCC holds Latin letters only"):
            OUTPUTS[kind].open(path, style)
        return
    path.write_text(OUTPUTS[kind].text(events(TALKS[code]), style), "utf-8")
    said = letters("".join(TALKS[code]))
    if kind == "scc":
        said = said.replace("œ", "oe")
    track = read_track(path)
    assert letters("".join("".join(cue.lines) for cue in track.cues)) == said
    assert all(before.end <= after.start for before, after in pairwise(track.cues))
    if kind != "ttml":  # which FFmpeg does not read
        shown = letters("".join(by_ffmpeg(path)))
        assert shown == (said.replace("'", "’") if kind == "scc" else said)
    library = letters("".join(by_library(path)))
    assert (html.unescape(library) if kind == "vtt" else library).replace(r"\{", "{").replace(
        r"\}", "}"
    ) == said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_source", [False, True])
def test_a_file_is_whole_after_every_event_and_its_cues_stay(tmp_path, kind, with_source):
    style = Style.of(Pair.parse("it-de"), with_source=with_source)
    path = tmp_path / f"a.{kind}"
    output, shown = OUTPUTS[kind].open(path, style), []
    for event in events(["Guten Tag zusammen.", "Ja.", "Wie geht es Ihnen heute?", "Danke."]):
        output.write(event)
        text = path.read_text("utf-8")
        shown.append(tuple(READERS[kind][0](text)))
        if kind == "ttml":
            ElementTree.fromstring(text.encode())
    output.close()
    final = read_track(path).cues
    assert len(final) == 4 and all(cues == final[: len(cues)] for cues in shown)
    assert len(shown[-1]) == (0 if kind == "scc" else 3)  # the last waits for what follows
    if with_source:
        assert final[0].lines[-1] == "w00 w01 w02 w03 w04 w05"


def test_a_footer_stands_behind_every_record(tmp_path):
    path = tmp_path / "a"
    records = Records(path, b"</end>\n")
    records.append(b"one\n")
    assert path.read_bytes() == b"one\n</end>\n"
    records.append(b"")
    records.append(b"a much longer record\n")
    assert path.read_bytes() == b"one\na much longer record\n</end>\n"
    records.close()
    assert path.read_bytes() == b"one\na much longer record\n</end>\n"
    Records(path, b"</end>\n").close()
    assert path.read_bytes() == b"</end>\n"


def test_the_final_form_takes_the_place_of_the_live_one(tmp_path):
    """Two short utterances fill one cue when the whole is known, and the file is replaced."""
    pair, path = Pair.parse("it-de"), tmp_path / "a.srt"
    texts = ["Ja.", "Gut."]

    def spoken():
        for n, text in enumerate(texts):
            yield Commit((" " if n else "") + text, n, n + 1.0, 0.0, -1)
            yield Close(n, "x", text, n * 0.5, n * 0.5 + 0.5, n + 1.0, 1)

    for final, cues in ((False, 2), (True, 1)):
        output = OUTPUTS["srt"].open(path, Style.of(pair, final=final))
        for event in spoken():
            output.write(event)
        assert read_track(path).cues[0].lines == ("Ja.",)
        output.close()
        assert len(read_track(path).cues) == cues


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("größer", "groösßer"),
        ("é ñ à", "é ñ à"),
        ("œuvre", "oeuvre"),
        ("Žižek łódź", "Zizek lódz"),
        ("„so“ – …", '"so “ - ...'),
        ("a\u200fb\u2060", "ab"),
        ("e\u0301", "é"),
        ("漢", "?"),
    ],
)
def test_what_line_21_can_hold(text, sent):
    """Letters that older decoders lack follow a simpler one, which they replace on the screen."""
    assert encodable(text) == sent


REFUSED = [
    (["--subtitles", "talk.doc"], "must end in .srt, .vtt, .ass, .ttml, .scc"),
    (["--subtitles", "talk"], "must end in .srt"),
    (["--srt", "a.srt", "--rules", "cinema"], "There are no rules 'cinema'; say netflix, bbc"),
    (["--srt", "a.srt", "--rules", "none.json"], "'none.json' cannot be read"),
    (["--srt", "a.srt", "--rules", "netflix-xx"], "Unknown language 'xx'"),
    (["--srt", "a.srt", "--subtitles", "a.srt"], "would both write"),
    (["--subtitles", "rules.json", "--rules", "rules.json"], "would overwrite"),
    (["--to", "zh", "--subtitles", "a.scc"], "SCC holds Latin letters only"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_be_written_is_told_before_anything_is_loaded(
    tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "talk.wav", 1.0)
    Path("rules.json").write_text("{}")
    monkeypatch.setattr(interpreter, "Interpreter", lambda *_, **__: pytest.fail("loaded"))
    assert main(["translate", "talk.wav", "--to", "de", "--fast", *options]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rules.json", "talk.wav"]


def test_rules_of_ones_own(tmp_path):
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({"line": 20, "lines": 1, "speed": 12}))
    style = Style.of(Pair.parse("it-de"), str(path))
    assert style.rules == replace(Style.of(Pair.parse("it-de")).rules, line=20, lines=1, speed=12)


WRONG = {
    '{"lenght": 3}': "unknown rule 'lenght'. Known rules: line, lines, speed",
    '{"line": "40"}': "line is '40'; it must be a whole number, 1 or more",
    '{"line": 0}': "line is 0; it must be a whole number, 1 or more",
    '{"lines": 1.5}': "lines is 1.5; it must be a whole number",
    '{"speed": 0}': "speed is 0; it must be a number, 0.1 or more",
    '{"speed": NaN}': "speed is nan; it must be a number",
    '{"halves": 1}': "halves is 1; it must be true or false",
    '{"line": true}': "line is True; it must be a whole number",
    '{"shortest": 9}': "longest is 7; it must not be below shortest, 9",
    "[]": "must hold a JSON object with rules",
    "{": "is not JSON",
}


@pytest.mark.parametrize("content", WRONG)
def test_a_wrong_file_of_rules_is_explained(tmp_path, content):
    path = tmp_path / "ours.json"
    path.write_text(content)
    with pytest.raises(UsageError) as problem:
        Style.of(Pair.parse("it-de"), str(path))
    assert WRONG[content] in str(problem.value) and str(path) in str(problem.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_writes_subtitles_as_the_name_ends(tmp_path, monkeypatch, kind):
    (tmp_path / "talk.wav").write_bytes(wav(speech()))
    parts = ScriptedInterpreter()
    monkeypatch.setattr(interpreter, "Interpreter", lambda *_, **__: parts)
    path, text = tmp_path / f"a.{kind.upper()}", tmp_path / "a.txt"
    command = ["translate", tmp_path / "talk.wav", "--to", "de", "--fast", "--subtitles", path]
    command += ["--txt", text, "--rules", "social", "--with-source", "--final"]
    assert main(list(map(str, command))) == 0
    said = letters(text.read_text("utf-8"))
    cues = read_track(path).cues
    assert said and letters("".join(cue.lines[0] for cue in cues)) == said
    assert all(len(cue.lines) == 2 for cue in cues)
