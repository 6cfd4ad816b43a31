"""Clips joined to recordings: order, pauses, segments and texts."""

import json
import wave

import numpy as np
import pytest
import yaml

from alignatt4llm.audio.decode import read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.cli.main import main
from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.corpus import read_corpus
from alignatt4llm.evaluate.join import Joining, join
from alignatt4llm.text.languages import Pair

DE_EN = Pair.parse("de-en")


def write_wav(path, seconds):
    """Write a tone as loud as it is long."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.full(SAMPLE_RATE * seconds, 1000 * seconds, "<i2").tobytes())


@pytest.fixture
def clips(tmp_path):
    """Five clips of 1 to 5 s; one has no French."""
    folder = tmp_path / "clips"
    folder.mkdir()
    entries = []
    for n in range(1, 6):
        write_wav(folder / f"{n}.wav", n)
        entries.append({"audio": f"{n}.wav", "de": f"Satz {n}.", "en": f"Sentence\n{n}."})
        if n > 1:
            entries[-1]["fr"] = f"Phrase {n}."
    (folder / "references.json").write_text(json.dumps(entries))
    return folder


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_joined_by_hand(clips, tmp_path):
    """Pauses of exactly 1 s, recordings end once they are 6 s long; the seed gives the order."""
    out = tmp_path / "out"
    join(clips, out, Joining(minutes=0.1, shortest=1.0, longest=1.0))
    order = [int(name[0]) for name in json.loads((out / "joined.json").read_text())["clips"]]
    assert sorted(order) == [1, 2, 3, 4, 5]
    expected, at, number = [], 0, 1
    for n in order:
        expected.append({"wav": f"clips-{number:02}.wav", "offset": at, "duration": n})
        at += n
        if at >= 6:
            at, number = 0, number + 1
        else:
            at += 1
    assert yaml.safe_load((out / "segments.yaml").read_text()) == expected
    assert (out / "de.txt").read_text() == "".join(f"Satz {n}.\n" for n in order)
    assert (out / "en.txt").read_text() == "".join(f"Sentence {n}.\n" for n in order)
    assert not (out / "fr.txt").exists(), "one clip has no French"


def test_the_sound_is_that_of_the_clips_with_silence_between(clips, tmp_path):
    [one] = join(clips, tmp_path / "out", Joining(minutes=9))
    sound = np.concatenate(list(read(str(tmp_path / "out" / "clips-01.wav"))))
    assert len(sound) == one.starts[-1] + len(one.clips[-1].samples)
    outside = np.ones(len(sound), bool)
    for start, clip in zip(one.starts, one.clips, strict=True):
        part = slice(start, start + len(clip.samples))
        assert sound[part] == pytest.approx(clip.samples, abs=1e-4)
        assert sound[start] == pytest.approx(int(clip.name[0]) * 1000 / 32768, abs=1e-4)
        outside[part] = False
    assert not sound[outside].any()
    pauses = [
        start - before - len(clip.samples)
        for before, clip, start in zip(one.starts, one.clips, one.starts[1:], strict=False)
    ]
    assert len(set(pauses)) == 4 and all(8000 <= pause <= 24000 for pause in pauses)


def test_it_is_a_corpus(clips, tmp_path):
    join(clips, tmp_path / "out", Joining(minutes=0.1))
    recordings = read_corpus(tmp_path / "out", DE_EN)
    assert all(recording.audio for recording in recordings)
    segments = [segment for recording in recordings for segment in recording.segments]
    assert sorted(segment.source for segment in segments) == [f"Satz {n}." for n in range(1, 6)]
    for segment in segments:
        assert segment.reference == segment.source.replace("Satz", "Sentence")


def test_the_seed_decides_and_nothing_else(clips, tmp_path):
    for name, seed in {"one": 13, "again": 13, "other": 14}.items():
        join(clips, tmp_path / name, Joining(seed=seed))
    join(clips, tmp_path / "one", Joining())  # once more into the same folder
    assert files(tmp_path / "one") == files(tmp_path / "again")
    assert files(tmp_path / "one")["segments.yaml"] != files(tmp_path / "other")["segments.yaml"]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"minutes": 0}, "--minutes is 0; it must be above 0"),
        ({"shortest": 2.0}, "--pause is 2 1.5; write the shortest pause"),
        ({"shortest": -1.0}, "--pause is -1 1.5"),
        ({"seed": -1}, "--seed is -1; it must be 0 or more"),
    ],
)
def test_impossible_ways_of_joining(how, told):
    with pytest.raises(UsageError, match=told):
        Joining(**how)


def test_what_cannot_be_joined(clips, tmp_path, capsys):
    def told(data, out):
        assert main(["evaluate", "join", "--data", str(data), "--out", str(out)]) == 2
        return capsys.readouterr().err

    assert "--out would overwrite" in told(clips, clips)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("Dear all")
    assert "holds something else" in told(clips, tmp_path / "other")
    assert "references.json" in told(tmp_path / "other", tmp_path / "new")
    (clips / "3.wav").unlink()
    assert "entry 3: there is no file" in told(clips, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_command(clips, tmp_path, capsys):
    arguments = ["evaluate", "join", "--data", str(clips), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--minutes", "0.1", "--pause", "0", "0", "--seed", "3"]) == 0
    assert "clips: 5; recordings: " in capsys.readouterr().err
    made = json.loads((tmp_path / "out" / "joined.json").read_text())
    assert (made["of"], made["seed"], made["longest"]) == ("clips", 3, 0)
