"""Head sets and alignments that come from files, and what is wrong with some."""

import json

import pytest

from alignatt4llm.calibrate.align import read_published, read_sentences
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.text.languages import Pair

DE, ZH = Pair.parse("en-de"), Pair.parse("en-zh")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 1}, "is a head set of version 1; this program reads version 2"),
        ({"heads": []}, "names no heads"),
        ({"row": "next"}, "must be 'predicting' or 'own'"),
        ({"pair": "en"}, "is not a pair of languages"),
        ({"origin": None, "ranking": None}, "is not a readable head set"),
        *(
            ({"origin": odd}, "'origin' is no object")
            for odd in (None, [], "me", 7, [["key", "k"]])
        ),
        ({"pair": 5}, "is not a pair of languages"),
        ({"heads": [3]}, "is not a readable head set"),
        ({"heads": [{"layer": float("inf"), "head": 0}]}, "is not a readable head set"),
        ({"layout": "30 by 8"}, "is not a readable head set"),
    ],
)
def test_broken_artefacts_are_refused(tmp_path, change, sentence):
    path = tmp_path / "a.json"
    HeadSet("m", "en-de", ((0, 0),)).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(AlignattError, match=sentence):
        load_head_set(path)
    with pytest.raises(AlignattError, match="is not a readable head set"):
        load_head_set(tmp_path / "none.json")


def write(folder, **texts):
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]


@pytest.mark.parametrize(
    ("links", "sentence"),
    [
        ("0-0\n0-x\n", "line 2: '0-x' is not a link"),
        ("0-0\n1-0 0-2\n", "line 2: link 0-2 is beyond the sentence, which has 2 source and 2"),
        ("0-0\n", "must have the same number of lines"),
    ],
)
def test_errors_in_alignments_name_the_line(tmp_path, links, sentence):
    files = write(tmp_path, src="a b\nc d\n", tgt="A B\nC D\n", gold=links)
    with pytest.raises(UsageError, match=sentence):
        read_sentences(*files, DE)


def test_alignments_of_characters(tmp_path):
    files = write(tmp_path, src="we drink\n", tgt="我们 喝\n", gold="0-0 0-1 1-2\n")
    (sentence,) = read_sentences(*files, ZH)
    assert sentence.links == {(0, 0), (0, 1), (1, 2)}
    with pytest.raises(UsageError, match="2 source and 3 target units"):
        read_sentences(*files[:2], *write(tmp_path, bad="0-3\n"), ZH)


def test_the_published_schema_is_read(tmp_path):
    entry = {
        "source_text": "We drink tea.",
        "target_text": "Wir trinken Tee.",
        "source_words": ["We", "drink", "tea", "."],
        "target_words": ["Wir", "trinken", "Tee", "."],
        "alignments": [
            {"source_span": [0, 1], "target_span": [0, 1]},
            {"source_span": [1, 3], "target_span": [1, 3]},
        ],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps([entry]))
    (sentence,) = read_published(path, DE)
    assert sentence.links == {(0, 0), (1, 1), (1, 2), (2, 1), (2, 2)}
    path.write_text(json.dumps([entry, entry | {"source_words": ["No"]}]))
    with pytest.raises(UsageError, match="entry 2 cannot be used"):
        read_published(path, DE)
