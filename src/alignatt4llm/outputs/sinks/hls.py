"""WebVTT segments and their playlist, to stand beside the video of a live stream (RFC 8216)."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import write_whole
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Again, Next, Numbered, Origin, Sink
from alignatt4llm.outputs.syntax import SYNTAXES

PLAYLIST = "captions.m3u8"
LENGTH = 6000
"""Milliseconds of a segment."""
_OPTION = re.compile(r"\?mpegts=(\d{1,10})$")


class Segments(Sink):
    """Writes a segment as soon as all cues that show in it are known.

    A cue that comes too late for its time shows in the first segment that is still to be written.

    Parameters
    ----------
    address
        The folder; ``?mpegts=126000`` behind it tells at which timestamp of the video, in 1/90000
        seconds, the sound began.
    """

    timeline = True

    def __init__(self, address: str, origin: Origin, following: Next = Next()) -> None:
        self._folder, since = place(address)
        local = "LOCAL:00:00:00.000"
        self._header = f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{since},{local}\n\n"
        self._cues: dict[int, Cue] = {}  # as they show
        self._held: list[Numbered] = []  # the same, as they came
        self._lengths: list[int] = []

    @property
    def held(self) -> list[Numbered]:
        """The cues that are not in all of their segments yet."""
        return list(self._held)

    def send(self, number: int, cue: Cue) -> None:
        """Take a cue for the segments in which it shows."""
        begin = max(cue.start, self._open)
        end = begin + cue.end - cue.start
        self._held.append((number, cue))
        self._cues[number] = replace(cue, start=begin, end=end)
        self.position = number + 1

    def reach(self, settled: int) -> None:
        """Write the segments that end before."""
        while self._open + LENGTH <= settled:
            self._write(LENGTH)

    def finish(self, end: int) -> None:
        """Write the rest, and that it is the last."""
        end = max([end, *(cue.end for cue in self._cues.values())])
        self.reach(end)
        if end > self._open:
            self._write(end - self._open)
        self._save(PLAYLIST, _playlist(self._lengths) + "#EXT-X-ENDLIST\n")

    @property
    def _open(self) -> int:
        """Milliseconds at which the first segment begins that is still to be written."""
        return sum(self._lengths)

    def _write(self, length: int) -> None:
        """Write the next segment, then the playlist that has it."""
        end = self._open + length
        shown = {n: cue for n, cue in self._cues.items() if cue.start < end}
        written = "".join(SYNTAXES["vtt"].cue(cue, n) for n, cue in shown.items())
        self._save(_name(len(self._lengths)), self._header + written)
        self._save(PLAYLIST, _playlist([*self._lengths, length]))
        self._lengths.append(length)
        self._cues = {n: cue for n, cue in self._cues.items() if cue.end > end}
        self._held = [(n, cue) for n, cue in self._held if n in self._cues]

    def _save(self, name: str, content: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._folder / name, content)
        except (OSError, UsageError) as problem:
            raise Again(f"'{self._folder}' cannot be written") from problem


def files(address: str) -> list[Path]:
    """Return the first files that are written for an address."""
    return [place(address)[0] / name for name in (PLAYLIST, _name(0))]


def place(address: str) -> tuple[Path, int]:
    """Return the folder that an address names, and the timestamp at which the sound began."""
    since = _OPTION.search(address)
    return Path(_OPTION.sub("", address)), int(since[1]) if since else 0


def _playlist(lengths: Sequence[int]) -> str:
    entries = (f"#EXTINF:{ms / 1000:.3f},\n{_name(n)}\n" for n, ms in enumerate(lengths))
    return (
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{LENGTH // 1000}\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n" + "".join(entries)
    )


def _name(number: int) -> str:
    return f"captions{number:05}.vtt"
