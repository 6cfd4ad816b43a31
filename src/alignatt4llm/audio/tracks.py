"""Which of several sound tracks is heard."""

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from alignatt4llm.errors import UsageError
from alignatt4llm.text.languages import Language, language
from alignatt4llm.text.printable import one_line

_BESIDE = (
    Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.karaoke
    | Disposition.clean_effects
    | Disposition.descriptions
    | Disposition.dependent
)
"""Tracks beside the plain one: comments, descriptions, music without the voice."""


def choose(
    name: str, container: InputContainer, spoken: Language | None, number: int | None
) -> tuple[AudioStream, str]:
    """Return the sound track that is heard, and a sentence about it where there are several.

    It is the one flagged as default, else the one tagged with the spoken language, else the first;
    a commentary, or a description of pictures, is taken only where there is nothing else.

    Parameters
    ----------
    name
        What users call the source.
    spoken
        The language that is spoken, if it is known.
    number
        The track asked for, from 1; None to choose.

    Raises
    ------
    UsageError
        If there is no sound that can be decoded, or no track of that number.
    """
    tracks = list(container.streams.audio)
    if not tracks:
        raise UsageError(f"'{name}' has no sound in it; give a file with an audio track.")
    heard = _numbered(name, tracks, number) if number is not None else _best(tracks, spoken)
    if heard.codec_context is None:
        raise UsageError(f"The sound of '{name}' cannot be decoded; convert it to WAV first.")
    return heard, _told(name, tracks, heard) if len(tracks) > 1 else ""


def _numbered(name: str, tracks: list[AudioStream], number: int) -> AudioStream:
    if not 1 <= number <= len(tracks):
        there = "only track 1" if len(tracks) == 1 else f"tracks 1 to {len(tracks)}"
        raise UsageError(f"'{name}' has no sound track {number}; it has {there}.")
    return tracks[number - 1]


def _best(tracks: list[AudioStream], spoken: Language | None) -> AudioStream:
    def rank(track: AudioStream) -> tuple[bool, ...]:
        flags = track.disposition
        return (
            track.codec_context is not None,
            not flags & _BESIDE,
            bool(flags & Disposition.default),
            spoken is not None and spoken in _languages(track),
        )

    return max(tracks, key=rank)  # the first of equals


def _languages(track: AudioStream) -> list[Language]:
    """Return the languages of a track's tag, which may be several: ``eng,deu``."""
    found = []
    for tag in (track.language or "").replace("/", ",").split(","):
        for code in (tag, tag.replace("_", "-").partition("-")[0]):
            try:
                found.append(language(code))
                break
            except UsageError:
                continue
    return found


def _told(name: str, tracks: list[AudioStream], heard: AudioStream) -> str:
    others = [track for track in tracks if track is not heard]
    words = "; ".join(_described(tracks.index(track) + 1, track) for track in others)
    taken = _described(tracks.index(heard) + 1, heard)
    return f"'{name}' has {len(tracks)} sound tracks; heard is {taken}, and not {words}."


def _described(number: int, track: AudioStream) -> str:
    """Return such as ``2 (English, default)``."""
    tag = "" if track.language in {None, "und"} else str(track.language)
    about = [" and ".join(entry.name for entry in _languages(track)) or tag]
    about.append(track.metadata.get("title", ""))
    flags = track.disposition
    about += ["commentary"] * bool(flags & Disposition.comment)
    about += ["default"] * bool(flags & Disposition.default)
    inside = ", ".join(one_line(word) for word in about if word.strip())
    return f"{number} ({inside})" if inside else str(number)
