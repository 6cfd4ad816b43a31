"""Folders of recordings: the three shapes, and one sentence for everything that can be wrong."""

import json
import unicodedata
import wave

import av
import numpy as np
import pytest

from alignatt4llm.cli.main import main
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


BLANK_LAST = {
    "ended": ("one\n\n", "eins\nzwei\n"),
    "not ended": ("one\n", "eins\nzwei"),
    "of windows": ("one\r\n\r\n", "eins\r\nzwei\r\n"),
    "with spaces": ("one\n  \t\n", "eins\nzwei\n\n\n"),
}
"""Texts of two segments of which the last is blank in English; the file may end in other ways."""


@pytest.mark.parametrize("way", BLANK_LAST)
def test_blank_last_lines_count(tmp_path, way):
    segmented(tmp_path, [("a.wav", 0.0, 2.0), ("a.wav", 2.0, 2.0)], [], [])
    for name, text in zip(("en.txt", "de.txt"), BLANK_LAST[way], strict=True):
        (tmp_path / name).write_bytes(text.encode())
    [a] = read_corpus(tmp_path, EN_DE)
    assert [(one.source, one.reference) for one in a.segments] == [("one", "eins"), ("", "zwei")]


def test_all_lines_may_be_blank(tmp_path):
    entries = [("a.wav", n, 1) for n in range(3)]
    segmented(tmp_path, entries, [""] * 3, ["eins", "", ""])
    [a] = read_corpus(tmp_path, EN_DE)
    assert [one.reference for one in a.segments] == ["eins", "", ""]


def test_a_corpus_that_ends_in_silence_is_run_and_scored(tmp_path, capsys):
    segmented(
        tmp_path,
        [("a.wav", 0, 4), ("a.wav", 5, 4), ("a.wav", 10, 2)],
        ["We found it.", "It needs more.", "Thank you."],
        ["Wir fanden es.", "Es braucht mehr.", ""],
    )
    data, out = str(tmp_path), str(tmp_path / "run")
    options = ["--data", data, "--pair", "en-de-AT", "--model", "scripted", "--out", out]
    assert main(["evaluate", "run", *options]) == 0
    assert main(["evaluate", "score", out]) == 0
    assert "n:3" in capsys.readouterr().out


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


TRANSCRIPT = json.dumps([{"offset": 0, "duration": 1, "text": "one"}])


def encode(path, form=None):
    """Write half a second of sound in the format of a file's name."""
    with av.open(str(path), "w", format=form) as file:
        stream = file.add_stream("pcm_s16le" if form == "wav" else "aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), "<i2"), "s16", "mono")
        frame.rate = 16_000
        for each in (frame, None):
            file.mux(stream.encode(each))


NAMES = ["Two.WAV", "three.mp4", "four.mkv", "five.ts", "six.M4A", "talk.1.wav", "seven", "八.wav"]
"""Names of recordings; each is one that can be decoded."""


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_what_can_be_decoded(tmp_path, name):
    encode(tmp_path / name, "wav" if "." not in name or name.lower().endswith("wav") else None)
    (tmp_path / name).with_suffix(".json").write_text(TRANSCRIPT)
    told = []
    [recording] = read_corpus(tmp_path, EN_DE, told.append)
    assert (recording.audio, told) == (tmp_path / name, [])
    assert recording.duration == pytest.approx(0.5, abs=0.1)


def test_what_is_left_out_of_a_folder_is_said_in_one_line(tmp_path):
    long(tmp_path, {"offset": 0, "duration": 1, "text": "one"})
    encode(tmp_path / "talk.mp4")
    write_wav(tmp_path / "untold.WAV", 1.0)
    (tmp_path / "unheard.json").write_text(TRANSCRIPT)
    (tmp_path / "README.txt").write_text("About.")
    (tmp_path / "broken.ogg").write_text("OggS")
    (tmp_path / "broken.json").write_text(TRANSCRIPT)
    (tmp_path / ".hidden").write_text("")
    told = []
    [recording] = read_corpus(tmp_path, EN_DE, told.append)
    assert recording.audio == tmp_path / "talk.mp4"
    assert [line.partition("left out ")[2] for line in told] == [
        "README.txt (no sound), broken.json (no recording of that name), broken.ogg (no sound), "
        "talk.wav (talk.mp4 is taken), unheard.json (no recording of that name), "
        "untold.WAV (no transcript)."
    ]


def test_folders_and_links_to_nothing_are_said(tmp_path):
    long(tmp_path, {"offset": 0, "duration": 1, "text": "one"})
    (tmp_path / "more").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "gone.wav").symlink_to("nowhere.wav")
    told = []
    read_corpus(tmp_path, EN_DE, told.append)
    assert told == [f"'{tmp_path}': left out gone.wav (a link to nothing), more (a folder)."]


