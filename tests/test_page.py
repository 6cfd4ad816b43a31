"""The page in a real browser with a fake microphone."""

import base64
import time
from pathlib import Path

import numpy as np
import pytest
from browsing import CHROMIUM, browsing, write_wav
from serve_harness import EVERYTHING, serving, speech

from alignatt4llm.recognizers.tones import SCRIPT, tones

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'alignatt4llm[browser]'"
)
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

WATCH = """() => {
  window.changes = [];
  const said = document.getElementById("said");
  new MutationObserver((records) => {
    for (const { type, target, removedNodes, addedNodes } of records) {
      if (type === "characterData" || removedNodes.length) window.changes.push(target.textContent);
      for (const node of addedNodes) {
        if (node.nextSibling && target === said) window.changes.push(node.textContent);
      }
    }
  }).observe(said, { childList: true, characterData: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(sync_api, tmp_path_factory.mktemp("audio")) as chromium:
        yield chromium


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "journals") as running:
        yield running


@pytest.fixture
def page(browser, server):
    context = browser.new_context(permissions=["microphone"], accept_downloads=True)
    opened = context.new_page()
    problems = []

    def note(problem):
        problems.append(problem)

    opened.on("pageerror", note)
    opened.goto(f"http://127.0.0.1:{server.port}/")
    opened.wait_for_selector("#pair option", state="attached")
    opened.evaluate(WATCH)
    yield opened
    context.close()
    assert not problems


def said(page):
    return " ".join(" ".join(page.locator("#said p").all_text_contents()).split())


def wait_for_words(page, count, seconds=30):
    page.wait_for_function(
        "count => document.getElementById('said').textContent.split(/\\s+/).length >= count",
        arg=count,
        timeout=seconds * 1000,
    )


def press(page):
    page.click("#toggle")


def test_captions_appear_while_the_microphone_hears_and_never_change(page):
    press(page)
    wait_for_words(page, 5)
    before = said(page)
    assert page.inner_text("#toggle") == "Stop"
    wait_for_words(page, 12)
    assert said(page).startswith(before)
    assert page.text_content("#words").strip()
    assert page.text_content("#lag").endswith(" s") and page.text_content("#time") != "–"
    press(page)
    page.wait_for_function("() => document.body.dataset.state === 'ended'")
    assert said(page).startswith(before)
    assert page.evaluate("window.changes") == []
    assert page.text_content("#held").strip() == ""


def play_file(page, path):
    page.select_option("#source", "file")
    page.set_input_files("#file", str(path))
    press(page)


def test_a_file_is_resampled_and_every_word_of_it_is_said(page, tmp_path):
    at_48k = np.repeat(tones(range(20)), 3)  # every third sample is kept by a good resampler
    play_file(page, write_wav(tmp_path / "speech.wav", at_48k, 48_000))
    page.wait_for_function("() => document.body.dataset.state === 'ended'", timeout=40_000)
    assert said(page) == " ".join(SCRIPT[:20]).upper()
    assert page.evaluate("window.changes") == []


AHEAD = 30 * 32_000


@pytest.mark.parametrize("received", [0, 32_000, AHEAD, 5 * AHEAD])
def test_no_more_is_sent_than_the_session_has_room_for(page, received):
    """A proxy between would hold it, whatever that is."""
    sent = page.evaluate(
        """async (received) => {
            const { Link } = await import("./page/link.js");
            const real = window.WebSocket;
            window.WebSocket = class {
                static OPEN = 1;
                readyState = 1;
                bufferedAmount = 0;
                sent = 0;
                send(data) { this.sent += data.byteLength ?? 0; }
                close() {}
            };
            const link = new Link({ from: "en", to: ["de"], latency: "medium" });
            window.WebSocket = real;
            for (let second = 0; second < 100; second++) link.push(new Uint8Array(32000));
            link.receive({ type: "started", session: "s", key: "k", position: 0 });
            const first = link.socket.sent;
            link.receive({ type: "status", received, settled: 0 });
            link.pump();
            const second = link.socket.sent;
            link.stop("ended", "");
            return [first, second];
        }""",
        received,
    )
    assert sent == [AHEAD, min(AHEAD + received, 100 * 32_000)]


@pytest.mark.parametrize(
    ("minutes", "settled", "kept_from"), [(10, 0, 0), (29, 0, 0), (29, 20, 20), (40, 0, 10)]
)
def test_the_page_keeps_what_is_not_settled_for_half_an_hour(page, minutes, settled, kept_from):
    position = page.evaluate(
        """async ([seconds, settled]) => {
            const { Link } = await import("./page/link.js");
            const real = window.WebSocket;
            window.WebSocket = class { static OPEN = 1; readyState = 0; close() {} };
            const link = new Link({ from: "en", to: ["de"], latency: "medium" });
            window.WebSocket = real;
            const bytes = new Uint8Array(32000); // one second, again and again
            link.receive({ type: "started", session: "s", key: "k", position: 0 });
            for (let second = 0; second < seconds; second++) link.push(bytes);
            link.receive({ type: "status", received: 0, settled: settled * 32000 });
            const { position } = link.greeting();
            link.stop("ended", "");
            return position / 32000;
        }""",
        [minutes * 60, settled * 60],
    )
    assert position == kept_from * 60


def drop_connections(page, server, state):
    for connection in list(server.server_state.connections):
        connection.loop.call_soon_threadsafe(connection.transport.abort)
    page.wait_for_function(f"() => {state} === 'waiting'")
    page.wait_for_function(f"() => {state} === 'live'")


def test_the_page_goes_on_after_the_server_drops_it(page, server, tmp_path):
    play_file(page, write_wav(tmp_path / "speech.wav", tones(range(20))))
    for words in (4, 10):
        wait_for_words(page, words)
        before = said(page)
        drop_connections(page, server, "document.body.dataset.state")
        assert said(page).startswith(before)
    page.wait_for_function("() => document.body.dataset.state === 'ended'", timeout=40_000)
    rest = iter(said(page).split())
    assert all(word.upper() in rest for word in SCRIPT[:20])  # a busy machine may stutter
    assert page.evaluate("window.changes") == []


SPEAK = """async (audio) => {
  const { Link } = await import("/page/link.js");
  const link = new Link({ from: "en", to: "de", latency: "medium" });
  window.heard = "";
  link.addEventListener("state", ({ detail }) => (window.state = detail.name));
  link.addEventListener("event", ({ detail }) => {
    if (detail.type === "commit") window.heard += detail.text;
  });
  const bytes = Uint8Array.from(atob(audio), (char) => char.charCodeAt(0)).buffer;
  for (let at = 0; at < bytes.byteLength; at += 3200) {
    link.push(bytes.slice(at, at + 3200));
    await new Promise((done) => setTimeout(done, 20));
  }
  link.finish();
}"""


def test_reconnection_loses_and_repeats_nothing(page, server):
    audio = base64.b64encode(speech()).decode()
    page.evaluate("audio => void (window.speaking = (" + SPEAK + ")(audio))", audio)
    for words in (3, 15, 30):
        page.wait_for_function("count => heard.split(' ').length >= count", arg=words)
        drop_connections(page, server, "window.state")
    page.wait_for_function("() => window.state === 'ended'")
    assert page.evaluate("window.heard") == EVERYTHING


def test_the_attention_view_shows_where_words_look(page, tmp_path):
    play_file(page, write_wav(tmp_path / "speech.wav", tones(range(20))))
    wait_for_words(page, 10)
    page.hover("#said span:has-text('MORNING')")
    look = page.inner_text("#look")
    assert "“MORNING” – said" in look and "Looks at morning 100 %." in look
    page.focus("#captions")
    page.keyboard.press("ArrowRight")
    assert "Looks at everyone 100 %." in page.inner_text("#look")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert "Looks at Good 100 %." in page.inner_text("#look")
    page.wait_for_selector("#held span")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('look').textContent.includes('held:')")
    assert page.locator("#look .frontier").count() == 1
    assert page.locator("#look .inaccessible").count() >= 1


def test_downloads_hold_the_committed_text(page, tmp_path):
    play_file(page, write_wav(tmp_path / "speech.wav", tones(range(20))))
    page.wait_for_function("() => document.body.dataset.state === 'ended'", timeout=40_000)
    text = said(page)
    for kind in ("srt", "vtt", "txt", "jsonl"):
        with page.expect_download() as download:
            page.click(f"#files [data-kind={kind}]")
        content = Path(download.value.path()).read_text("utf-8")
        assert download.value.suggested_filename.endswith(f".{kind}")
        if kind == "txt":
            assert " ".join(content.split()) == text
        for sentence in text.replace("COMING. ", "COMING.\n").splitlines()[:1]:
            assert sentence in " ".join(content.split()) or kind == "jsonl"


def test_the_captions_page_shows_the_same_words(page, browser, server, tmp_path):
    play_file(page, write_wav(tmp_path / "speech.wav", tones(range(20))))
    wait_for_words(page, 5)
    hall = browser.new_page()
    hall.goto(
        page.get_attribute("#hall", "href")
        and page.evaluate("document.getElementById('hall').href") + "?theme=light&lines=3"
    )
    page.wait_for_function("() => document.body.dataset.state === 'ended'", timeout=40_000)
    hall.wait_for_function("() => document.getElementById('lines').textContent.includes('CITY,')")
    assert " ".join(hall.text_content("#lines").split()) == said(page)
    hall.close()


def test_notices_are_lines_that_can_be_dismissed(page, browser, tmp_path):
    play_file(page, write_wav(tmp_path / "silence.wav", np.zeros(3 * 16_000)))
    page.wait_for_function("() => document.body.dataset.state === 'ended'", timeout=20_000)
    lines = page.locator("#notices[role=status] p")
    silent, wordless = lines.all_inner_texts()
    assert "silent" in silent and "no speech was heard" in wordless
    page.get_by_role("button", name="Dismiss").first.click()
    assert lines.count() == 1 and "no speech was heard" in lines.inner_text()
    hall = browser.new_page()
    hall.goto(page.evaluate("document.getElementById('hall').href"))
    assert hall.text_content("#lines").strip() == ""
    hall.close()
    play_file(page, write_wav(tmp_path / "speech.wav", tones(range(4))))
    page.wait_for_function("() => !document.querySelector('#notices p')")


def test_a_notice_is_text_and_is_shown_once(page):
    page.evaluate(
        """async () => {
          const { Notices } = await import("./page/notices.js");
          const notices = new Notices();
          for (const time of [1, 2]) {
            notices.take({ kind: "clipped", text: "<b>loud</b>", audio_s: time });
          }
        }"""
    )
    assert page.locator("#notices span").all_text_contents() == ["<b>loud</b>"]
    assert page.locator("#notices b").count() == 0


def test_keyboard_and_screen_reader(page):
    assert page.get_attribute("#said", "role") == "log"
    assert page.get_attribute("#said", "aria-live") == "polite"
    assert page.get_attribute("#held", "aria-hidden") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the captions"
    names = page.evaluate(
        """() => [...document.querySelectorAll("select, button, input, section")].map(
             (e) => (e.labels?.[0] ?? e).textContent.trim() || e.getAttribute("aria-label"))"""
    )
    assert all(names)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_the_button(browser, server, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"http://127.0.0.1:{server.port}/")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == scheme
    page.click("#theme")
    other = {"light": "dark", "dark": "light"}[scheme]
    assert page.evaluate(theme) == other
    page.reload()
    assert page.evaluate(theme) == other
    page.context.close()


def test_nothing_is_wider_than_a_phone(browser, server):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#pair option", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.context.close()


def test_what_goes_wrong_is_said(page, server):
    page.select_option("#source", "file")
    press(page)
    assert "Choose a file" in page.inner_text("#status")
    server.registry.draining = True
    page.select_option("#source", "microphone")
    press(page)
    page.wait_for_function("() => document.body.dataset.state === 'waiting'")
    server.registry.draining = False
    page.wait_for_function("() => document.body.dataset.state === 'live'")
    deadline = time.monotonic() + 5
    while not server.registry.taken and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.registry.taken == 1


def test_several_languages_stand_beside_each_other(page, tmp_path):
    """Each says everything, none changes what it has said, and no language of another source."""
    page.click("#others summary")
    offered = page.locator("#more option:not([hidden])")
    values = offered.evaluate_all("options => options.map(({ value }) => value)")
    assert page.input_value("#pair") == "en-de" and "en-de" not in values
    assert {value.split("-")[0] for value in values} == {"en"}
    page.select_option("#more", ["en-it", "en-zh"])
    page.evaluate("""() => {
      window.beside = [];
      new MutationObserver((records) => {
        for (const { target, removedNodes } of records) {
          const role = target.closest?.("[role=log]");
          if (role && removedNodes.length) window.beside.push(target.textContent);
        }
      }).observe(document.getElementById("beside"), { childList: true, subtree: true });
    }""")
    play_file(page, write_wav(tmp_path / "talk.wav", tones(range(len(SCRIPT)))))
    page.wait_for_function("() => document.body.dataset.state === 'ended'", timeout=60_000)
    assert said(page) == EVERYTHING
    columns = page.locator("#beside section")
    assert columns.locator("h2").all_text_contents() == ["Italian", "Chinese"]
    for lang in ("it", "zh"):
        text = page.locator(f"#beside div[lang={lang}]").text_content()
        assert "".join(text.split()) == EVERYTHING.replace(" ", "")
        assert page.locator(f"#beside span[lang={lang}]").text_content() == ""
    assert page.evaluate("window.beside") == [] and page.evaluate("window.changes") == []
    assert page.is_disabled("#more") is False
