"""Look at a built site: every link leads somewhere, and nothing is loaded from elsewhere.

python scripts/site/check.py site
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that a browser loads something for, by the attribute that says what."""


class Seen(HTMLParser):
    """The links of a page, what it loads, and what links to it may name.

    Attributes
    ----------
    links, loaded
        Addresses as they are written.
    names
        What may stand behind ``#``.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.names = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what an element links to, loads and is called."""
        known = {name: value for name, value in attributes if value}
        self.names |= {known[name] for name in ("id", "name") if name in known}
        if tag == "a" and "href" in known:
            self.links.add(known["href"])
        if known.get(LOADED.get(tag, "")):
            self.loaded.add(known[LOADED[tag]])


def problems(site: Path) -> list[str]:
    """Return a line for every dead link and everything that is loaded from elsewhere."""
    pages = {path: Seen(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links are those of the server's root
            continue
        said = path.relative_to(site)
        found += [f"{said}: loads {address}" for address in page.loaded if elsewhere(address)]
        for address in (page.links | page.loaded) - {"#"}:
            if not elsewhere(address) and not _leads(path, address, pages):
                found.append(f"{said}: {address} leads nowhere")
    return sorted(found)


def elsewhere(address: str) -> bool:
    """Whether an address is on another machine, or of another kind than a page."""
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)


def _leads(path: Path, address: str, pages: dict[Path, Seen]) -> bool:
    parts = urlsplit(address)
    there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if there.is_dir():
        there /= "index.html"
    named = there not in pages or unquote(parts.fragment) in pages[there].names
    return there.exists() and named


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    if wrong := problems(folder):
        sys.exit("\n".join(wrong))
    count = sum(1 for _ in folder.rglob("*.html"))
    print(f"{folder.name}: {count} pages, no dead link, nothing loaded from elsewhere")
