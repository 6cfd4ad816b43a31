"""Recordings to be measured on: timed text, clips with references, long recordings."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import yaml

from alignatt4llm.audio.decode import read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import AlignattError, Tell, UsageError, silent
from alignatt4llm.events import SourceWord
from alignatt4llm.files.reading import read_json, read_text
from alignatt4llm.recognizers.timed import spread
from alignatt4llm.text.languages import LANGUAGES, Language, Pair

SEGMENTS, CLIPS = "segments.yaml", "references.json"
"""Files whose presence says what shape a corpus has."""
_NAMED = 10
"""Files left out that are named; of more, only the number is told."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech with its text; times in seconds since the recording began.

    ``reference`` is None where the corpus has no translation.
    """

    offset: float
    duration: float
    source: str
    reference: str | None

    @property
    def end(self) -> float:
        """Where it ends, in seconds."""
        return self.offset + self.duration


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream to translate.

    Attributes
    ----------
    name
        Unique in its corpus.
    duration
        Seconds; without audio, the end of the last segment.
    audio
        The file, or None if only the timed text is there.
    segments
        What is said, in order of time.
    """

    name: str
    duration: float
    audio: Path | None
    segments: tuple[Segment, ...]

    def words(self, language: Language) -> list[SourceWord]:
        """Return the source words, spread over each segment in proportion to their characters.

        Where segments overlap, the later one begins when the earlier ends.
        """
        words: list[SourceWord] = []
        for segment in self.segments:
            start = max(segment.offset, words[-1].end if words else 0.0)
            words += spread(segment.source, start, segment.end - start, language)
        return words


def read_corpus(folder: Path, pair: Pair, tell: Tell = silent) -> list[Recording]:
    """Read a folder of recordings.

    It is one of three shapes: ``segments.yaml`` with one text file a language, line by line
    (``en.txt``, ``de.txt``); ``references.json``, a list of ``{"audio", "en", "de", ...}``; or
    ``NAME.json`` beside ``NAME.ogg``, a list of ``{"offset", "duration", "text"}`` without
    translations. Recordings may be anything that can be decoded, whatever they are called.

    Parameters
    ----------
    folder, pair
        Where it is, and which of its languages are wanted.
    tell
        Is told in one line what is left out, and why.

    Raises
    ------
    UsageError
        If the folder has none of these shapes or a file is wrong; names the file and the line.
    """
    if (folder / SEGMENTS).is_file():
        recordings = _segmented(folder, pair)
    elif (folder / CLIPS).is_file():
        recordings = _clips(folder, pair)
    else:
        recordings = [_long(*found) for found in _with_transcripts(folder)]
    if not recordings:
        raise UsageError(
            f"'{folder}' is no corpus: it must hold {SEGMENTS} with texts like "
            f"{pair.source.code}.txt, or {CLIPS}, or recordings like talk.ogg, each with "
            "its talk.json."
        )
    if left := list(_left_out(folder, recordings)):
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        tell(f"'{folder}': left out {', '.join(left[:_NAMED])}{more}.")
    return recordings


def corpus_files(folder: Path, recordings: Iterable[Recording]) -> Iterator[Path]:
    """Yield what a corpus is read from: recordings, transcripts, lists of segments, texts."""
    for recording in recordings:
        if recording.audio:
            yield from (recording.audio, recording.audio.with_suffix(".json"))
    texts = (f"{code}.txt" for code in LANGUAGES)
    yield from (folder / name for name in (SEGMENTS, CLIPS, *texts))


