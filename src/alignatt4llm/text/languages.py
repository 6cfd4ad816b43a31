"""The one table of languages: BCP-47 codes inside, names and aliases at the edge."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from alignatt4llm.errors import Tell, UsageError, silent


@dataclass(frozen=True, slots=True)
class Language:
    """A language as prompts, policies and metrics need to know it.

    Attributes
    ----------
    code
        BCP-47 code, the only form used inside the package.
    name
        English name.
    own_name
        Its name in the language itself.
    separator
        What stands between two words or sentences: a space, or nothing in scripts without spaces.
    aliases
        Other names accepted from users; BCP-47 tags and ISO 639 codes need none.
    stops
        Signs that end a sentence in this language and not in others.
    ordinals
        Whether a full stop after digits makes an ordinal: *am 3. Oktober*.
    from_right
        Whether it is written from right to left.
    """

    code: str
    name: str
    own_name: str
    separator: str = " "
    aliases: tuple[str, ...] = ()
    stops: str = ""
    ordinals: bool = False
    from_right: bool = False

    @property
    def by_character(self) -> bool:
        """Whether the unit is a character (zh, ja, th) rather than a word."""
        return self.separator == ""


LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", "English"),
        Language("de", "German", "Deutsch", ordinals=True),
        Language("it", "Italian", "Italiano"),
        Language("zh", "Chinese", "中文", "", aliases=("mandarin",)),
        Language("cs", "Czech", "Čeština", ordinals=True),
        Language("es", "Spanish", "Español"),
        Language("fr", "French", "Français"),
        Language("ja", "Japanese", "日本語", ""),
        Language("pt", "Portuguese", "Português"),
        Language("ar", "Arabic", "العربية", from_right=True),
        Language("da", "Danish", "Dansk", ordinals=True),
        Language("el", "Greek", "Ελληνικά", stops=";\u037e"),
        Language("fa", "Persian", "فارسی", aliases=("farsi",), from_right=True),
        Language("fi", "Finnish", "Suomi", ordinals=True),
        Language("fil", "Filipino", "Filipino", aliases=("tagalog",)),
        Language("he", "Hebrew", "עברית", from_right=True),
        Language("hi", "Hindi", "हिन्दी"),
        Language("hu", "Hungarian", "Magyar", ordinals=True),
        Language("id", "Indonesian", "Bahasa Indonesia"),
        Language("ko", "Korean", "한국어"),
        Language("mk", "Macedonian", "Македонски"),
        Language("ms", "Malay", "Bahasa Melayu"),
        Language("nl", "Dutch", "Nederlands"),
        Language("pl", "Polish", "Polski", ordinals=True),
        Language("ro", "Romanian", "Română"),
        Language("ru", "Russian", "Русский"),
        Language("sv", "Swedish", "Svenska"),
        Language("th", "Thai", "ไทย", ""),
        Language("tr", "Turkish", "Türkçe", ordinals=True),
        Language("uk", "Ukrainian", "Українська"),
        Language("vi", "Vietnamese", "Tiếng Việt"),
        Language("yue", "Cantonese", "粵語", "", aliases=("zh-hk",)),
    )
}

_DASHES = re.compile("[_\u2010-\u2013\u2212]")


def _plain(name: str) -> str:
    """Return a name without case, its letters, dashes and spaces encoded in one way."""
    return _DASHES.sub("-", unicodedata.normalize("NFKC", name)).strip().lower()


_BY_NAME = {
    _plain(name): language
    for language in LANGUAGES.values()
    for name in (
        language.code,
        language.name,
        language.own_name,
        *language.aliases,
    )
}

NEAR = 12
"""Distance up to which a language may stand for one that is not in the table, as the Common Locale
Data Repository measures it: Danish for Norwegian, German for Luxembourgish, not Spanish for Basque.
"""
_SCRIPTS = {"Hans": "simplified characters", "Latn": "Latin letters", "Cyrl": "Cyrillic letters"}


def language(name: str, tell: Tell = silent) -> Language:
    """Return the language known by a code, a name in English or its own, an alias or a tag.

    A BCP-47 tag stands for its language, whatever the region (``de-AT``, ``es_MX.UTF-8``) and
    what follows it (``en-US-posix``); one that is not in the table for one that is `NEAR`.

    Parameters
    ----------
    name
        What a user calls it.
    tell
        Is told where the language is not quite what was asked for.

    Raises
    ------
    UsageError
        If no language is known by that name; the message suggests the nearest names, and lists
        all that are known.
    """
    tag = re.split("[.@]", _plain(name), maxsplit=1)[0]
    found, notice = (_BY_NAME[tag], "") if tag in _BY_NAME else _by_tag(tag, name.strip())
    if found is None:
        known = ", ".join(f"{entry.code} ({entry.name})" for entry in LANGUAGES.values())
        raise UsageError(f"Unknown language '{name}'{_meant(tag)} Known languages: {known}.")
    if notice:
        tell(notice)
    return found


def _meant(tag: str) -> str:
    """Suggest what may have been meant by a name that is nearly that of a language."""
    from difflib import get_close_matches

    near = {_BY_NAME[name].name: None for name in get_close_matches(tag, _BY_NAME, 3, 0.7)}
    return f"; did you mean {' or '.join(near)}?" if near else "."


def _by_tag(tag: str, name: str) -> tuple[Language | None, str]:
    """Return what a BCP-47 tag stands for, and what is to be said of it; None if nothing does."""
    import langcodes  # takes a tenth of a second, and most names are in the table
    from langcodes.tag_parser import LanguageTagError

    try:
        asked = langcodes.Language.get(langcodes.standardize_tag(tag, macro=True))
    except LanguageTagError:
        return None, ""
    odd = bool(asked.extlangs)  # three letters that are no language within another
    asked = langcodes.Language.make(asked.language, script=asked.script, territory=asked.territory)
    if not asked.language or not asked.is_valid():
        return None, ""
    if asked.language in LANGUAGES:
        found = LANGUAGES[asked.language]
        script = langcodes.Language.get(found.code).maximize().script
        written = f", written in {_SCRIPTS.get(str(script), 'its usual script')}"
        if asked.maximize().script == script:
            written = ""
        return found, f"'{name}' is taken as {found.name}{written}." if written or odd else ""
    nearest = langcodes.closest_supported_match(asked, list(LANGUAGES), max_distance=NEAR)
    if nearest is None:
        return None, ""
    return LANGUAGES[nearest], f"There is no '{name}'; {LANGUAGES[nearest].name} is taken."


def targets(
    names: Iterable[str], source: Language | None, tell: Tell = silent
) -> tuple[Language, ...]:
    """Return the languages that a stream is translated into.

    Parameters
    ----------
    names
        What a user calls them; several in one name have commas between them.
    source
        What is spoken; None if that is not known yet.
    tell
        As for `language`.

    Raises
    ------
    UsageError
        If there is none, if one is unknown, the same as another, or spoken.
    """
    found: dict[Language, str] = {}
    for name in listed(names):
        target = language(name, tell)
        if source:
            Pair(source, target).check()
        if target in found:
            both = f"'{found[target]}' and '{name}' are both {target.name}"
            raise UsageError(f"{both}; name each language once.")
        found[target] = name
    if not found:
        raise UsageError("Name a language to translate into, such as de.")
    return tuple(found)


def listed(names: Iterable[str]) -> list[str]:
    """Return names one by one, of which some are given with commas between them."""
    parts = (part.strip() for text in names for part in _COMMAS.split(text))
    return [part for part in parts if part]


_COMMAS = re.compile("[,;\uff0c\u3001]")
_JOINER = "\u200d"
_LEADING_VOWELS = "เแโใไເແໂໃໄ"
_TRAILING_VOWELS = "ะาำๅະາຳ"


def extends(character: str) -> bool:
    """Whether a character only changes the one before it: accents, vowel signs, joiners."""
    category = unicodedata.category(character)
    return not character.isascii() and category in {"Mn", "Mc", "Me", "Cf", "Sk"}


def inseparable(before: str, after: str) -> bool:
    """Whether two neighbouring characters make one written sign, in any language.

    Marks belong to the letter before them, joined emoji to each other, and the vowels of Thai and
    Lao that stand beside their consonant to that consonant.
    """
    if after.isspace():
        return False
    if extends(after) or before == _JOINER:
        return True
    return before in _LEADING_VOWELS or after in _TRAILING_VOWELS


def unspaced(character: str) -> bool:
    """Whether a letter belongs to a script that writes no spaces between words."""
    name = unicodedata.name(character, "")
    scripts = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
    return character.isalpha() and name.startswith(scripts)


@dataclass(frozen=True, slots=True)
class Pair:
    """A translation direction."""

    source: Language
    target: Language

    def __str__(self) -> str:
        return f"{self.source.code}-{self.target.code}"

    def check(self) -> None:
        """Raise UsageError if both languages are the same."""
        if self.source == self.target:
            raise UsageError(
                f"{self.source.name} is what is spoken; name another language to translate into."
            )

    @classmethod
    def parse(cls, text: str, tell: Tell = silent) -> "Pair":
        """Read ``en-de``; both may be any name of a language (``zh-TW-en-GB``).

        Parameters
        ----------
        text
            Source and target.
        tell
            As for `language`.

        Raises
        ------
        UsageError
            When it is not two known languages, or could be different ones.
        """
        parts = text.split("-") if isinstance(text, str) else []
        if len(parts) < 2:
            raise UsageError(f"'{text}' is not a pair of languages; write it as en-de.")
        cuts = [("-".join(parts[:n]), "-".join(parts[n:])) for n in range(1, len(parts))]
        known = [cut for cut in cuts if is_language(cut[0]) and is_language(cut[1])]
        best = _best(known or cuts[:1])
        pairs = {str(pair): pair for pair in (cls(*map(language, cut)) for cut in best)}
        if len(pairs) > 1:
            raise UsageError(
                f"'{text}' may be {' or '.join(pairs)}; leave the region out, or write it in "
                "capitals."
            )
        return cls(*(language(name, tell) for name in best[0]))


def is_language(name: str) -> bool:
    """Whether a language is known by a name."""
    try:
        language(name)
    except UsageError:
        return False
    return True


def _best(cuts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the likeliest readings: other languages, exactly those, regions in capitals."""
    if len(cuts) == 1:
        return cuts
    import langcodes

    def likely(cut: tuple[str, str]) -> tuple[bool, bool, bool]:
        said: list[str] = []
        source, target = (language(name, said.append) for name in cut)
        cased = all(langcodes.standardize_tag(name) == name for name in cut)
        return source is not target, not said, cased

    ranks = [likely(cut) for cut in cuts]
    return [cut for cut, rank in zip(cuts, ranks, strict=True) if rank == max(ranks)]
