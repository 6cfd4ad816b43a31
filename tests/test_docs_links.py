"""Links between the Markdown files lead somewhere, and none names a machine."""

import re
import unicodedata

import pytest
from docs_blocks import PAGES, ROOT

FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^\s>)]+)>?(?:\s+[\"'][^)]*)?\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)
NAMED = re.compile(r"(?:id|name)=\"([^\"]+)\"|\{ *#([\w-]+)")
MACHINE = re.compile(r"(?<![\w.])/(?:home/(?!you\b)\w|root\b|work\b|Users/\w|tmp/wt\b)|file://")
PICTURES = sorted((ROOT / "docs" / "images").iterdir())


def prose(text):
    """Return a page without what stands in code."""
    return CODE.sub("", FENCED.sub("", text))


def links(text):
    """Return where the links of a page lead."""
    return [inline or defined for inline, defined in LINK.findall(prose(text))]


def anchors(text):
    """Return what links to a page may name behind #."""
    found = {one or other for one, other in NAMED.findall(text)}
    for heading in HEADING.findall(FENCED.sub("", text)):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        letters = unicodedata.normalize("NFKC", shown).lower()
        slug = re.sub(r"[^\w\- ]", "", letters).strip().replace(" ", "-")
        number = 1
        while slug in found:
            slug = f"{slug.removesuffix(f'-{number - 1}')}-{number}"
            number += 1
        found.add(slug)
    return found


def dead(path, text):
    """Return the links of a page that lead nowhere."""
    lost = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve()
        found = not target or (there.exists() and there.is_relative_to(ROOT))
        if not found or (
            anchor and anchor not in anchors(there.read_text("utf-8") if target else text)
        ):
            lost.append(link)
    return lost


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    assert dead(path, path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_page_names_a_machine(path):
    assert MACHINE.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_are_shown_and_small(picture):
    assert picture.stat().st_size < 200_000
    assert any(picture.name in path.read_text("utf-8") for path in PAGES)


SEEN = [
    # Markdown of a page beside README.md, what is dead in it
    ("[a](README.md) [b](README.md#in-python) [c](https://x.org/#y) [d](mailto:a@b.c)", []),
    ("[a](REDME.md)", ["REDME.md"]),
    ("[a](README.md#in-perl)", ["README.md#in-perl"]),
    ("![a](docs/images/none.png)", ["docs/images/none.png"]),
    ("[a *b* `c`](docs)\n[![p](none.svg)](docs)", ["none.svg"]),
    ("[a](<none.md>) [b](none.md 'title')", ["none.md", "none.md"]),
    ("[a][1]\n\n[1]: none.md", ["none.md"]),
    ("[a](../outside.md)", ["../outside.md"]),
    ("# One two\n# One `two`\n[a](#one-two) [b](#one-two-1) [c](#one-two-2)", ["#one-two-2"]),
    ("# A & B: [c](docs)!\n[a](#a--b-c)", []),
    ("# Übung\n[a](#übung)", []),
    ("`[a](none.md)`\n```text\n# x\n[a](none.md)\n```\n[b](#x)", ["#x"]),
]


@pytest.mark.parametrize(("markdown", "lost"), SEEN)
def test_dead_links_are_seen(markdown, lost):
    assert dead(ROOT / "page.md", markdown) == lost


@pytest.mark.parametrize("text", ["/home/ada/talk", "in `/root/x`", "file:///a", "/Users/ada"])
def test_machines_are_seen(text):
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", ["~/.cache", "/srv/talk", "serve/page/home/a", "/dev/stdout"])
def test_paths_for_everybody_are_let_be(text):
    assert not MACHINE.search(text)
