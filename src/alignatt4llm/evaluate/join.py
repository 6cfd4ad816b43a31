"""Clips of one language joined to long recordings, with pauses, segments and texts."""

import json
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from alignatt4llm.audio.decode import read
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.corpus import CLIPS, SEGMENTS, json_list, read_text_of
from alignatt4llm.files.writing import write_whole
from alignatt4llm.text.languages import LANGUAGES

HOW = "joined.json"
"""Says in a folder of joined clips how they were joined."""


@dataclass(frozen=True, slots=True)
class Joining:
    """How clips are joined.

    Attributes
    ----------
    minutes
        A recording ends with the clip that makes it so long; only the last may be shorter.
    shortest, longest
        Pauses between clips are drawn evenly between these, in seconds; they are digital silence.
    seed
        Of the order of the clips and of the pauses.
    """

    minutes: float = 3.0
    shortest: float = 0.5
    longest: float = 1.5
    seed: int = 13

    def __post_init__(self) -> None:
        if self.minutes <= 0:
            raise UsageError(f"--minutes is {self.minutes:g}; it must be above 0.")
        if not 0 <= self.shortest <= self.longest:
            raise UsageError(
                f"--pause is {self.shortest:g} {self.longest:g}; write the shortest pause, 0 "
                "seconds or more, then the longest."
            )
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; it must be 0 or more.")


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip: its sound, and what is said in each language."""

    name: str
    samples: Samples
    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Joined:
    """A recording made of clips, and the sample at which each begins."""

    clips: Sequence[Clip]
    starts: Sequence[int]

    @property
    def samples(self) -> Samples:
        """Its sound."""
        last = self.clips[-1].samples
        sound = np.zeros(self.starts[-1] + len(last), np.float32)
        for start, clip in zip(self.starts, self.clips, strict=True):
            sound[start : start + len(clip.samples)] = clip.samples
        return sound


def join(folder: Path, out: Path, how: Joining = Joining()) -> list[Joined]:
    """Join the clips of a folder and write them as a corpus with ``segments.yaml``.

    Every clip is in it once. Each language in which all clips have a text gets a file.

    Parameters
    ----------
    folder
        With ``references.json``; see `read_corpus`.
    out
        Where recordings, segments, texts and ``joined.json`` are written.
    how
        How they are joined.

    Raises
    ------
    UsageError
        If the folder is no corpus of clips, a clip has no sound, or ``out`` holds something else.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / HOW).is_file():
        raise UsageError(f"'{out}' holds something else; give a new folder with --out.")
    clips = _clips(folder)
    joined = list(_joined(clips, how))
    names = [f"{folder.resolve().name}-{n:02}.wav" for n in range(1, len(joined) + 1)]
    out.mkdir(parents=True, exist_ok=True)
    for name, one in zip(names, joined, strict=True):
        write_whole(out / name, _wav(one.samples))
    write_whole(out / SEGMENTS, yaml.safe_dump(list(_segments(names, joined)), sort_keys=False))
    ordered = [clip for one in joined for clip in one.clips]
    for code in [code for code in LANGUAGES if all(code in clip.texts for clip in ordered)]:
        write_whole(out / f"{code}.txt", "".join(f"{clip.texts[code]}\n" for clip in ordered))
    made = {"clips": [clip.name for clip in ordered], "of": folder.resolve().name, **asdict(how)}
    write_whole(out / HOW, json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    return joined


def _clips(folder: Path) -> list[Clip]:
    path, found = folder / CLIPS, []
    for index, entry in enumerate(json_list(path), start=1):
        where = f"'{path}', entry {index}"
        name = read_text_of(where, entry, "audio")
        if not (folder / name).is_file():
            raise UsageError(f"{where}: there is no file '{folder / name}'.")
        samples = np.concatenate([np.zeros(0, np.float32), *read(str(folder / name))])
        if not len(samples):
            raise UsageError(f"{where}: '{folder / name}' has no sound.")
        texts = {code: read_text_of(where, entry, code) for code in LANGUAGES if code in entry}
        found.append(Clip(name, samples, texts))
    return found


def _joined(clips: Sequence[Clip], how: Joining) -> Iterator[Joined]:
    """Put clips in their order into recordings, each of which begins with a clip."""
    draws = np.random.default_rng(how.seed)
    taken: list[Clip] = []
    starts: list[int] = []
    end = 0
    for index in draws.permutation(len(clips)):
        pause = round(draws.uniform(how.shortest, how.longest) * SAMPLE_RATE)
        starts.append(end + pause if taken else 0)
        taken.append(clips[index])
        end = starts[-1] + len(taken[-1].samples)
        if end >= how.minutes * 60 * SAMPLE_RATE:
            yield Joined(taken, starts)
            taken, starts = [], []
    if taken:
        yield Joined(taken, starts)


def _segments(names: Iterable[str], joined: Iterable[Joined]) -> Iterator[dict[str, Any]]:
    for name, one in zip(names, joined, strict=True):
        for start, clip in zip(one.starts, one.clips, strict=True):
            offset, duration = start / SAMPLE_RATE, len(clip.samples) / SAMPLE_RATE
            yield {"wav": name, "offset": offset, "duration": duration}


def _wav(samples: Samples) -> bytes:
    """Return a file of 16-bit samples."""
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return file.getvalue()
