"""When each unit of the translation was said."""

from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.delays import Delays, peak_memory_mb
from alignatt4llm.text.languages import language
from alignatt4llm.text.units import units

DE, ZH = language("de"), language("zh")


def timed(target, *texts):
    delays = Delays(target)
    for second, text in enumerate(texts, start=1):
        delays.add(text, float(second), second + 0.5)
    return delays


def test_a_word_is_timed_when_its_first_character_is_said():
    delays = timed(DE, "Das Haus", ",", " das", " Tür", "chen.")
    assert delays.units == ["Das", "Haus,", "das", "Türchen."]
    assert delays.delays == [1000, 1000, 3000, 4000]
    assert delays.elapsed == [1500, 1500, 3500, 4500]


def test_characters_are_timed_one_by_one():
    delays = timed(ZH, "我们", "用 G", "PT。")
    assert delays.units == list("我们用GPT。")
    assert delays.delays == [1000, 1000, 2000, 2000, 3000, 3000, 3000]


@given(
    st.lists(st.text("ab 他,", max_size=6).map(str.rstrip), max_size=8),
    st.sampled_from([DE, ZH]),
)
def test_units_are_those_of_the_whole_text(texts, target):
    delays = timed(target, *texts)
    assert delays.units == units("".join(texts), target)
    assert len(delays.units) == len(delays.delays) == len(delays.elapsed)
    assert delays.delays == sorted(delays.delays)


def test_this_process_needs_some_memory():
    assert 1 < peak_memory_mb() < 1_000_000
