"""Version 1 of the text protocol of MT servers: other recognisers send words, text comes back.

What clients send is read here; `docs/protocol.md` describes it.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.pieces import are_pieces, grouped
from alignatt4llm.serve.errors import BadMessage
from alignatt4llm.serve.fields import Fields, number
from alignatt4llm.serve.messages import pair_of
from alignatt4llm.session import MOST_HISTORY, SessionSettings
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Language, Pair

VERSION = 1
_WHITE = re.compile(r"\s+")
_PREFIX = "translation_alignatt_"
"""Overrides may be written with the name that their first server gave them inside."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a client may set for its session.

    Attributes
    ----------
    settings
        History and budget of the session.
    inaccessible_ms
        Milliseconds before the clock in which no word counts as committed yet.
    hold_back
        Units at the end of what is accepted that are shown with the final text only.
    min_emit
        New units below which nothing is shown.
    ignored
        Names of overrides that mean nothing here.
    """

    settings: SessionSettings
    inaccessible_ms: float = 0.0
    hold_back: int = 0
    min_emit: int = 0
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Init:
    """The first message.

    ``accepted`` is what was shown of the open utterance before the client reconnected, ``context``
    what the model should know besides the words, ``told`` what one should know about the languages.
    """

    pair: Pair
    latency: str
    preset: str
    overrides: Overrides
    history: tuple[tuple[str, str], ...]
    accepted: str
    context: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """The whole open utterance as the client's recogniser has it now.

    ``words`` are its committed words, ``tail`` is its guess for what follows; times that the
    client does not know are None. Times are in seconds. Where texts begin with a space, they are
    pieces of words; see `recognizers.pieces`.
    """

    seq: int
    utterance: int
    words: tuple[tuple[str, float | None, float | None], ...]
    tail: tuple[str, ...]
    clock: float
    final: bool

    def in_words(self, language: Language, final: bool) -> "Update":
        """Return it with words where the client sends pieces of them; see `recognizers.pieces`.

        The last committed word may still grow unless another follows, or the update is final; it
        is tail until then.
        """
        texts = [*(text for text, _, _ in self.words), *self.tail]
        if not are_pieces(texts, language):
            return self
        heard = [group.word for group in grouped(texts, language)]
        groups = grouped(texts[: len(self.words)], language)
        known = [group.word for group in groups]
        followed = len(heard) > len(known) and known == heard[: len(known)]
        words = tuple(
            (one.word, self.words[one.first][1], self.words[one.last][2])
            for one in (groups if final or followed else groups[:-1])
        )
        return replace(self, words=words, tail=tuple(heard[len(words) :]))

    def given(self, words: int, language: Language) -> int:
        """Count what the client sent for the first ``words`` of `in_words`."""
        texts = [*(text for text, _, _ in self.words), *self.tail]
        if not words or not are_pieces(texts, language):
            return words
        return max(group.last for group in grouped(texts, language)[:words]) + 1


def read(text: str) -> Init | Update:
    """Read a message; unknown keys are ignored, as this protocol has it.

    Raises
    ------
    BadMessage, Unsupported
        If it is none of the protocol's, or names an unknown language.
    """
    fields = Fields.parse(text)
    if fields.choice("type", ("init", "update")) == "init":
        return _init(fields)
    return _update(fields)


def seq_of(text: str) -> int | None:
    """Return the number of a message that is otherwise bad, to answer it."""
    try:
        return Fields.parse(text).integer("seq")
    except BadMessage:
        return None


def _init(fields: Fields) -> Init:
    if fields.integer("protocol_version") != VERSION:
        raise BadMessage(f"'protocol_version' must be {VERSION}.")
    told: list[str] = []
    pair = pair_of(fields.text("source_lang"), fields.text("target_lang"), told.append)
    preset = fields.text("preset", "", longest=100)
    latency = _latency(preset)
    overrides = _overrides(fields.inner("overrides"), LATENCIES[latency].session)
    history = tuple(map(_turn, fields.items("history", [], most=MOST_HISTORY)))
    return Init(
        pair,
        latency,
        preset,
        overrides,
        history,
        fields.text("accepted_target_prefix", ""),
        fields.text("context_text", "", longest=100_000),
        tuple(told),
    )


def _latency(preset: str) -> str:
    """Find the latency that a preset's name speaks of."""
    if not preset:
        return "medium"
    found = [name for name in LATENCIES if name in preset.lower().split("_")]
    if len(found) != 1:
        raise BadMessage(f"'preset' must name one of: {', '.join(LATENCIES)}.")
    return found[0]


def _overrides(given: Fields, default: SessionSettings) -> Overrides:
    known = Fields({key.removeprefix(_PREFIX): value for key, value in given.entries()})
    used = {
        "inaccessible_ms",
        "hold_back_target_units",
        "min_emit_target_units",
        "partial_max_new_tokens",
        "max_history_utterances",
    }
    try:
        settings = SessionSettings(
            default.source,
            known.integer("max_history_utterances", default.history, most=MOST_HISTORY),
            known.integer("partial_max_new_tokens", default.budget, most=1000),
        )
    except UsageError as problem:
        raise BadMessage(str(problem)) from problem
    return Overrides(
        settings,
        known.number("inaccessible_ms", 0.0, most=60_000),
        known.integer("hold_back_target_units", 0, most=1000),
        known.integer("min_emit_target_units", 0, most=1000),
        tuple(sorted({name for name, _ in known.entries()} - used)),
    )


def _turn(value: Any) -> tuple[str, str]:
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(text, str) for text in value)
    ):
        raise BadMessage("'history' must be a list of [source, target] pairs.")
    return value[0], value[1]


def _update(fields: Fields) -> Update:
    tail = fields.inner("tail").items("words", [], most=2000)
    return Update(
        fields.integer("seq"),
        fields.integer("utterance_id"),
        tuple(word for word in map(_word, fields.items("words", most=2000)) if word[0].strip()),
        tuple(text for text, _, _ in map(_word, tail) if text.strip()),
        fields.number("clock_ms", 0.0) / 1000,
        fields.flag("is_final", False),
    )


def _word(value: Any) -> tuple[str, float | None, float | None]:
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[0], str):
        raise BadMessage("Words must be lists of [text, start_ms, end_ms].")
    text = Fields({"word": value[0]}).text("word", longest=1000)
    return _WHITE.sub(" ", text).rstrip(), _seconds(value[1]), _seconds(value[2])


def _seconds(value: Any) -> float | None:
    return None if value is None else number(value, "A time") / 1000


def placed(update: Update, count: int, before: float, clock: float) -> list[SourceWord]:
    """Give the committed words from ``count`` on times that never run backwards.

    Parameters
    ----------
    update
        Has the words.
    count
        Words to leave out.
    before
        End of the last word before these, in seconds.
    clock
        Now; a word without an end is taken to end now.
    """
    words = []
    for text, start, end in update.words[count:]:
        begin = max(before, before if start is None else start)
        before = max(begin, clock if end is None else end)
        words.append(SourceWord(text, begin, before))
    return words