def _left_out(folder: Path, recordings: Sequence[Recording]) -> Iterator[str]:
    """Name what lies in the folder and is not used, each with the reason."""
    taken = {recording.audio for recording in recordings if recording.audio}
    names = {_stem(path): path.name for path in taken}
    listed = next((name for name in (SEGMENTS, CLIPS) if (folder / name).is_file()), None)
    for path in _files(folder):
        transcript = path.suffix.lower() == ".json"
        if path in taken or (transcript and _stem(path) in names):
            continue
        if listed:
            if not transcript and _decodable(path):
                yield f"{path.name} (not in {listed})"
        elif _stem(path) in names:
            yield f"{path.name} ({names[_stem(path)]} is taken)"
        elif transcript:
            yield f"{path.name} (no recording of that name)"
        else:
            yield f"{path.name} ({'no transcript' if _decodable(path) else 'no sound'})"
    for path in _entries(folder):
        if path.is_dir() and not any(path in audio.parents for audio in taken):
            yield f"{path.name} (a folder)"
        elif not path.exists():
            yield f"{path.name} (a link to nothing)"
    if taken:
        silent_ones = [recording.name for recording in recordings if not recording.audio]
        yield from (f"the sound of {name} (no such file)" for name in silent_ones)


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder in order of name, without hidden ones."""
    return [path for path in _entries(folder) if path.is_file()]


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder in order of name, without what is hidden."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _stem(path: Path) -> str:
    """Return a name without its suffix, however the accents in it are encoded."""
    return unicodedata.normalize("NFC", path.stem)


def _decodable(path: Path) -> bool:
    """Whether a file has sound."""
    try:
        return next(read(str(path)), None) is not None
    except AlignattError:
        return False


def seconds(audio: Path) -> float:
    """Return how much audio a file holds, by decoding it."""
    return sum(len(block) for block in read(str(audio))) / SAMPLE_RATE


def _segmented(folder: Path, pair: Pair) -> list[Recording]:
    path = folder / SEGMENTS
    entries = _yaml_list(path)
    texts = [_lines(folder, language, len(entries)) for language in (pair.source, pair.target)]
    segments: list[tuple[str, Segment]] = []
    for (line, entry), source, reference in zip(entries, *texts, strict=True):
        where = f"'{path}', line {line}"
        wav = read_text_of(where, entry, "wav")
        offset, duration = _number(where, entry, "offset"), _number(where, entry, "duration")
        segments.append((wav, Segment(offset, duration, source, reference)))
    for (line, _), (before, after) in zip(entries[1:], pairwise(segments), strict=False):
        if before[0] == after[0]:
            _in_order(f"'{path}', line {line}", before[1], after[1])
    recordings = [
        _recording(folder, wav, tuple(segment for _, segment in group))
        for wav, group in groupby(segments, key=lambda entry: entry[0])
    ]
    _unique(path, recordings)
    return recordings


def _recording(folder: Path, wav: str, segments: tuple[Segment, ...]) -> Recording:
    audio = folder / wav
    if audio.is_file():
        return Recording(audio.stem, seconds(audio), audio, segments)
    return Recording(audio.stem, segments[-1].end, None, segments)


def _clips(folder: Path, pair: Pair) -> list[Recording]:
    path = folder / CLIPS
    recordings = []
    for index, entry in enumerate(json_list(path), start=1):
        where = f"'{path}', entry {index}"
        audio = folder / read_text_of(where, entry, "audio")
        if not audio.is_file():
            raise UsageError(f"{where}: there is no file '{audio}'.")
        source, target = (
            read_text_of(where, entry, language.code) for language in (pair.source, pair.target)
        )
        duration = seconds(audio)
        whole = Segment(0.0, duration, source, target)
        recordings.append(Recording(audio.stem, duration, audio, (whole,)))
    _unique(path, recordings)
    return recordings


def _long(audio: Path, transcript: Path) -> Recording:
    segments: list[Segment] = []
    for index, entry in enumerate(json_list(transcript), start=1):
        where = f"'{transcript}', entry {index}"
        offset, duration = _number(where, entry, "offset"), _number(where, entry, "duration")
        segments.append(Segment(offset, duration, read_text_of(where, entry, "text"), None))
        if index > 1:
            _in_order(where, *segments[-2:])
    return Recording(audio.stem, seconds(audio), audio, tuple(segments))


def _with_transcripts(folder: Path) -> list[tuple[Path, Path]]:
    """Return recordings with their transcripts; of two of one name, the first."""
    files = _files(folder)
    transcripts = {_stem(path): path for path in files if path.suffix.lower() == ".json"}
    found: dict[str, Path] = {}
    for path in files:
        named = _stem(path) in transcripts and _stem(path) not in found
        if named and path != transcripts[_stem(path)] and _decodable(path):
            found[_stem(path)] = path
    return [(audio, transcripts[name]) for name, audio in found.items()]


def _yaml_list(path: Path) -> list[tuple[int, Any]]:
    """Return the entries of a YAML list, each with the line it begins on."""
    text = read_text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        entries = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"'{path}', line {line}: {error.problem}.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(f"'{path}', line {line}: {error.reason}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' cannot be read: {error}.") from error
    if not isinstance(entries, list) or not entries or root is None:
        raise UsageError(f"'{path}' must hold a list of {{wav, offset, duration}}.")
    return [
        (node.start_mark.line + 1, entry) for node, entry in zip(root.value, entries, strict=True)
    ]


def json_list(path: Path) -> list[Any]:
    """Read a list that is not empty; raise UsageError if there is none."""
    entries = read_json(path)
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"'{path}' must hold a JSON list, not an empty one.")
    return entries


def _lines(folder: Path, language: Language, count: int) -> list[str]:
    """Read a text of one line a segment; only line ends separate lines.

    Blank last lines count as far as there are segments for them, whether or not the last line is
    ended like the others.
    """
    path = folder / f"{language.code}.txt"
    lines = [" ".join(line.split()) for line in read_text(path).split("\n")]
    while len(lines) > count and not lines[-1]:
        lines.pop()
    if len(lines) != count:
        raise UsageError(
            f"'{path}' has {len(lines)} lines, but {SEGMENTS} has {count} segments; line i "
            "must be the text of segment i."
        )
    return lines


def read_text_of(where: str, entry: Any, key: str) -> str:
    """Return a text of an entry, on one line; raise UsageError if there is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where}: '{key}' must be a text.")
    return " ".join(value.split())


def _number(where: str, entry: Any, key: str) -> float:
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise UsageError(f"{where}: '{key}' must be a number of seconds, 0 or more.")
    if key == "duration" and value == 0:
        raise UsageError(f"{where}: 'duration' must be above 0 seconds.")
    return float(value)


def _in_order(where: str, before: Segment, after: Segment) -> None:
    if after.offset < before.offset or after.end < before.end:
        raise UsageError(
            f"{where}: the segment from {after.offset:g} to {after.end:g} s comes after the one "
            f"from {before.offset:g} to {before.end:g} s; put them in order of time."
        )


def _unique(path: Path, recordings: Sequence[Recording]) -> None:
    names = sorted(recording.name for recording in recordings)
    for name, again in pairwise(names):
        if name == again:
            raise UsageError(
                f"'{path}': the recording '{name}' comes up twice; give every recording its own "
                "name and keep its segments together."
            )
