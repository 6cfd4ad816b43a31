"""Take the pictures of the server's pages that docs show, of a real run.

    python scripts/picture_pages.py samples/lj001.ogg --to de

The options are those of ``alignatt serve``. A server translates the recording while it plays, and
Chromium shows what a speaker, listeners and a hall see. The page that is written from the right
shows a short text that is written down here. Needs the extra ``browser``, and Chromium.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

from alignatt4llm.events import Close, Commit, End
from alignatt4llm.serve.journals.folder import FileLog
from alignatt4llm.serve.journals.journal import Journal

PICTURES = Path(__file__).parent.parent / "docs" / "images"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
WORDS = 60
"""How many words have been said when the first picture is taken."""
Theme = Literal["light", "dark"]
STEPS = 4
"""How many words before the last one the chosen word stands."""
PHONE, DESK, HALL = (390, 780), (1366, 768), (1280, 720)
SCENE = "linear-gradient(#31506b 0 62%, #6d5a41 62% 66%, #4a3b2b 66%)"
"""What stands for a picture behind captions."""
BEHIND = "scene => document.documentElement.style.setProperty('background', scene, 'important')"
ARABIC = [
    ("صباح الخير جميعا، وشكرا لحضوركم.", "Good morning everyone, and thank you for coming."),
    (
        "ننظر اليوم إلى خرائط قديمة لهذه المدينة، وإلى الناس الذين رسموها باليد.",
        "Today we look at old maps of this city, and at people who drew them by hand.",
    ),
    (
        "بعض هذه الخرائط كبير جدا، وبعضها يدخل في جيب المعطف.",
        "Some of these maps are very large, others fit into a coat pocket.",
    ),
    ("وقياسها بالـ GPS يبيّن أنها دقيقة حتى 3.5 كم.", "Measured with GPS they are exact to 3.5 km."),
]


def main(recording: str, options: list[str]) -> None:
    """Take every picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), options) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        speaker = opened(browser, address, DESK)
        play(speaker, recording)
        picture_speaker(speaker)
        link = speaker.get_attribute("#watch", "href") or ""
        picture_listeners(browser, link)
        speaker.click("#toggle")
        picture(opened_original(browser, f"{address}/watch/{written(Path(folder))}"), "watch-rtl")
        browser.close()


@contextmanager
def serving(folder: Path, options: list[str]) -> Iterator[str]:
    """Yield the address of a server that keeps its transcripts in a folder."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    command = [sys.executable, "-m", "alignatt4llm.cli.main", "serve", *options]
    server = subprocess.Popen([*command, "--port", str(port), "--transcripts", str(folder)])
    address = f"http://127.0.0.1:{port}"
    try:
        while not answers(f"{address}/readyz"):
            if server.poll() is not None:
                sys.exit("The server has ended; what it said stands above.")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


def answers(address: str) -> bool:
    """Whether a server answers there."""
    try:
        with urlopen(address):
            return True
    except (URLError, ConnectionError):
        return False


def opened(browser: Browser, address: str, size: tuple[int, int], theme: Theme = "light") -> Page:
    """Open a page in a window of a size in pixels."""
    view = {"width": size[0], "height": size[1]}
    page = browser.new_context(viewport=view, color_scheme=theme).new_page()
    page.goto(address)
    return page


def opened_original(browser: Browser, address: str) -> Page:
    """Open a listener's page on a dark phone, with the original beside the text."""
    page = opened(browser, address, PHONE, "dark")
    page.check("#original")
    return page


def play(page: Page, recording: str) -> None:
    """Let the page play a recording until enough has been said."""
    page.wait_for_selector("#pair option", state="attached")
    page.select_option("#source", "file")
    page.set_input_files("#file", recording)
    page.click("#toggle")
    wait_for_words(page, "#said", WORDS)


def wait_for_words(page: Page, where: str, count: int) -> None:
    """Wait until so many words stand somewhere."""
    page.wait_for_function(
        "([where, count]) =>"
        " document.querySelector(where)?.textContent.split(/\\s+/).length > count",
        arg=[where, count],
        timeout=180_000,
    )


def picture_speaker(page: Page) -> None:
    """Take the speaker's page in both colours and sizes, a word chosen."""
    page.focus("#captions")
    for _ in range(STEPS):
        page.keyboard.press("ArrowLeft")
    for size, form in ((DESK, "page"), (PHONE, "page-phone")):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for theme in get_args(Theme):
            page.emulate_media(color_scheme=theme)
            picture(page, f"{form}-{theme}")


def picture_listeners(browser: Browser, link: str) -> None:
    """Take what listeners and halls see."""
    phone = opened(browser, link, PHONE)
    wait_for_words(phone, "#text", WORDS)
    picture(phone, "watch-phone")
    desk = opened(browser, link, (1100, 620), "dark")
    desk.check("#original")
    wait_for_words(desk, "#text", WORDS)
    picture(desk, "watch-desktop")
    for theme, name in (("dark", "captions"), ("clear", "captions-clear")):
        hall = opened(browser, f"{link}/captions?theme={theme}", HALL)
        if theme == "clear":
            hall.evaluate(BEHIND, SCENE)
        wait_for_words(hall, "#lines", 8)
        picture(hall, name)


def picture(page: Page, name: str) -> None:
    """Take a picture of a page when it has come to rest."""
    page.wait_for_timeout(700)
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


def written(folder: Path) -> str:
    """Write down a session that is over and return its name."""
    name = "written-by-hand-ar"
    header = {"session": name, "pair": "en-ar", "from": "en", "to": ["ar"]}
    kept = {"audio": "s16le", "latency": "medium", "version": 1, "key_sha256": ""}
    log = FileLog.create(folder / f"{name}.jsonl", {**header, **kept})
    journal = Journal(log, owned=True)
    for number, (target, source) in enumerate(ARABIC):
        text = target if number == 0 else f" {target}"
        times = (number, number + 1.0, number + 1.0)
        journal.append(Commit(text, *times, 0))
        journal.append(Close(number, source, target, *times, len(source.split())))
    journal.append(End(9.0, 9.0, 1.0, 1.0))
    journal.close()
    return name


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
