"""A speaker with a microphone and three languages, and five listeners, in a real browser."""

import pytest
from journals import journal_of
from test_watch_page import (
    OBSERVE,
    browser,
    drop_a_listener,
    opened,
    pytestmark,  # noqa: F401
    server,
    state,
    wait_for_words,
)

from alignatt4llm.events import Close, Commit
from alignatt4llm.serve.journals.journal import events_of

__all__ = ["browser", "opened", "server"]
LANGUAGES = ["de", "it", "zh"]
VISIBLE = "#text > div:visible"


def of(events, kind, code):
    return [event for event in events if isinstance(event, kind) and event.to == code]


def starts(speaker):
    speaker.wait_for_selector("#pair option", state="attached")
    speaker.select_option("#pair", "en-de")
    speaker.click("#others summary")
    speaker.select_option("#more", ["en-it", "en-zh"])
    speaker.click("#toggle")
    speaker.wait_for_selector("#share:not([hidden])")
    return speaker.get_attribute("#watch", "href")


@pytest.mark.usefixtures("browser")
def test_all_end_with_the_journal_whatever_they_change_or_lose(opened, server, tmp_path):
    speaker = opened(f"http://127.0.0.1:{server.port}/", permissions=["microphone"])
    link = starts(speaker)
    asked = ["de", "it", "zh", "de", "it"]
    pages = [opened(f"{link}?to={code}", 390, 700) for code in asked]
    for page in pages:
        state(page, "live")
        page.evaluate(OBSERVE)
    speaker.wait_for_function("() => document.getElementById('count').textContent === '5'")
    assert speaker.text_content("#listeners") == "German: 2, Italian: 2, Chinese: 1"
    wait_for_words(pages[0], 6)
    drop_a_listener(server)
    for page, code in ((pages[3], "zh"), (pages[4], "de")):
        page.select_option("#language", code)
        page.evaluate(OBSERVE.replace(".said", f"[lang={code}] .said"))
    wait_for_words(pages[0], 18)
    speaker.click("#toggle")
    state(speaker, "ended")
    journal = journal_of(tmp_path / f"{link.rsplit('/', 1)[1]}.jsonl")
    events = list(events_of(journal))
    for page, code in zip(pages, ["de", "it", "zh", "zh", "de"], strict=True):
        state(page, "over")
        shown = page.locator(f"{VISIBLE} .said > div").all_text_contents()
        assert "".join(shown) == "".join(commit.text for commit in of(events, Commit, code)) != ""
        assert page.evaluate("window.changes") == []
        heard = " ".join(page.locator(f"{VISIBLE} .heard").all_text_contents())
        closed = " ".join(close.source for close in of(events, Close, code))
        assert heard.split() == closed.split()
