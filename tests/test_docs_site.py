"""What looks at the built site sees what is wrong with it."""

import runpy

import pytest
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
