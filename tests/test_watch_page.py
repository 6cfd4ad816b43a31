"""Listeners' pages and captions in a real browser, beside a speaker with a fake microphone."""

import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest
from browsing import CHROMIUM, browsing
from journals import created, journal_of
from serve_harness import serving

from alignatt4llm.events import Close, Commit, End, Source, SourceWord
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.journals.journal import events_of
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.units import units

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'alignatt4llm[browser]'"
)
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
OBSERVE = """() => {
  window.changes = [];
  let before = [];
  const look = () => {
    const lines = [...document.querySelectorAll(".said > div, #lines > div")];
    const now = lines.map((line) => line.textContent);
    before.forEach((line, at) => {
      const last = at === before.length - 1;
      const stands = last ? now[at]?.startsWith(line) : now[at] === line;
      if (!stands) window.changes.push([line, now[at]]);
    });
    before = now;
  };
  look();
  new MutationObserver(look).observe(document.body, {
    childList: true, characterData: true, subtree: true,
  });
}"""
"""Notes what happens to lines, but that the last one grows and others come after it."""
TEXTS = {
    "de": "Guten Morgen zusammen, und vielen Dank, dass Sie gekommen sind. Heute geht es um "
    "Donaudampfschifffahrt und um 3,5 Mio. Karten.",
    "ar": "صباح الخير جميعا وشكرا لحضوركم. ننظر اليوم مع GPS إلى خرائط على بعد 3.5 كم.",
    "he": "בוקר טוב לכולם ותודה שבאתם. היום נסתכל על מפות ישנות של העיר, עם GPS.",
    "fa": "صبح همگی بخیر و ممنون که آمدید. امروز به نقشه‌های قدیمی این شهر نگاه می‌کنیم.",
    "zh": "大家早上好,感谢各位的到来。今天我们看看“老地图”，比如Google Maps和3.5公里的路线。",
    "ja": "皆さん、おはようございます。今日は「古い地図」を見ていきます。GPSも使います。",
    "th": "สวัสดีตอนเช้าทุกคน ขอบคุณที่มา วันนี้เราจะมาดูแผนที่เก่าของเมืองนี้กัน",
    "ko": "여러분, 안녕하세요. 오늘은 이 도시의 오래된 지도를 살펴보겠습니다.",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(sync_api, tmp_path_factory.mktemp("audio")) as chromium:
        yield chromium


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def opened(browser):
    """Open pages that may not fail."""
    pages, problems = [], []

    def note(problem):
        problems.append(problem)

    def open_(address, width=1280, height=720, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.on("pageerror", note)
        page.goto(address)
        pages.append(page)
        return page

    yield open_
    for page in pages:
        page.context.close()
    assert not problems


def state(page, name, seconds=40):
    page.wait_for_function(f"() => document.body.dataset.state === '{name}'", timeout=seconds * 1e3)


def wait_for_words(page, count, where="#text"):
    page.wait_for_function(
        "([where, count]) =>"
        " document.querySelector(where).textContent.split(/\\s+/).length > count",
        arg=[where, count],
        timeout=40_000,
    )


def said(page):
    lines = page.locator(".said > div, #lines > div").all_text_contents()
    return "".join(lines).strip()


def written(folder, code, text, utterances=3, name="written-by-hand-"):
    """Write the journal of a session that is over."""
    header = {
        "session": name + code,
        "pair": f"en-{code}",
        "from": "en",
        "to": [code],
        "audio": "s16le",
        "latency": "medium",
        "version": 1,
        "key_sha256": "",
    }
    journal = created(folder / f"{name}{code}.jsonl", header)
    language = Pair.parse(f"en-{code}").target
    for number in range(utterances):
        for part in units(text, language):
            joint = language.separator if part != text[: len(part)] or number else ""
            journal.append(Commit(joint + part, number, number + 1.0, number + 1.0, 0))
        source = f"Sentence {number} as it was heard."
        journal.append(Close(number, source, text, number, number + 1.0, number + 1.0, 6))
    journal.append(End(9.0, 9.0, 1.0, 1.0))
    journal.close()
    return name + code, "".join(e.text for e in events_of(journal) if isinstance(e, Commit))


def drop_a_listener(server):
    """Cut the connection of one of those who read along."""
    connections = [
        connection
        for connection in list(server.server_state.connections)
        if (getattr(connection, "scope", None) or {}).get("path", "").endswith("/events")
    ]
    connections[0].loop.call_soon_threadsafe(connections[0].transport.abort)


def test_all_read_what_the_journal_holds_and_no_line_above_the_last_changes(
    opened, server, tmp_path
):
    speaker = opened(f"http://127.0.0.1:{server.port}/", permissions=["microphone"])
    speaker.wait_for_selector("#pair option", state="attached")
    speaker.click("#toggle")
    speaker.wait_for_selector("#share:not([hidden])")
    speaker.wait_for_function("() => document.getElementById('qr').naturalWidth > 0")
    link = speaker.get_attribute("#watch", "href")
    phone = opened(link, 390, 780)
    phone.evaluate(OBSERVE)
    state(phone, "live")
    drop = opened(link)
    state(drop, "live")
    others = [drop, opened(link, 1280, 800, color_scheme="dark"), opened(f"{link}/captions")]
    for page in others:
        page.evaluate(OBSERVE)
    others[1].check("#original")
    speaker.wait_for_function("() => document.getElementById('count').textContent === '4'")
    assert speaker.text_content("#listeners") == "German: 4"
    wait_for_words(phone, 6)
    drop_a_listener(server)
    for words in (12, 20):
        wait_for_words(phone, words)
    speaker.click("#toggle")
    state(speaker, "ended")
    session = link.rsplit("/", 1)[1]
    journal = journal_of(tmp_path / f"{session}.jsonl")
    text = "".join(event.text for event in events_of(journal) if isinstance(event, Commit))
    for page in [phone, *others[:2]]:
        state(page, "over")
        assert said(page) == text
        assert page.is_visible("#files")
    others[2].wait_for_function(
        "text => document.getElementById('lines').textContent.trim() === text", arg=text
    )
    for page in [phone, *others]:
        assert page.evaluate("window.changes") == []
    originals = " ".join(others[1].locator(".heard").all_text_contents()).split()
    assert (
        originals == " ".join(e.source for e in events_of(journal) if isinstance(e, Close)).split()
    )


@dataclass(frozen=True)
class SaidIn(Commit):
    """A commit of one of several targets."""

    to: str = ""


@dataclass(frozen=True)
class ClosedIn(Close):
    """A close of one of several targets."""

    to: str = ""


def spoken_in(codes):
    """Yield what a session says that goes on in several languages at once."""
    for number in range(4):
        for words in zip_longest(*(TEXTS[code].split() for code in codes)):
            for code, word in zip(codes, words, strict=True):
                if word:
                    yield SaidIn(f" {word}", number, 1.0 * number, 1.0 * number, 0, to=code)
        yield Source(number, (SourceWord(f"Sentence {number}", 0, 1),), (), 1.0 * number)
        for code in codes:
            times = 1.0 * number, number + 1.0, number + 1.0
            yield ClosedIn(number, f"Sentence {number}.", TEXTS[code], *times, 2, to=code)
    yield End(5.0, 5.0, 1.0, 1.0)


def test_five_listeners_of_three_languages_end_with_what_the_journal_holds(
    opened, server, tmp_path
):
    codes = ["de", "ar", "ko"]
    header = {
        "session": "three-languages-at-once",
        "pair": "en-de",
        "from": "en",
        "to": codes,
        "audio": "s16le",
    }
    broadcast = Broadcast(created(tmp_path / "three-languages-at-once.jsonl", header))
    server.registry._readings.put("three-languages-at-once", broadcast)
    link = f"http://127.0.0.1:{server.port}/watch/three-languages-at-once"
    pages = [opened(f"{link}?to={code}", 390, 700) for code in ("de", "ar", "ko", "de", "ar")]
    for page in pages:
        state(page, "live")
        page.evaluate(OBSERVE)
    counted = {"de": 2, "ar": 2, "ko": 1}
    pages[0].wait_for_timeout(100)
    assert broadcast.audience.told(0.0)["listeners"] == counted
    events = list(spoken_in(codes))
    for at, event in enumerate(events):
        broadcast.publish(event)
        if at == 30:
            drop_a_listener(server)
            pages[3].select_option("#language", "ko")
            pages[3].evaluate(OBSERVE.replace(".said", "[lang=ko] .said"))
        if at == 70:
            pages[4].select_option("#language", "de")
            pages[4].evaluate(OBSERVE.replace(".said", "[lang=de] .said"))
        pages[at % 5].wait_for_timeout(10)
    read = dict(zip(pages, ["de", "ar", "ko", "ko", "de"], strict=True))
    for page, code in read.items():
        state(page, "over")
        text = "".join(e.text for e in events if isinstance(e, SaidIn) and e.to == code)
        shown = page.locator("#text > div:visible .said > div").all_text_contents()
        assert "".join(shown) == text
        assert page.evaluate("window.changes") == []
        heard = page.locator("#text > div:visible .heard").all_text_contents()
        assert " ".join("".join(heard).split()) == " ".join(f"Sentence {n}." for n in range(4))


def test_who_reads_above_is_left_alone(opened, server):
    speaker = opened(f"http://127.0.0.1:{server.port}/", permissions=["microphone"])
    speaker.wait_for_selector("#pair option", state="attached")
    speaker.click("#toggle")
    speaker.wait_for_selector("#share:not([hidden])")
    reader = opened(speaker.get_attribute("#watch", "href"), 360, 300)
    for _ in range(4):
        reader.click("#larger")
    wait_for_words(reader, 10)
    at_end = (
        "() => { const t = document.getElementById('text');"
        " return t.scrollHeight - t.clientHeight - t.scrollTop < 2 && t.scrollTop > 0; }"
    )
    reader.wait_for_function(at_end)
    reader.evaluate("document.getElementById('text').scrollTop = 0")
    reader.wait_for_selector("#now", state="visible")
    wait_for_words(reader, 18)
    assert reader.evaluate("document.getElementById('text').scrollTop") == 0
    reader.click("#now")
    reader.wait_for_function(at_end)
    assert reader.is_hidden("#now")
    wait_for_words(reader, 24)
    reader.wait_for_function(at_end)


@pytest.mark.parametrize("code", TEXTS)
@pytest.mark.parametrize("width", [320, 1280])
def test_every_script_is_laid_out_in_its_direction(opened, server, tmp_path, code, width):
    session, text = written(tmp_path, code, TEXTS[code])
    page = opened(f"http://127.0.0.1:{server.port}/watch/{session}", width, 640)
    state(page, "over")
    page.check("#original")
    assert said(page) == text.strip()
    box = page.locator("#text > div:visible")
    direction = "rtl" if code in ("ar", "he", "fa") else "ltr"
    assert box.get_attribute("lang") == code
    assert box.evaluate("box => getComputedStyle(box).direction") == direction
    assert page.locator(".original").first.get_attribute("dir") == "ltr"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    lines = page.locator(".said > div").all_text_contents()
    assert not [line for line in lines if line.strip()[0] in ",.。，、」”)؟،:"]
    one_row = (
        "lines => lines.every(l => l.offsetHeight < 1.6 * parseFloat(getComputedStyle(l).fontSize))"
    )
    assert page.locator(".said > div").evaluate_all(one_row)
    for word in ("GPS", "Google Maps", "3.5", "Donaudampfschifffahrt"):
        assert "".join(lines).count(word) == sum(line.count(word) for line in lines) or " " in word


def test_lines_are_filled_however_the_text_comes(opened, server):
    page = opened(f"http://127.0.0.1:{server.port}/")
    laid_out = """async ([parts, sizes, width]) => {
      const { Lines, Room } = await import("/page/lines.js");
      const box = document.createElement("div");
      box.style.cssText = `width: ${width}px; font: 20px sans-serif`;
      const ruler = document.createElement("span");
      ruler.style.cssText = "position: absolute; white-space: pre; font: 20px sans-serif";
      document.body.append(box, ruler);
      const lines = new Lines(box, new Room(box));
      let at = 0;
      for (const size of sizes) {
        lines.add(parts.slice(at, at + size).map(([part]) => part), parts[at][1]);
        at += size;
      }
      const result = [...box.children].map((line) => line.textContent);
      const widths = result.slice(1).map((next, at) => {
        const more = next.slice(0, next.indexOf(" ", 1) >>> 0);
        ruler.textContent = (result[at] + more).trim();
        return ruler.offsetWidth;
      });
      const fit = widths.filter((wide) => wide <= width - 20);
      box.remove();
      ruler.remove();
      return [result, fit];
    }"""
    words = re.findall(r"\S+", TEXTS["de"] * 3)
    whole = [[f" {word}", False] for word in words]
    torn = [
        [piece, at > 0] for word, _ in whole for at, piece in enumerate(re.split("(?=[.,])", word))
    ]
    for width in (90, 200, 333, 700):
        lines, fit = page.evaluate(laid_out, [whole, [len(whole)], width])
        assert len(lines) > 2 and not fit
        assert [lines, fit] == page.evaluate(laid_out, [whole, [1] * len(whole), width])
        assert "".join(lines) == "".join(part for part, _ in whole)
        hanging, _ = page.evaluate(laid_out, [torn, [1] * len(torn), width])
        assert "".join(hanging) == "".join(lines)
        assert all(line.startswith(" ") for line in hanging)


def test_a_listener_changes_language_and_finds_everything_again(opened, server, tmp_path):
    said_in = {
        code: [f" {code}{n} {word}" for n in range(8) for word in TEXTS[code].split()]
        for code in ("de", "ar")
    }
    header = {
        "session": "in-two-languages",
        "pair": "en-de",
        "from": "en",
        "to": ["de", "ar"],
        "audio": "s16le",
    }
    path = tmp_path / "in-two-languages.jsonl"
    journal = created(path, header)
    journal.close()
    both = [
        (code, text)
        for pair in zip_longest(*said_in.values())
        for code, text in zip(said_in, pair, strict=True)
        if text
    ]
    with path.open("a", encoding="utf-8") as file:
        for seq, (code, text) in enumerate(both, 1):
            record = {"seq": seq, "type": "commit", "text": text, "to": code, "utterance": 0}
            file.write(json.dumps(record) + "\n")
        end = {"audio_s": 9, "wall_s": 9, "rtf": 1, "peak_memory_mb": 1}
        file.write(json.dumps({"seq": len(both) + 1, "type": "end", **end}) + "\n")
    page = opened(f"http://127.0.0.1:{server.port}/watch/in-two-languages?to=ar", 390, 700)
    visible = "[...document.querySelectorAll('#text > div:not([hidden]) .said > div')]"
    visible += ".map((line) => line.textContent).join('')"
    for code in ("ar", "de", "ar", "de"):
        page.select_option("#language", code)
        state(page, "over")
        expected = "".join(said_in[code])
        page.wait_for_function(f"text => {visible} === text", arg=expected)
        assert page.input_value("#language") == code
        assert page.locator("#text > div:visible").get_attribute("lang") == code
    assert page.locator("#text > div").count() == 2
    page.reload()
    assert page.input_value("#language") in ("", "ar")  # the link names it
    state(page, "over")
    assert page.input_value("#language") == "ar"
    assert page.get_attribute("#files a", "href").endswith("?to=ar")


def test_the_listener_chooses_size_theme_and_original_for_good(opened, server, tmp_path):
    session, _ = written(tmp_path, "de", TEXTS["de"], 12)
    page = opened(f"http://127.0.0.1:{server.port}/watch/{session}", 390, 700, color_scheme="light")
    state(page, "over")
    shown = "document.documentElement.dataset.theme"
    size = "parseFloat(getComputedStyle(document.getElementById('text')).fontSize)"
    assert page.evaluate(shown) == "light" and page.locator(".original").first.is_hidden()
    before, text = page.evaluate(size), said(page)
    page.click("#larger")
    page.select_option("#theme", "dark")
    page.check("#original")
    page.wait_for_function(f"() => {size} > {before}")
    assert said(page) == text
    page.reload()
    state(page, "over")
    assert page.evaluate(shown) == "dark" and page.locator(".original").first.is_visible()
    assert page.evaluate(size) > before and page.input_value("#theme") == "dark"
    page.select_option("#theme", "system")
    assert page.evaluate(shown) == "light"


def test_larger_letters_and_the_original_leave_one_where_one_reads(opened, server, tmp_path):
    session, text = written(tmp_path, "de", TEXTS["de"], 60)
    page = opened(f"http://127.0.0.1:{server.port}/watch/{session}", 390, 500)
    state(page, "over")
    away = "(() => { const t = document.getElementById('text');"
    away += " return t.scrollHeight - t.clientHeight - t.scrollTop; })()"
    page.wait_for_function(f"() => {away} < 2")
    first = """() => [...document.querySelectorAll('.block')].findIndex((block) =>
      block.getBoundingClientRect().bottom > document.getElementById('text').offsetTop + 2)"""
    for button in ("#larger", "#larger", "#smaller"):
        page.click(button)
        page.wait_for_timeout(200)
        assert page.evaluate(away) < 2
    page.evaluate("document.querySelectorAll('.block')[20].scrollIntoView()")
    page.wait_for_selector("#now", state="visible")
    for button in ("#larger", "#original", "#larger", "#original", "#smaller"):
        page.click(button)
        page.wait_for_timeout(200)
        assert page.evaluate(first) in (19, 20, 21)
    assert said(page) == text.strip()


def test_text_and_files_can_be_taken_away_in_the_end(opened, server, tmp_path):
    session, _ = written(tmp_path, "de", TEXTS["de"])
    page = opened(
        f"http://127.0.0.1:{server.port}/watch/{session}",
        permissions=["clipboard-read", "clipboard-write"],
        accept_downloads=True,
    )
    state(page, "over")
    page.click("#copy")
    page.wait_for_function("() => document.getElementById('copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "\n\n".join([TEXTS["de"]] * 3)
    for kind in ("srt", "vtt", "txt"):
        with page.expect_download() as download:
            page.click(f"#files [data-kind={kind}]")
        assert "Donaudampf" in Path(download.value.path()).read_text("utf-8")


def test_a_listener_needs_neither_eyes_nor_a_mouse(opened, server, tmp_path):
    session, _ = written(tmp_path, "de", TEXTS["de"])
    page = opened(f"http://127.0.0.1:{server.port}/watch/{session}")
    state(page, "over")
    names = page.evaluate(
        """() => [...document.querySelectorAll("select, button, input, main")].map(
             (e) => e.getAttribute("aria-label") || (e.labels?.[0] ?? e).textContent.trim())"""
    )
    assert all(names)
    assert page.locator("#text > div").get_attribute("role") == "log"
    assert page.get_attribute("#status", "role") == "status"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "smaller"


def test_a_link_that_leads_nowhere_shows_a_page(opened, server):
    page = opened(f"http://127.0.0.1:{server.port}/watch/abcdefghijklmnop")
    assert page.inner_text("h1") == "There is nothing to read here"


def test_captions_over_a_picture_have_no_ground(opened, server, tmp_path):
    session, _ = written(tmp_path, "ar", TEXTS["ar"], 4)
    page = opened(f"http://127.0.0.1:{server.port}/watch/{session}/captions?theme=clear&lines=3")
    page.wait_for_selector("#lines div")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.getElementById('lines')).direction") == "rtl"
    height = page.locator("#lines div").first.bounding_box()["height"]
    assert page.locator("main").bounding_box()["height"] == pytest.approx(3 * height, abs=2)


def test_reading_speed_is_shown_when_it_is_exceeded(opened, server):
    page = opened(f"http://127.0.0.1:{server.port}/")
    show = """async (speed) => {
      const { Audience } = await import("/page/audience.js");
      new Audience().take({ reading: { de: { speed, most: 17 } } });
    }"""
    page.evaluate(show, 17)
    assert page.is_hidden("#reading")
    page.evaluate(show, 23.4)
    assert "23 characters a second in German, 17 can be read" in page.inner_text("#reading")
    page.evaluate(show, 3)
    assert page.is_hidden("#reading")
