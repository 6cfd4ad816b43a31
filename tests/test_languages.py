"""Names of languages and pairs, and the one dial."""

import pytest

from alignatt4llm.errors import UsageError
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import LANGUAGES, Pair, language


@pytest.mark.parametrize(
    ("name", "code"),
    [("de", "de"), ("German", "de"), (" deu ", "de"), ("zh_CN", "zh"), ("zh-Hans", "zh")],
)
def test_a_language_has_many_names(name, code):
    assert language(name) is LANGUAGES[code]


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
