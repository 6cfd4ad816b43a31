"""Chinese is taught in simplified characters, however a collection writes it."""

from pathlib import Path

import pytest

from alignatt4llm.adapt.corpus import Data, read_parts
from alignatt4llm.adapt.script import writing
from alignatt4llm.errors import silent
from alignatt4llm.text.languages import Pair

MIXED = ["我們學中文。", "这个国家很大。", "他開車來這裡。", "门开着。", "請說話。"]
SIMPLIFIED = ["我们学中文。", "这个国家很大。", "他开车来这里。", "门开着。", "请说话。"]


@pytest.mark.models
def test_chinese_is_brought_into_simplified_characters() -> None:
    convert = writing(Pair.parse("en-zh").target)
    assert [convert(one) for one in MIXED] == SIMPLIFIED


@pytest.mark.parametrize("pair", ["yue-ja", "en-de"])
def test_other_languages_are_left_as_they_are(pair: str) -> None:
    for language in (Pair.parse(pair).source, Pair.parse(pair).target):
        convert = writing(language)
        assert [convert(one) for one in MIXED] == MIXED


@pytest.mark.models
@pytest.mark.parametrize("name", ["en-zh", "zh-en"])
def test_what_is_read_is_simplified_in_both_directions(tmp_path: Path, name: str) -> None:
    rows = [
        f"{word} {other} are here.\t{left}{right}"
        for word, left in zip(["Cats", "Dogs", "Birds", "Cows", "Bees"], MIXED, strict=True)
        for other, right in zip(["Anna", "Ben", "Carl", "Dora", "Emil"], MIXED, strict=True)
    ]
    (tmp_path / "t.en-zh.tsv").write_text("\n".join(rows), "utf-8")
    pair = Pair.parse(name)
    (part,) = read_parts(
        [Data(str(tmp_path / "t.{}.tsv"))], pair, 0, silent, links=tmp_path / "links"
    )
    side = [one.target if name == "en-zh" else one.source for one in part.sentences]
    assert side and set(side) <= {one + other for one in SIMPLIFIED for other in SIMPLIFIED}
