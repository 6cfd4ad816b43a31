"""Sources written without spaces: calibrated, scored, drawn, translated offline and live."""

import io
import json

import pytest
from evaluating import hypothesis, made_run, recording
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tiny import save_checkpoint

from alignatt4llm import interpreter
from alignatt4llm.calibrate.align import _pieces, read_published, read_sentences
from alignatt4llm.calibrate.observe import truncated, whole
from alignatt4llm.cli.display import LiveDisplay
from alignatt4llm.cli.main import main
from alignatt4llm.evaluate.score import score_run
from alignatt4llm.events import Source, SourceWord
from alignatt4llm.prompts.context import Context, Shown
from alignatt4llm.prompts.glossary import Term
from alignatt4llm.prompts.passages import PASSAGE, Passages
from alignatt4llm.recognizers.timed import read_timed_text
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import LANGUAGES, Pair
from alignatt4llm.text.units import units
from alignatt4llm.text.words import any_word_spans, split_words, word_spans

TEXTS = {
    "zh": "第一班GPS火车早上7点离开车站，乘客都很高兴。",
    "ja": "最初のGPS列車は朝7時に駅を出発し、乗客は喜びます。",
    "th": "รถไฟGPSขบวนแรกออกจากสถานีตอนเช้า 7 โมงผู้โดยสารดีใจมาก",
}
SEGMENTS = """\
- {wav: a.wav, offset: 0.0, duration: 6.0}
- {wav: a.wav, offset: 7.0, duration: 6.0}
"""
ENGLISH = ["the", "first", "train", "leaves", "the", "station", "at", "seven", "in", "the"]


def pair(source):
    return Pair.parse(f"{source}-en")


def spoken(source):
    return split_words(TEXTS[source], LANGUAGES[source])


def command(*arguments):
    return main([*map(str, arguments)])


def sentence_files(folder, source):
    """Twelve pieces of a text; target word j is linked with the sign at the same share of it."""
    lines = {"src": [], "tgt": [], "links": []}
    for n in range(12):
        text = "".join(spoken(source)[n % 4 : 10 + n % 6]).strip()
        target = ENGLISH[n % 4 : 7 + n % 4]
        count = len(units(text, LANGUAGES[source]))
        links = (f"{j * count // len(target)}-{j}" for j in range(len(target)))
        for name, line in zip(lines, (text, " ".join(target), " ".join(links)), strict=True):
            lines[name].append(line)
    for name, each in lines.items():
        (folder / name).write_text("\n".join(each) + "\n", "utf-8")
    return [folder / name for name in lines]


