"""The code blocks of the README and of docs, and the commands in them.

    python tests/docs_blocks.py

says how many of them the tests run. What cannot be run is marked on the line above the block,
``<!-- not run: why -->``, or ``<!-- fragment -->`` where it is a part of a whole that is tested
otherwise.
"""

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").glob("*.md")]
)
TUTORIALS = ("README.md", "docs/tutorials/")
"""Pages that are for typing along."""
RECORDS = ("docs/log/", "docs/results.md", "docs/speed.md")
"""Pages that tell with which commands, hours of them, figures were made."""
LANGUAGES = {"sh", "python", "json", "yaml", "nginx", "text"}
_BLOCK = re.compile(
    r"(?:^ *<!-- (?:not run: (?P<why>.+)|(?P<part>fragment)) -->\s+)?"
    r"^(?P<indent> *)```(?P<language>.*)\n"
    r"(?P<text>(?:.*\n)*?)^(?P=indent)```$",
    re.MULTILINE,
)
MODELS = re.compile(r"alignatt (demo|doctor|heads check)|--from auto")
"""What the scripted parts cannot stand in for."""
_FATES = {"nothing": "run", "models": "run with models only"}
_ENDS = ("|", "||", "&", "&&", ";", ">", ">>", "<", "(", ")")


@dataclass(frozen=True)
class Block:
    """A code block: the page, the line it begins at, and why it is not run, if it is not."""

    page: str
    line: int
    language: str
    text: str
    why: str | None

    def __str__(self):
        return f"{self.page}:{self.line}"

    @property
    def fate(self):
        """What happens to it in the tests."""
        if self.why:
            return "fragments" if self.why == "fragment" else "marked as not run"
        if self.language in ("text", "nginx"):
            return "only shown"
        if self.language == "python":
            return "run"
        ran = [self.typed and needs(line) for line in lines(self.text)]
        return next((fate for need, fate in _FATES.items() if need in ran), "only parsed")

    @property
    def typed(self):
        """Whether it is typed as it stands."""
        return self.language == "sh" and not (self.why or self.page.startswith(RECORDS))


def blocks_of(text, page=""):
    """Return the blocks of a page's text."""
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            found["text"],
            why,
        )
        for found in _BLOCK.finditer(text)
        for why in [found["why"] or found["part"]]
    ]


def blocks():
    """Return the blocks of every page."""
    paths = ((path, path.relative_to(ROOT).as_posix()) for path in PAGES)
    return [block for path, page in paths for block in blocks_of(path.read_text("utf-8"), page)]


def lines(text):
    """Return the commands of a shell block, continued lines joined."""
    return [line.strip() for line in text.replace("\\\n", " ").split("\n") if line.strip()]


def commands(text, program="alignatt"):
    """Return the arguments of each call of a program in a shell block."""
    return [words[1:] for line in lines(text) for words in _calls(line) if words[0] == program]


def needs(line):
    """Return what a line that is typed needs, ``nothing`` or ``models``; None if it is not run.

    What installs is not run.
    """
    if not (commands(line) or line.startswith("echo ")):
        return None
    return "models" if MODELS.search(line) else "nothing"


def _calls(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call = []
    for word in [*lexer, ";"]:
        if word not in _ENDS:
            if call or not re.match(r"\w+=", word):
                call.append(word)
        elif call:
            yield call
            call = []


if __name__ == "__main__":
    found = Counter(block.fate for block in blocks())
    print("code blocks:", ", ".join(f"{count} {fate}" for fate, count in found.most_common()))
