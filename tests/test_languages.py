"""Names of languages and pairs, and the one dial."""

import unicodedata

import langcodes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.cli.main import main
from alignatt4llm.errors import UsageError
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import LANGUAGES, Pair, language


@pytest.mark.parametrize(
    ("name", "code"),
    [("de", "de"), ("German", "de"), (" deu ", "de"), ("zh_CN", "zh"), ("zh-Hans", "zh")],
)
def test_a_language_has_many_names(name, code):
    assert language(name) is LANGUAGES[code]


TAGS = {
    "de-AT": "de",
    "de_CH.UTF-8": "de",
    "de-DE-1996": "de",
    "es-MX": "es",
    "es-419": "es",
    "pt-BR": "pt",
    "en-IN": "en",
    "en-UK": "en",
    "fr_CA": "fr",
    "nl-BE": "nl",
    "ar-EG": "ar",
    "fa-AF": "fa",
    "zh-CN": "zh",
    "zh-Hans-SG": "zh",
    "zh-cmn-Hans-CN": "zh",
    "zh-HK": "yue",
    "zh-yue": "yue",
    "ja-JP": "ja",
    "ger": "de",
    "cze": "cs",
    "arb": "ar",
    "zsm": "ms",
    "iw": "he",
    "in": "id",
    "tl": "fil",
    "mo": "ro",
    "Deutsch": "de",
    "日本語": "ja",
    "FARSI": "fa",
    "en_US_POSIX": "en",
    "de-AT-1901-u-co-phonebk": "de",
    "pt-BR-informal": "pt",
    "de\u2011AT": "de",
    "\uff44\uff45": "de",
    unicodedata.normalize("NFD", "Fran\u00e7ais"): "fr",
    unicodedata.normalize("NFD", "\ud55c\uad6d\uc5b4"): "ko",
}
"""Tags that stand for a language of the table as it is."""

NEAREST = {
    "zh-TW": ("zh", "'zh-TW' is taken as Chinese, written in simplified characters."),
    "zh-Hant-TW": ("zh", "'zh-Hant-TW' is taken as Chinese, written in simplified characters."),
    "zh_MO": ("zh", "'zh_MO' is taken as Chinese, written in simplified characters."),
    "uk-Latn": ("uk", "'uk-Latn' is taken as Ukrainian, written in Cyrillic letters."),
    "hi-Latn": ("hi", "'hi-Latn' is taken as Hindi, written in its usual script."),
    "ms-Arab": ("ms", "'ms-Arab' is taken as Malay, written in Latin letters."),
    "zh-CHT": ("zh", "'zh-CHT' is taken as Chinese."),
    "de-AUT": ("de", "'de-AUT' is taken as German."),
    "nb": ("da", "There is no 'nb'; Danish is taken."),
    "no-NO": ("da", "There is no 'no-NO'; Danish is taken."),
    "gsw-CH": ("de", "There is no 'gsw-CH'; German is taken."),
}
"""Tags that stand for something else, and what is said of it."""


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_stands_for_its_language(tag):
    told = []
    assert language(tag, told.append) is LANGUAGES[TAGS[tag]] and told == []


@pytest.mark.parametrize("tag", NEAREST)
def test_what_is_not_quite_what_was_asked_for_is_said(tag):
    told, (code, said) = [], NEAREST[tag]
    assert language(tag, told.append) is LANGUAGES[code] and told == [said]


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_goes_by_its_codes(code):
    tag = langcodes.Language.get(code)
    for name in (code, code.upper(), tag.to_alpha3(), tag.to_alpha3(variant="B")):
        assert language(name) is LANGUAGES[code]


@pytest.mark.parametrize(
    "name", ["tlh", "sr-Latn", "cy", "eu", "de-EN", "xx", "und", "mul", "x-de", "", "-", "de-", "d"]
)
def test_what_is_far_from_every_language_is_unknown(name):
    with pytest.raises(UsageError, match="Unknown language"):
        language(name)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_@.-]{1,40}", fullmatch=True))
def test_any_text_is_a_language_or_gets_a_sentence(text):
    for read in (language, Pair.parse):
        try:
            read(text)
        except UsageError as problem:
            assert str(problem)


PAIRS = {
    "en-de-AT": "en-de",
    "zh-TW-en": "zh-en",
    "en-zh-TW": "en-zh",
    "en-US-de-DE": "en-de",
    "en-us-de-de": "en-de",
    "en-zh-Hant-TW": "en-zh",
    "zh-Hans-CN-pt-BR": "zh-pt",
    "zh-HK-en": "yue-en",
    "en_IN-hi": "en-hi",
    "en-in-hi": "en-hi",
    "fr-ca-es": "fr-es",
    "de-de-it": "de-it",
    "en-fr-IT": "en-fr",
    "en-FR-it": "en-it",
    "English-Deutsch": "en-de",
}
"""Pairs of tags; a region never counts as a language where there is another way to read it."""


@pytest.mark.parametrize("text", PAIRS)
def test_pairs_of_tags(text):
    assert str(Pair.parse(text)) == PAIRS[text]


def test_a_pair_that_may_be_two_is_not_guessed():
    with pytest.raises(UsageError, match="'en-fr-it' may be en-fr or en-it"):
        Pair.parse("en-fr-it")


def test_a_pair_tells_what_it_takes():
    told = []
    assert str(Pair.parse("zh-TW-nb", told.append)) == "zh-da"
    assert [sentence.partition(";")[0] for sentence in told] == [
        "'zh-TW' is taken as Chinese, written in simplified characters.",
        "There is no 'nb'",
    ]


def test_the_command_says_what_it_takes(capsys):
    assert main(["translate", "--to", "zh-TW", "--from", "en-IN", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "English to Chinese" in shown.out
    assert shown.err == "'zh-TW' is taken as Chinese, written in simplified characters.\n"


def test_an_unknown_language_is_told_the_known_ones():
    with pytest.raises(UsageError) as caught:
        language("tlh")
    assert "Unknown language 'tlh'" in str(caught.value)
    assert all(f"{code} ({entry.name})" in str(caught.value) for code, entry in LANGUAGES.items())


def test_pairs_are_read_and_written():
    assert str(Pair.parse("english-DE")) == "en-de"
    for text in ("ende", "en", ""):
        with pytest.raises(UsageError, match="write it as en-de"):
            Pair.parse(text)
    with pytest.raises(UsageError, match="Unknown language 'xx'"):
        Pair.parse("en-xx")


def test_languages_without_spaces_are_counted_in_characters():
    counted = {code for code, entry in LANGUAGES.items() if entry.by_character}
    assert counted == {"zh", "ja", "th", "yue"}


def test_more_latency_waits_longer_and_relies_on_less():
    chunks = [latency.chunk for latency in LATENCIES.values()]
    shares = [latency.policy.max_inaccessible for latency in LATENCIES.values()]
    assert list(LATENCIES) == ["low", "medium", "high"]
    assert chunks == sorted(chunks) and shares == sorted(shares, reverse=True)