@pytest.mark.parametrize("source", TEXTS)
def test_heads_are_calibrated_scored_and_drawn(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ALIGNATT_THREADS", "1")
    model = save_checkpoint(tmp_path / "tiny", "qwen3", max_position_embeddings=2048)
    src, tgt, links = sentence_files(tmp_path, source)
    heads, picture, scores = (tmp_path / name for name in ("a.json", "a.svg", "scores.json"))
    loaded = ["--model", model]
    data = ["--data", src, tgt, "--alignments", links, "--sentences", "9", "--out", heads]
    assert command("heads", "calibrate", *loaded, "--pair", f"{source}-en", *data) == 0
    gold = ["--src", src, "--tgt", tgt, "--gold", links, "--json", scores]
    assert command("heads", "score", heads, *gold, *loaded) == 0
    assert "truncation_auc" in json.loads(scores.read_text("utf-8"))
    drawn = ["--text", TEXTS[source], "--out", picture]
    assert command("heads", "plot", "draft", heads, *drawn, *loaded) == 0
    assert capsys.readouterr().err.count("error") == 0
    svg = picture.read_text("utf-8")
    assert [word for word in spoken(source) if f">{word}<" not in svg] == []


@pytest.mark.parametrize("source", TEXTS)
def test_a_corpus_is_translated_offline_and_live_and_scored(source, tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "Interpreter", lambda *_, **__: ScriptedInterpreter())
    data = tmp_path / "data"
    data.mkdir()
    (data / "segments.yaml").write_text(SEGMENTS)
    (data / f"{source}.txt").write_text(f"{TEXTS[source]}\n" * 2, "utf-8")
    (data / "en.txt").write_text("The first train leaves.\n" * 2)
    run = ["--data", data, "--pair", f"{source}-en", "--perfect"]
    policies = ["--policy", "alignatt", "offline", "--out", tmp_path / "runs"]
    assert command("evaluate", "run", *run, *policies) == 0
    said = {}
    for folder in (tmp_path / "runs").iterdir():
        figures = tmp_path / "figures.json"
        assert command("evaluate", "score", folder, "--json", figures) == 0
        found = json.loads(figures.read_text("utf-8"))
        assert found["cer"]["value"] == 0
        assert found["wer"]["value"] is None
        line = json.loads((folder / "hypothesis.jsonl").read_text("utf-8"))
        said[folder.name.split(".")[1]] = line["prediction"].split()
        assert line["transcript"] == 2 * TEXTS[source]
    assert said["offline"] == [part for w in 2 * spoken(source) for part in w.upper().split()]
    assert said["alignatt"] == said["offline"]


@pytest.mark.parametrize("source", TEXTS)
def test_a_source_is_cut_in_calibration_as_in_a_session(source, tmp_path):
    files = sentence_files(tmp_path, source)
    for sentence in read_sentences(*files, pair(source)):
        words = split_words(sentence.source, LANGUAGES[source])
        assert whole(sentence, pair(source)).words == tuple(words)
        cut = truncated(sentence, pair(source), 4)
        assert cut is not None
        assert cut.words[:3] == tuple(words[:3])
        assert cut.frontier == 3


def test_gold_links_count_tokens_and_become_links_of_words(tmp_path):
    for name, text in (
        ("src", "I came – at last – home\n"),
        ("tgt", "ich kam – endlich – heim\n"),
        ("gold", "0-0 1-1 2-2 3-3 4-3 5-4 6-5\n"),
    ):
        (tmp_path / name).write_text(text, "utf-8")
    files = (tmp_path / "src", tmp_path / "tgt", tmp_path / "gold")
    (sentence,) = read_sentences(*files, Pair.parse("en-de"))
    # words: I | came – | at | last – | home
    assert sentence.links == {(0, 0), (1, 1), (1, 2), (2, 3), (3, 3), (3, 4), (4, 5)}


def test_gold_links_of_characters_become_links_of_words(tmp_path):
    for name, text in (
        ("src", "我用GPS。\n"),
        ("tgt", "I use GPS .\n"),
        ("gold", "0-0 1-1 2-2 3-2 4-2 5-3\n"),
    ):
        (tmp_path / name).write_text(text, "utf-8")
    (sentence,) = read_sentences(tmp_path / "src", tmp_path / "tgt", tmp_path / "gold", pair("zh"))
    assert sentence.links == {(0, 0), (1, 1), (2, 2), (2, 3)}


def test_published_alignments_of_a_source_without_spaces(tmp_path):
    entry = {
        "source_text": "我们喝茶。",
        "target_text": "We drink tea.",
        "source_words": ["我们", "喝", "茶", "。"],
        "target_words": ["We", "drink", "tea", "."],
        "alignments": [
            {"source_span": [0, 1], "target_span": [0, 1]},
            {"source_span": [3, 4], "target_span": [3, 4]},
        ],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps([entry]))
    (sentence,) = read_published(path, pair("zh"))
    assert sentence.links == {(0, 0), (1, 0), (3, 2)}


def test_the_aligner_keeps_marks_and_latin_words_together():
    text = "ดี GPS。"
    assert [text[a:b] for a, b in _pieces(text, LANGUAGES["th"])] == ["ดี", "GPS", "。"]


def test_the_error_of_a_transcript_is_counted_in_characters(tmp_path):
    talk = recording("talk", (0.0, 6.0, "我们，喝 Tea。", "We drink tea."))
    said = hypothesis("talk", "We drink", [1000.0, 2000.0], transcript="我们吃tea")
    found = score_run(made_run(tmp_path / "run", [talk], [said], pair="zh-en"))
    assert found["cer"]["value"] == pytest.approx(1 / 6)
    assert found["cer"]["signature"].startswith("cer|jiwer:")
    assert found["wer"]["signature"] == "source without spaces"


def test_timed_text_is_cut_by_its_language_not_by_a_letter_in_it(tmp_path):
    path = tmp_path / "talk.json"
    path.write_text(json.dumps([{"text": "We say 我们 – here", "offset": 0, "duration": 4}]))
    words = [word.text for word in read_timed_text(path, LANGUAGES["en"])]
    assert words == ["We", "say", "我们 –", "here"]


def test_a_term_of_several_characters_is_heard():
    context = Context(glossary=(Term("机器学习", "machine learning"), Term("车", "car")), budget=30)
    shown = Shown(context, LANGUAGES["zh"].separator)
    assert shown.block(["今", "天"]) == "机器学习 = machine learning"
    assert shown.block(["今", "天", "车"]) == "车 = car"
    shown.close(["今", "天", "车"])
    assert shown.block(["机", "器", "学", "习"]).startswith("机器学习 =")


def test_a_terminal_shows_a_source_without_spaces_as_it_is_written():
    console = Console(file=io.StringIO(), width=80)
    display = LiveDisplay(console, [pair("zh")])
    words = [SourceWord(text, n, n + 1) for n, text in enumerate("第一班火车")]
    display.write(Source(0, tuple(words[:3]), tuple(words[3:]), 5.0))
    console.print(display.picture())
    display.close()
    assert "第一班火车" in console.file.getvalue()


def test_a_document_without_spaces_has_passages():
    text = "".join(spoken("zh")[:-1]) * 12
    passages = Passages([text]).texts
    assert "".join(passages) == text
    assert max(len(any_word_spans(one)) for one in passages) == PASSAGE
    assert len(passages) > 3


@given(st.text("ab9 –。，（我車ไดี้กำ\u0301 '"), st.sampled_from(["en", "zh", "ja", "th"]))
def test_spans_are_those_of_the_words(text, code):
    language = LANGUAGES[code]
    found = [" ".join(text[start:end].split()) for start, end in word_spans(text, language)]
    assert found == [word.strip() for word in split_words(text, language)]
