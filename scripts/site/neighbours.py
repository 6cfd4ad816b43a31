"""A hook of MkDocs: the pages that lie beside ``docs/`` in the checkout belong to the site too.

The README is its first page. Links lead from file to file in the checkout; on the site they lead
from page to page.
"""

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "THIRD_PARTY_NOTICES.md": "notices.md",
}
"""Files of the checkout, and what they are called on the site."""
FILES = {page: file for file, page in PAGES.items()}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
"""A link to another file: picture or not, text, file, anchor."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for file, page in PAGES.items():
        content = (ROOT / file).read_text("utf-8")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files into links between pages; what is no page is named instead."""
    here = page.file.src_uri
    file = FILES.get(here, f"docs/{here}")
    return LINK.sub(lambda link: _on_site(link, file, here), markdown)


def _on_site(link: re.Match[str], file: str, page: str) -> str:
    picture, text, target, anchor = link.groups("")
    path = normpath(f"{dirname(file)}/{target}".lstrip("/"))
    if path in PAGES or path.startswith("docs/"):
        there = PAGES.get(path, path.removeprefix("docs/"))
        return f"{picture}[{text}]({relpath(there, dirname(page) or '.')}{anchor})"
    return f"{text} (`{path}`)"
