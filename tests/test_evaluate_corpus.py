"""Folders of recordings: the three shapes, and one sentence for everything that can be wrong."""

import json
import wave

import numpy as np
import pytest

from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.corpus import read_corpus, seconds
from alignatt4llm.text.languages import Pair

EN_DE = Pair.parse("en-de")


def write_wav(path, duration):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.zeros(round(16_000 * duration), "<i2").tobytes())


def segmented(folder, entries, english, german):
    lines = [f"- {{wav: {wav}, offset: {at}, duration: {length}}}" for wav, at, length in entries]
    (folder / "segments.yaml").write_text("\n".join(lines) + "\n")
    (folder / "en.txt").write_text("".join(f"{line}\n" for line in english))
    (folder / "de.txt").write_text("".join(f"{line}\n" for line in german))


def clips(folder, *entries):
    (folder / "references.json").write_text(json.dumps(list(entries)))


def long(folder, *entries, name="talk"):
    write_wav(folder / f"{name}.wav", 3.0)
    (folder / f"{name}.json").write_text(json.dumps(list(entries)))


def test_segments_of_timed_text(tmp_path):
    entries = [("a.wav", 1.0, 2.0), ("a.wav", 4.0, 1.0), ("b.wav", 0.0, 2.0)]
    segmented(tmp_path, entries, ["one two", "three", "four"], ["eins zwei", "drei", "vier"])
    a, b = read_corpus(tmp_path, EN_DE)
    assert (a.name, a.audio, a.duration) == ("a", None, 5.0)
    assert [segment.reference for segment in a.segments] == ["eins zwei", "drei"]
    # 2 s over six characters: "one" takes 1 s
    assert [(word.text, word.start, word.end) for word in a.words(EN_DE.source)] == [
        ("one", 1.0, 2.0),
        ("two", 2.0, 3.0),
        ("three", 4.0, 5.0),
    ]
    assert (b.name, len(b.segments)) == ("b", 1)


def test_segments_with_audio_last_as_long_as_it(tmp_path):
    segmented(tmp_path, [("a.wav", 0.0, 2.0)], ["one"], ["eins"])
    write_wav(tmp_path / "a.wav", 2.5)
    [a] = read_corpus(tmp_path, EN_DE)
    assert (a.audio, a.duration) == (tmp_path / "a.wav", 2.5)


def test_where_segments_overlap_words_stay_in_order(tmp_path):
    entries = [("a.wav", 0.0, 2.0), ("a.wav", 1.0, 2.0)]
    segmented(tmp_path, entries, ["one", "two"], ["eins", "zwei"])
    [a] = read_corpus(tmp_path, EN_DE)
    assert [(word.start, word.end) for word in a.words(EN_DE.source)] == [(0.0, 2.0), (2.0, 3.0)]


def test_an_empty_line_is_a_segment_without_words(tmp_path):
    entries = [("a.wav", 0.0, 2.0), ("a.wav", 2.0, 2.0)]
    segmented(tmp_path, entries, ["", "two"], ["", "zwei"])
    [a] = read_corpus(tmp_path, EN_DE)
    assert [word.text for word in a.words(EN_DE.source)] == ["two"]


def test_clips(tmp_path):
    write_wav(tmp_path / "a.wav", 1.5)
    clips(tmp_path, {"audio": "a.wav", "en": "one  two", "de": "eins zwei", "zh": "一二"})
    [a] = read_corpus(tmp_path, EN_DE)
    [whole] = a.segments
    assert (a.name, a.duration) == ("a", 1.5)
    assert (whole.offset, whole.end, whole.source) == (0.0, 1.5, "one two")
    assert read_corpus(tmp_path, Pair.parse("en-zh"))[0].segments[0].reference == "一二"


