"""How steady and how readable a run is, counted from its events."""

import pytest

from alignatt4llm.evaluate.readability import READABILITY
from alignatt4llm.events import (
    Close,
    Commit,
    End,
    Notice,
    Piece,
    Preview,
    Source,
    SourceWord,
    TokenTrace,
    Trace,
    from_json,
    to_json,
)
from alignatt4llm.text.languages import Pair

WORD = SourceWord("eins", 0.0, 1.0)
EVENTS = [
    Source(0, (WORD,), (WORD, WORD), 1.5),
    Commit("Guten", 0, 1.0, 1.25, 0, (Piece("Guten", 0, ((0, 0.5), (1, 0.25))),)),
    Preview("Tag", 0, "peak_inaccessible"),
    Trace(0, 1, (TokenTrace("a", "b", 0.1, 0.2, 0.3, "", ((0, 1.0),)),)),
    Close(0, "eins", "Guten", 0.0, 1.0, 2.0, 1),
    Notice("quiet", "It is quiet.", 2.0),
    End(2.0, 1.0, 0.5, 100.0, ("Guten",), (1000.0,), (1250.0,)),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_read_as_it_was_written(event):
    assert from_json(to_json(event)) == event


def test_what_an_event_does_not_have_is_left_out():
    assert from_json(
        '{"type": "preview", "seq": 3, "text": "a", "utterance": 0, "reason": ""}'
    ) == (Preview("a", 0, ""))


def shown(*steps):
    """Events that say (+) and preview (~) text."""
    for step in steps:
        yield Commit(step[1:], 0, 1.0, 1.0, -1) if step[0] == "+" else Preview(step[1:], 0, "")


FLICKER = {
    "nothing is taken back": (["+Guten", "+ Tag", "+ zusammen"], "de", (0, 3), (0, 3)),
    "a full stop comes later": (["+Guten Tag", "+."], "de", (0, 2), (0, 2)),
    "a preview that comes true": (
        ["~Guten Tag", "+Guten", "~Tag", "+ Tag", "~"],
        "de",
        (0, 2),
        (0, 2),
    ),
    "a preview that changes": (["~Guten Tag", "~Gute Nacht", "+Gute Nacht"], "de", (0, 2), (2, 2)),
    "a preview that goes": (["+Guten", "~Tag heute", "~"], "de", (0, 1), (2, 1)),
    "signs of Chinese": (["~你们好", "~你好", "+你好"], "zh", (0, 2), (2, 2)),
    "nothing": ([], "de", (0, 0), (0, 0)),
}
"""What is shown, in a language: units of said text taken back and said, and with the preview."""


def written(path, events):
    path.write_text("".join(to_json(event) + "\n" for event in events), "utf-8")
    return path


@pytest.mark.parametrize("row", FLICKER)
def test_flicker_by_hand(tmp_path, row):
    steps, code, said, with_preview = FLICKER[row]
    path = written(tmp_path / "a.jsonl", shown(*steps))
    pair = Pair.parse(f"it-{code}")
    assert READABILITY["erasure"][0](path, pair) == said
    counted = READABILITY["preview_erasure"][0](path, pair)
    assert counted == with_preview


def test_reading_speed_and_share_by_hand(tmp_path):
    """Two cues: 34 characters in 4 s; and a word that no line can hold, in 83 / 17 s."""
    long, text = "x" * 83, "Guten Tag, meine Damen und Herren."
    events = [
        Commit(text, 0, 4.0, 4.0, -1),
        Close(0, "a", text, 0.0, 4.0, 4.0, 1),
        Commit(" " + long, 1, 20.0, 20.0, -1),
        Close(1, "b", long, 14.0, 15.0, 20.0, 1),
    ]
    path, pair = written(tmp_path / "a.jsonl", events), Pair.parse("en-de")
    assert READABILITY["characters_per_second"][0](path, pair) == (34 + 83, 4 + 4.883)
    assert READABILITY["cues_within"][0](path, pair) == (1, 2)
