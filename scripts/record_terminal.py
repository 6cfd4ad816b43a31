"""Record a real run of the command in a terminal of its own, as an animated SVG.

    python scripts/record_terminal.py samples/fleurs-en-000.ogg --to it

The arguments are those of ``alignatt translate``. Nothing is staged: the command runs live in a
pseudo-terminal, what it draws is captured as it comes, and the picture plays at the same pace.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "terminal.svg"
COLUMNS, ROWS = 86, 11
INTERVAL = 0.4
"""Seconds between two frames at least."""
QUIET = 0.03
"""Seconds without output after which the screen is as the command wants it."""
LINGER = 5.0
"""Seconds that the last frame stays."""

CHARACTER, LINE, MARGIN = 8.4, 20, 16
"""Width and height of a character cell, and the margin, in pixels."""
COLOURS = {"default": "#e6e6e6", "cyan": "#56c2d6", "green": "#7fc97f"}
DIM = 0.55
"""Opacity of dimmed text."""

Row = list[tuple[int, int, str, str, bool]]
"""Runs of characters of one look: first column, columns, text, colour, dimmed."""


@dataclass(frozen=True)
class Frame:
    """What stood in the terminal from ``time`` on, in seconds since something appeared."""

    time: float
    rows: list[Row]


class Screen(pyte.Screen):
    """A terminal screen that keeps dimmed text apart, as pyte alone does not."""

    def select_graphic_rendition(self, *attributes: int, **options: bool) -> None:
        """Note dimmed text as italics, which the command never uses."""
        italics = (3 if attribute == 2 else attribute for attribute in attributes)
        super().select_graphic_rendition(*italics, **options)


def record(arguments: list[str]) -> list[Frame]:
    """Run ``alignatt translate`` in a terminal and return what it showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS))
        command = [sys.executable, "-m", "alignatt4llm.cli.main", "translate", *arguments]
        os.execv(sys.executable, command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen = Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(f"$ alignatt translate {' '.join(arguments)}\r\n\r\n".encode())
    frames = [Frame(0.0, rows(screen))]
    began = None
    while output := _read(terminal):
        now = time.monotonic()
        began = began or now
        stream.feed(output)
        if select.select([terminal], [], [], QUIET)[0]:
            continue  # in the middle of being drawn
        if now - began >= frames[-1].time + INTERVAL and rows(screen) != frames[-1].rows:
            frames.append(Frame(now - began, rows(screen)))
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"The command failed; it showed:\n{chr(10).join(screen.display)}")
    end = time.monotonic() - began if began else 0.0
    if rows(screen) == frames[-1].rows:
        frames.pop()
    return [*frames, Frame(end, rows(screen))]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the command has ended
        return b""


def rows(screen: pyte.Screen) -> list[Row]:
    """Return the screen as runs of characters that look the same."""
    return [_runs([screen.buffer[y][x] for x in range(screen.columns)]) for y in range(ROWS)]


def _runs(cells: list[pyte.screens.Char]) -> Row:
    result: Row = []
    for (colour, dim), group in groupby(enumerate(cells), lambda at: (at[1].fg, at[1].italics)):
        run = list(group)
        text = "".join(cell.data for _, cell in run)  # the second cell of a wide character is ""
        if text.strip():
            kept = len(run) - (len(text) - len(text.rstrip()))
            result.append((run[0][0], kept, text.rstrip(), colour, dim))
    return result


def draw(frames: list[Frame]) -> str:
    """Draw the frames below each other; a window as high as one of them jumps down the film."""
    width, height = round(COLUMNS * CHARACTER) + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    total = frames[-1].time + LINGER
    jumps = "".join(
        f"{100 * frame.time / total:.2f}%{{transform:translateY({-index * height}px)}}"
        for index, frame in enumerate(frames)
    )
    last = -(len(frames) - 1) * height
    film = "".join(_picture(frame, index * height) for index, frame in enumerate(frames))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" role="img">
<title>alignatt translate: speech being translated while it plays</title>
<style>
text{{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}
.film{{transform:translateY({last}px);animation:play {total:.1f}s step-end infinite}}
@keyframes play{{{jumps}100%{{transform:translateY({last}px)}}}}
@media (prefers-reduced-motion){{.film{{animation:none}}}}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#16191d"/>
<g class="film">
{film}</g>
</svg>
"""


def _picture(frame: Frame, top: int) -> str:
    return "".join(
        f'<text x="{MARGIN + column * CHARACTER:.1f}" y="{top + MARGIN + LINE * row + 15}" '
        f'textLength="{columns * CHARACTER:.1f}" fill="{COLOURS.get(colour, colour)}" '
        f'opacity="{DIM if dim else 1}">{escape(text)}</text>\n'
        for row, runs in enumerate(frame.rows)
        for column, columns, text, colour, dim in runs
    )


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(record(sys.argv[1:])), "utf-8")
    print(PICTURE)
