"""Events as Server-Sent Events for those who only read along: the text and little else."""

import json
from collections.abc import Iterable
from typing import Any

from alignatt4llm.events import Close, Commit, Source
from alignatt4llm.outputs.lines import joins, parts
from alignatt4llm.serve.journals.journal import Journal
from alignatt4llm.text.languages import Language
from alignatt4llm.text.printable import json_line

FILES = ("srt", "vtt", "txt")
"""Outputs that listeners are offered."""


def frame(kind: str, content: dict[str, Any], number: int | None = None) -> bytes:
    """Write one event."""
    told = "" if number is None else f"id: {number}\n"
    return f"{told}event: {kind}\ndata: {json_line(content)}\n\n".encode()


def heading(journal: Journal) -> bytes:
    """Write what a listener needs to know of a session: its languages, the files there will be."""
    targets = [_described(target) for target in journal.targets]
    source = _described(journal.source)
    return frame("session", {"from": source, "to": targets, "files": FILES})


def numbered(lines: Iterable[str], target: Language) -> bytes:
    """Write the events of a journal that concern a target."""
    return b"".join(_numbered(json.loads(line), target) for line in lines)


def heard(source: Source, spoken: Language) -> bytes:
    """Write a source event as the text that is heard, and what may follow it."""
    words = {"committed": source.committed, "tail": source.tail}
    texts = {
        part: spoken.separator.join(word.text for word in each) for part, each in words.items()
    }
    return frame(Source.type, texts)


def _numbered(event: dict[str, Any], target: Language) -> bytes:
    if event.get("to", "") not in ("", target.code):
        return b""
    if event["type"] == Commit.type:
        text = event["text"]
        content: dict[str, Any] = {"parts": parts(text, target), "joins": joins(text, target)}
    elif event["type"] == Close.type:
        content = {"source": event["source"], "target": event["target"]}
    else:
        return b""
    return frame(event["type"], content, event["seq"])


def _described(language: Language) -> dict[str, str]:
    direction = "rtl" if language.from_right else "ltr"
    return {"code": language.code, "name": language.own_name, "dir": direction}
