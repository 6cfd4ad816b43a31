"""The one table of languages: BCP-47 codes inside, names and aliases at the edge."""

import unicodedata
from dataclasses import dataclass

from alignatt4llm.errors import UsageError


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
        Other spellings accepted from users.
    stops
        Signs that end a sentence in this language and not in others.
    ordinals
        Whether a full stop after digits makes an ordinal: *am 3. Oktober*.
    """

    code: str
    name: str
    own_name: str
    separator: str = " "
    aliases: tuple[str, ...] = ()
    stops: str = ""
    ordinals: bool = False

    @property
    def by_character(self) -> bool:
        """Whether the unit is a character (zh, ja, th) rather than a word."""
        return self.separator == ""


LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", "English", aliases=("eng", "en-us", "en-gb")),
        Language("de", "German", "Deutsch", aliases=("deu", "ger", "de-de"), ordinals=True),
        Language("it", "Italian", "Italiano", aliases=("ita", "it-it")),
        Language("zh", "Chinese", "中文", "", aliases=("zho", "chi", "cmn", "zh-cn", "zh-hans")),
        Language("cs", "Czech", "Čeština", aliases=("ces", "cze", "cs-cz"), ordinals=True),
        Language("es", "Spanish", "Español", aliases=("spa", "es-es")),
        Language("fr", "French", "Français", aliases=("fra", "fre", "fr-fr")),
        Language("ja", "Japanese", "日本語", "", aliases=("jpn", "ja-jp")),
        Language("pt", "Portuguese", "Português", aliases=("por", "pt-pt", "pt-br")),
        Language("ar", "Arabic", "العربية", aliases=("ara", "arb")),
        Language("da", "Danish", "Dansk", aliases=("dan",), ordinals=True),
        Language("el", "Greek", "Ελληνικά", aliases=("ell", "gre"), stops=";\u037e"),
        Language("fa", "Persian", "فارسی", aliases=("fas", "per", "farsi")),
        Language("fi", "Finnish", "Suomi", aliases=("fin",), ordinals=True),
        Language("fil", "Filipino", "Filipino", aliases=("tl", "tagalog")),
        Language("he", "Hebrew", "עברית", aliases=("heb", "iw")),
        Language("hi", "Hindi", "हिन्दी", aliases=("hin",)),
        Language("hu", "Hungarian", "Magyar", aliases=("hun",), ordinals=True),
        Language("id", "Indonesian", "Bahasa Indonesia", aliases=("ind",)),
        Language("ko", "Korean", "한국어", aliases=("kor", "ko-kr")),
        Language("mk", "Macedonian", "Македонски", aliases=("mkd", "mac")),
        Language("ms", "Malay", "Bahasa Melayu", aliases=("msa", "may")),
        Language("nl", "Dutch", "Nederlands", aliases=("nld", "dut")),
        Language("pl", "Polish", "Polski", aliases=("pol",), ordinals=True),
        Language("ro", "Romanian", "Română", aliases=("ron", "rum")),
        Language("ru", "Russian", "Русский", aliases=("rus",)),
        Language("sv", "Swedish", "Svenska", aliases=("swe",)),
        Language("th", "Thai", "ไทย", "", aliases=("tha", "th-th")),
        Language("tr", "Turkish", "Türkçe", aliases=("tur",), ordinals=True),
        Language("uk", "Ukrainian", "Українська", aliases=("ukr",)),
        Language("vi", "Vietnamese", "Tiếng Việt", aliases=("vie",)),
        Language("yue", "Cantonese", "粵語", "", aliases=("zh-hk", "zh-yue")),
    )
}

_BY_ALIAS = {
    alias: language
    for language in LANGUAGES.values()
    for alias in (language.code, language.name.lower(), *language.aliases)
}


def language(name: str) -> Language:
    """Return the language known by a code, an English name or an alias.

    Raises
    ------
    UsageError
        If no language is known by that name; the message lists those that are.
    """
    found = _BY_ALIAS.get(name.strip().lower().replace("_", "-"))
    if found is None:
        known = ", ".join(f"{entry.code} ({entry.name})" for entry in LANGUAGES.values())
        raise UsageError(f"Unknown language '{name}'. Known languages: {known}.")
    return found


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

    @classmethod
    def parse(cls, text: str) -> "Pair":
        """Read ``en-de``; raise UsageError when it is not two known languages."""
        source, dash, target = text.partition("-")
        if not dash:
            raise UsageError(f"'{text}' is not a pair of languages; write it as en-de.")
        return cls(language(source), language(target))
