"""The one table of languages: BCP-47 codes inside, names and aliases at the edge."""

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
        English name, as prompts say it.
    separator
        What stands between two words or sentences: a space, or nothing.
    aliases
        Other spellings accepted from users.
    """

    code: str
    name: str
    separator: str = " "
    aliases: tuple[str, ...] = ()

    @property
    def by_character(self) -> bool:
        """Whether the target unit is a character (zh, ja) rather than a word."""
        return self.separator == ""


LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", aliases=("eng", "en-us", "en-gb")),
        Language("de", "German", aliases=("deu", "ger", "de-de")),
        Language("it", "Italian", aliases=("ita", "it-it")),
        Language("zh", "Chinese", "", aliases=("zho", "chi", "cmn", "zh-cn", "zh-hans")),
        Language("cs", "Czech", aliases=("ces", "cze", "cs-cz")),
        Language("es", "Spanish", aliases=("spa", "es-es")),
        Language("fr", "French", aliases=("fra", "fre", "fr-fr")),
        Language("ja", "Japanese", "", aliases=("jpn", "ja-jp")),
        Language("pt", "Portuguese", aliases=("por", "pt-pt", "pt-br")),
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