def test_long_recordings_have_no_references(tmp_path):
    entries = [
        {"offset": 0, "duration": 1, "text": "one"},
        {"offset": 1, "duration": 1, "text": "two"},
    ]
    long(tmp_path, *entries)
    long(tmp_path, *entries, name="again")
    write_wav(tmp_path / "untold.wav", 1.0)
    again, talk = read_corpus(tmp_path, EN_DE)
    assert (again.name, talk.name, talk.duration) == ("again", "talk", 3.0)
    assert [segment.reference for segment in talk.segments] == [None, None]


def test_seconds_are_those_of_the_audio(tmp_path):
    write_wav(tmp_path / "a.wav", 0.25)
    assert seconds(tmp_path / "a.wav") == 0.25


def complaint(folder, pair=EN_DE):
    with pytest.raises(UsageError) as caught:
        read_corpus(folder, pair)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


def test_a_folder_without_recordings(tmp_path):
    assert "is no corpus" in complaint(tmp_path)
    assert "is no corpus" in complaint(tmp_path / "missing")


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (("a.wav", -1, 2), "line 2: 'offset' must be a number of seconds"),
        (("a.wav", "soon", 2), "line 2: 'offset'"),
        (("a.wav", 3, 0), "line 2: 'duration' must be above 0"),
        (("''", 3, 1), "line 2: 'wav' must be a text"),
        (("a.wav", 0, 1), "line 2: the segment from 0 to 1 s comes after the one from 1 to 2 s"),
    ],
)
def test_a_wrong_segment_is_named_by_its_line(tmp_path, entry, named):
    segmented(tmp_path, [("a.wav", 1, 1), entry], ["one", "two"], ["eins", "zwei"])
    assert named in complaint(tmp_path)


def test_a_recording_that_comes_back(tmp_path):
    entries = [("a.wav", 0, 1), ("b.wav", 0, 1), ("a.wav", 2, 1)]
    segmented(tmp_path, entries, list("xyz"), list("xyz"))
    assert "'a' comes up twice" in complaint(tmp_path)


def test_texts_that_do_not_fit_the_segments(tmp_path):
    segmented(tmp_path, [("a.wav", 0, 1)], ["one", "two"], ["eins"])
    assert "'en.txt' has 2 lines" in complaint(tmp_path).replace(f"{tmp_path}/", "")
    (tmp_path / "en.txt").unlink()
    assert "en.txt' cannot be read: No such file" in complaint(tmp_path)
    (tmp_path / "en.txt").write_bytes(b"\xff\n")
    assert "is not UTF-8" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[", "line 2:"),
        ("{}", "must hold a list"),
        ("", "must hold a list"),
        ("- 1", "line 1: 'wav'"),
    ],
)
def test_segments_that_are_no_list(tmp_path, text, named):
    segmented(tmp_path, [("a.wav", 0, 1)], ["one"], ["eins"])
    (tmp_path / "segments.yaml").write_text(text + "\n")
    assert named in complaint(tmp_path)


def test_clips_that_lack_something(tmp_path):
    clips(tmp_path, {"audio": "a.wav", "en": "one", "de": "eins"})
    assert "there is no file" in complaint(tmp_path)
    write_wav(tmp_path / "a.wav", 1.0)
    assert "entry 1: 'zh' must be a text" in complaint(tmp_path, Pair.parse("en-zh"))
    clips(tmp_path, *[{"audio": "a.wav", "en": "one", "de": "eins"}] * 2)
    assert "'a' comes up twice" in complaint(tmp_path)
    (tmp_path / "references.json").write_text("{")
    assert "is not JSON" in complaint(tmp_path)
    clips(tmp_path)
    assert "must hold a JSON list" in complaint(tmp_path)


def test_transcripts_of_long_recordings_are_checked(tmp_path):
    long(tmp_path, {"offset": 0, "duration": 1})
    assert "entry 1: 'text' must be a text" in complaint(tmp_path)
    long(tmp_path, *({"offset": at, "duration": 1, "text": "one"} for at in (1, 0)))
    assert "entry 2: the segment from 0 to 1 s" in complaint(tmp_path)