def test_a_folder_of_which_recordings_are_taken_is_not_said(tmp_path):
    (tmp_path / "clips").mkdir()
    write_wav(tmp_path / "clips" / "a.wav", 1.0)
    clips(tmp_path, {"audio": "clips/a.wav", "en": "one", "de": "eins"})
    told = []
    assert len(read_corpus(tmp_path, EN_DE, told.append)) == 1 and told == []


@pytest.mark.parametrize("name", ["Café", "가나", "Ångström ü.2"])
def test_a_transcript_is_found_however_the_accents_are_encoded(tmp_path, name):
    write_wav(tmp_path / (unicodedata.normalize("NFD", name) + ".wav"), 1.0)
    path = tmp_path / (unicodedata.normalize("NFC", name) + ".json")
    path.write_text(TRANSCRIPT)
    told = []
    assert len(read_corpus(tmp_path, EN_DE, told.append)) == 1 and told == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("- {wav: a.wav, offset: 0, duration: 1}\n- \a", "line 2: special characters"),
        ("- {wav: 2026-13-45, offset: 0, duration: 1}", "month must be in 1..12"),
        ("[" * 5000, "cannot be read"),
    ],
)
def test_a_list_that_is_no_yaml_is_told_in_a_sentence(tmp_path, entry, said):
    segmented(tmp_path, [("a.wav", 0, 1)], ["one"], ["eins"])
    (tmp_path / "segments.yaml").write_text(entry)
    with pytest.raises(UsageError, match=said):
        read_corpus(tmp_path, EN_DE)


@pytest.mark.parametrize("shape", ["segments.yaml", "references.json"])
def test_recordings_that_no_list_names_are_said(tmp_path, shape):
    write_wav(tmp_path / "a.wav", 1.0)
    write_wav(tmp_path / "b.WAV", 1.0)
    encode(tmp_path / "c.mp4")
    if shape == "segments.yaml":
        segmented(tmp_path, [("a.wav", 0, 1)], ["one"], ["eins"])
    else:
        clips(tmp_path, {"audio": "a.wav", "en": "one", "de": "eins"})
    told = []
    assert len(read_corpus(tmp_path, EN_DE, told.append)) == 1
    assert told == [f"'{tmp_path}': left out b.WAV (not in {shape}), c.mp4 (not in {shape})."]


def test_a_sound_that_is_missing_among_others_is_said(tmp_path):
    write_wav(tmp_path / "a.wav", 1.0)
    segmented(tmp_path, [("a.wav", 0, 1), ("b.wav", 0, 1)], ["one", "two"], ["eins", "zwei"])
    told = []
    read_corpus(tmp_path, EN_DE, told.append)
    assert told == [f"'{tmp_path}': left out the sound of b (no such file)."]


def test_many_files_left_out_are_counted(tmp_path):
    long(tmp_path, {"offset": 0, "duration": 1, "text": "one"})
    for number in range(14):
        (tmp_path / f"{number:02}.txt").write_text("")
    told = []
    read_corpus(tmp_path, EN_DE, told.append)
    assert told[0].endswith("09.txt (no sound) and 4 more.") and "10.txt" not in told[0]


def test_the_command_says_once_what_is_left_out(tmp_path, capsys):
    segmented(tmp_path, [("a.wav", 0, 2)], ["one two"], ["eins"])
    (tmp_path / "it.txt").write_text("uno\n")
    write_wav(tmp_path / "More.WAV", 1.0)
    options = ["--model", "scripted", "--out", str(tmp_path / "runs")]
    pairs = ["--data", str(tmp_path), "--pair", "en-de", "en-it"]
    assert main(["evaluate", "run", *pairs, *options]) == 0
    assert capsys.readouterr().err.count("left out More.WAV (not in segments.yaml)") == 1


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
