"""What readable subtitles keep to, by the name of who asks for it and the language."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import ceil
from pathlib import Path
from typing import Any

from alignatt4llm.errors import UsageError
from alignatt4llm.files.reading import read_json
from alignatt4llm.text.languages import Language, language


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules for cues.

    Attributes
    ----------
    line
        Characters a line at most.
    lines
        Lines a cue at most.
    speed
        Characters a second at most.
    shortest, longest
        Seconds for which a cue shows.
    gap
        Seconds between two cues at least.
    bridge
        Seconds between two cues below which they follow at the least gap; 0 if any gap will do.
    halves
        Whether narrow characters count as half of wide ones.
    """

    line: int = 42
    lines: int = 2
    speed: float = 17
    shortest: float = 5 / 6
    longest: float = 7.0
    gap: float = 2 / 24
    bridge: float = 0.5
    halves: bool = False

    def __post_init__(self) -> None:
        for entry in fields(self):
            _check(entry.name, getattr(self, entry.name))
        if self.longest < self.shortest:
            raise UsageError(
                f"longest is {self.longest:g}; it must not be below shortest, {self.shortest:g}."
            )

    def reading(self, characters: float) -> int:
        """Return the milliseconds for which so many characters must show at least."""
        return max(ceil(characters / self.speed * 1000), milliseconds(self.shortest))


def _check(name: str, value: Any) -> None:
    kind, least = _KINDS[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is bool:
        right = isinstance(value, bool)
    else:
        right = is_number and least <= value < 1e6 and (kind is float or value == int(value))
    if not right:
        raise UsageError(f"{name} is {value!r}; it must be {_WANTED[kind].format(least)}.")


_KINDS: dict[str, tuple[type, float]] = {
    "line": (int, 1),
    "lines": (int, 1),
    "speed": (float, 0.1),
    "shortest": (float, 0),
    "longest": (float, 0.1),
    "gap": (float, 0),
    "bridge": (float, 0),
    "halves": (bool, 0),
}
_WANTED = {
    int: "a whole number, {:g} or more",
    float: "a number, {:g} or more",
    bool: "true or false",
}


def milliseconds(seconds: float) -> int:
    """Return the whole milliseconds that are not less than so many seconds."""
    return ceil(round(seconds * 1000, 6))


NAMED = {
    # Timed Text Style Guide: General Requirements (partnerhelp.netflixstudios.com, article
    # 215758617) and Subtitle Timing Guidelines: 2 frames between cues, and gaps of 3 to 11 frames
    # closed, at 24 frames a second.
    "netflix": Rules(),
    # Subtitle Guidelines (bbc.co.uk/accessibility/forproducts/guides/subtitles): 37 characters in
    # broadcasts; 180 words a minute, at six characters a word with its space; 0.3 s a word, and
    # so one second for the shortest; no gap, or one of 1.5 s.
    "bbc": Rules(line=37, speed=18, shortest=1.0, gap=0.0, bridge=1.5),
    # YouTube has no rules of its own; editors keep to these (subtools.cc, subtitle timing for
    # different platforms).
    "youtube": Rules(speed=20, shortest=1.0, longest=8.0, gap=0.0, bridge=0.0),
    # Upright video: one line of 20 to 30 characters, 20 a second (socaptions.com, sky-scribe.com).
    "social": Rules(line=30, lines=1, speed=20, shortest=0.5, longest=4.0, gap=0.0, bridge=0.0),
}
"""By name, for languages in Latin letters."""

# Netflix's guides by language (the same place: Arabic 215517947, Thai 220448308, Korean 216001127,
# Japanese 215767517, and Simplified Chinese); the speeds as Subtitle Edit checks them.
_WIDE: dict[str, dict[str, Any]] = {
    "zh": {"line": 16, "speed": 9, "halves": True},
    "yue": {"line": 16, "speed": 9, "halves": True},
    "ja": {"line": 13, "speed": 4, "halves": True},
    "ko": {"line": 16, "speed": 12, "halves": True},
    "th": {"line": 35},
}
"""Where a line or a second holds fewer characters, whoever asks."""
_NETFLIX: dict[str, dict[str, Any]] = {
    "en": {"speed": 20},
    "ar": {"speed": 20},
    "hi": {"speed": 22},
}


def rules_for(name: str, spoken: Language) -> Rules:
    """Return the rules of a name for a language.

    Parameters
    ----------
    name
        One of `NAMED`, one with a language (``netflix-de``) that is taken instead, or a JSON file
        with any of the fields of `Rules`, the others being Netflix's for the language.
    spoken
        The language of the subtitles.

    Raises
    ------
    UsageError
        If there are no such rules, or the file holds something else.
    """
    if Path(name).suffix.lower() == ".json":
        return _read(Path(name), _named("netflix", spoken))
    base, _, code = name.partition("-")
    if base not in NAMED:
        known = ", ".join(NAMED)
        raise UsageError(
            f"There are no rules '{name}'; say {known}, one of them with a language such as "
            "netflix-de, or a JSON file with rules."
        )
    return _named(base, language(code) if code else spoken)


def language_of(name: str) -> Language | None:
    """Return the language that a name of rules has in it (``netflix-de``); None if there is none.

    Raises
    ------
    UsageError
        If it is no language.
    """
    base, _, code = name.partition("-")
    return language(code) if base in NAMED and code else None


def _named(name: str, spoken: Language) -> Rules:
    rules = NAMED[name]
    if name == "netflix":
        return replace(rules, **_WIDE.get(spoken.code, {}), **_NETFLIX.get(spoken.code, {}))
    if spoken.code not in _WIDE:
        return rules
    wide = Rules(**_WIDE[spoken.code])
    latin = NAMED["netflix"]
    return replace(
        rules,
        line=max(1, rules.line * wide.line // latin.line),
        speed=rules.speed * wide.speed / latin.speed,
        halves=wide.halves,
    )


def _read(path: Path, base: Rules) -> Rules:
    content = read_json(path)
    known = [entry.name for entry in fields(Rules)]
    if not isinstance(content, Mapping):
        raise UsageError(f"'{path}' must hold a JSON object with rules: {', '.join(known)}.")
    if unknown := [key for key in content if key not in known]:
        raise UsageError(f"'{path}': unknown rule '{unknown[0]}'. Known rules: {', '.join(known)}.")
    try:
        return replace(base, **content)
    except UsageError as problem:
        raise UsageError(f"'{path}': {problem}") from problem
