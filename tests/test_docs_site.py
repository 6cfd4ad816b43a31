"""What looks at the built site sees what is wrong with it; the site needs no server."""

import os
import runpy
import subprocess
import sys

import pytest
from browsing import CHROMIUM, browsing
from docs_blocks import ROOT

problems = runpy.run_path(str(ROOT / "scripts" / "site" / "check.py"))["problems"]

PAGES = [
    # HTML of a page beside other.html, how many problems it has
    ('<a href="other.html#there">a</a> <a href="#top" id="top">b</a> <a href="#">c</a>', 0),
    ('<a href="sub/">a</a> <a href="sub/index.html">b</a> <a href=".">c</a>', 0),
    ('<a href="https://x.org/">a</a> <a href="mailto:a@b.c">b</a>', 0),
    ('<a href="none.html">a</a>', 1),
    ('<a href="other.html#here">a</a>', 1),
    ('<a href="#nowhere">a</a>', 1),
    ('<img src="none.png">', 1),
    ('<script src="https://x.org/a.js"></script>', 1),
    ('<link rel="stylesheet" href="//x.org/a.css">', 1),
    ('<a href="a%20b.txt">a</a> <a href="a b.txt?x=1">b</a>', 0),
]


@pytest.mark.parametrize(("html", "count"), PAGES)
def test_problems_of_a_site_are_seen(html, count, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("<p>")
    (tmp_path / "other.html").write_text('<h1 id="there">')
    (tmp_path / "a b.txt").touch()
    (tmp_path / "index.html").write_text(html)
    assert len(problems(tmp_path)) == count


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")
def test_a_site_in_a_folder_can_be_searched(tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")
    pytest.importorskip("material", reason="needs the extra 'docs'")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", tmp_path / "site"]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    with browsing(sync_api, tmp_path) as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        for name in ("index", "tutorials/hall"):
            page.goto((tmp_path / "site" / f"{name}.html").as_uri())
            code = page.locator("pre code").first
            assert code.evaluate("code => code.scrollWidth <= code.clientWidth")
            page.locator("[data-md-component=search-query]").press_sequentially("glossary")
            page.locator(".md-search-result__link[href*=context]").first.wait_for(timeout=60_000)
