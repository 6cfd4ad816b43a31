"""Install a wheel where there is no checkout, translate a recording with it and open its page.

    python scripts/try_wheel.py dist/alignatt4llm-0.2.0-py3-none-any.whl

A fresh environment is made in a folder that is deleted at the end, and only commands that the
README gives are run in it. Prints the seconds that each took and the megabytes that there are then.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "samples" / "fleurs-en-000.ogg"
EXTRAS = "server"
COMMANDS = [
    ["doctor"],
    ["demo"],
    ["translate", "talk.ogg", "--to", "de", "--fast", "--subtitles", "talk.srt"],
    ["check", "talk.srt"],
]
PATIENCE = 60
"""Seconds in which the server has to answer."""
LINKS = re.compile(
    r"""(?:src|href)="(?!https?:|#|data:)([^"]+)"|(?:from |import\(|new URL\()"([^"]+\.js)\""""
)
"""What a file of the page names of its own: in HTML, or as a module."""


class Place:
    """A folder with a fresh environment in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        self.environ["ALIGNATT_CACHE"] = str(folder / "cache")

    def run(self, *command: str) -> str:
        """Run a command there and return what it printed; exit if it fails."""
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        print(f"{time.monotonic() - began:6.1f} s  {' '.join(map(_short, command))}", flush=True)
        return done.stdout

    def alignatt(self, *arguments: str) -> str:
        """Run the command that the wheel brought."""
        return self.run(str(self.bin / "alignatt"), *arguments)

    @contextmanager
    def server(self) -> Iterator[str]:
        """Serve while the block runs; yield the address."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [str(self.bin / "alignatt"), "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=self.folder, env=self.environ)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _short(word: str) -> str:
    return Path(word).name if os.sep in word else word


def _get(address: str) -> str:
    with urlopen(address, timeout=10) as answer:
        return answer.read().decode("utf-8")


def wait_for(address: str) -> None:
    """Return when the server answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            _get(f"{address}/healthz")
            return
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def open_page(address: str) -> int:
    """Open the page as a browser does, with all that it names; return how many files it is."""
    seen: set[str] = set()
    waiting = [f"{address}/", f"{address}/page/captions.html"]
    while waiting:
        place = waiting.pop()
        if place not in seen:
            seen.add(place)
            named = LINKS.findall(_get(place))
            waiting += [urljoin(place, html or module) for html, module in named]
    return len(seen)


def left_out(wheel: Path) -> list[str]:
    """Return the files of the package that a wheel does not hold."""
    source = ROOT / "src"
    paths = (path for path in source.glob("alignatt4llm/**/*") if path.is_file())
    names = {path.relative_to(source).as_posix() for path in paths if path.suffix != ".pyc"}
    return sorted(names - set(ZipFile(wheel).namelist()))


def main(wheel: Path) -> None:
    """Try a wheel."""
    if lacking := left_out(wheel):
        sys.exit(f"{wheel} lacks {', '.join(lacking)}")
    with tempfile.TemporaryDirectory(prefix="alignatt-") as name:
        place = Place(Path(name))
        place.run(sys.executable, "-m", "venv", "env")
        place.run(str(place.bin / "pip"), "install", f"{wheel.resolve()}[{EXTRAS}]")
        shutil.copy(SAMPLE, place.folder / "talk.ogg")
        for command in COMMANDS:
            said = place.alignatt(*command)
            if command[0] in ("demo", "translate"):
                print(f"          {said.strip()}")
        with place.server() as address:
            wait_for(address)
            print(f"          the page is {open_page(address)} files")
        size = sum(path.stat().st_size for path in place.bin.parent.rglob("*") if path.is_file())
        print(f"{size / 1e6:6.0f} MB in the environment")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
