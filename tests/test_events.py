"""Events as lines of JSON."""

import json
from dataclasses import fields
from typing import get_args

import pytest

from alignatt4llm.events import (
    Commit,
    End,
    Event,
    Preview,
    Source,
    SourceWord,
    TokenTrace,
    Trace,
    to_json,
)


def test_a_source_event_by_hand():
    event = Source(3, (SourceWord("Grüße,", 1.00049, 1.25),), (), 100.0)
    assert to_json(event) == (
        '{"type": "source", "utterance": 3, "committed": '
        '[{"text": "Grüße,", "start": 1.0, "end": 1.25}], "tail": [], "audio_s": 100.0}'
    )


@pytest.mark.parametrize("text", [" Ja,\n“ja”", "我们", "\\", "\u2028", "🙂"])
def test_text_comes_back_as_it_was_on_one_line(text):
    line = to_json(Commit(text, 0, 1.0, 1.5, -1))
    assert "\n" not in line
    assert json.loads(line)["text"] == text


def test_what_is_no_number_is_null():
    token = TokenTrace("a", "", float("nan"), float("inf"), 0.12345, "nonfinite")
    line = to_json(Trace(0, 1, (token,)))

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    [read] = json.loads(line, parse_constant=refuse)["tokens"]
    assert read["accessible"] is None and read["inaccessible"] is None
    assert read["source_mass"] == 0.123


def test_every_type_has_its_own_name_and_no_field_called_type():
    kinds = get_args(Event)
    types = {"source", "commit", "preview", "notice", "trace", "close", "target", "end"}
    assert {kind.type for kind in kinds} == types
    assert not any(field.name == "type" for kind in kinds for field in fields(kind))


def test_the_type_comes_first():
    for event in (Preview("x", 0, "sentence_open"), End(0.0, 0.0, 0.0, 1.0)):
        assert to_json(event).startswith(f'{{"type": "{event.type}", ')
