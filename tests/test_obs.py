"""The captions page as a source of a video mixer: letters, and nothing behind them."""

import io
import shutil

import pytest
from serve_harness import EVERYTHING, Client, run, serving, speech

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'alignatt4llm[browser]'"
)
image = pytest.importorskip("PIL.Image", reason="needs Pillow")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


async def spoken(server):
    client = await Client(server).open()
    await client.play(speech())
    await client.finish()
    return client.hello["session"]


def seen(address):
    """Return a picture of a page as a mixer has it, once it shows the last words."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(address)
        last = EVERYTHING.split()[-1]
        page.wait_for_function(f"() => document.body.textContent.includes('{last}')")
        picture = page.screenshot(omit_background=True)
        browser.close()
    return image.open(io.BytesIO(picture)).convert("RGBA")


@pytest.mark.parametrize(("theme", "ground"), [("clear", 0), ("dark", 255), ("light", 255)])
def test_only_the_clear_theme_lets_the_video_through(tmp_path, theme, ground):
    with serving(tmp_path) as server:
        session = run(spoken(server))
        picture = seen(f"http://127.0.0.1:{server.port}/captions/{session}?theme={theme}")
    assert {picture.getpixel(at)[3] for at in ((0, 0), (1279, 0), (640, 300))} == {ground}
    letters = (255, 255, 255, 255) if theme != "light" else (17, 17, 17, 255)
    assert letters in {color for _, color in picture.getcolors(1 << 20)}
