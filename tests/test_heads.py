"""Scores on rows made by hand, the selection on data whose heads are known, and the artefact."""

import json
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alignatt4llm.calibrate import align as align_module
from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.calibrate.calibration import Corpus, calibrate
from alignatt4llm.calibrate.gather import gather, work_folder
from alignatt4llm.calibrate.measure import measure
from alignatt4llm.calibrate.model import Model, check
from alignatt4llm.calibrate.observe import Observation, examples, observe, truncated, whole
from alignatt4llm.calibrate.scores import Evidence, auc, evidence, hits, inaccessible, rank_heads
from alignatt4llm.calibrate.select import RIDGE, Choice, Tokens, grow
from alignatt4llm.cli.heads import find_head_set
from alignatt4llm.draft import Forced
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.heads.headset import FLOOR, HeadScore, HeadSet, Layout
from alignatt4llm.heads.loading import head_set_for, load_head_set, shipped_head_sets
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.text.languages import Pair

DE, ZH = Pair.parse("en-de"), Pair.parse("en-zh")
LAYOUT = Layout(2, 3)
GOOD_PREDICTING, GOOD_OWN, LAST_WORD = (0, 1), (1, 2), (0, 0)


def quiet(_: str) -> None:
    """Tell nobody."""


class Reader:
    """A model whose heads are known, with one token a target word and one a source word.

    Head (0, 1) looks from the predicting position, and (1, 2) from the own one, at the source
    word of the same index (or the last visible one, if that has not arrived); (0, 0) looks at the
    last word, the others at the prompt. A few rows are noisy.
    """

    def __init__(self, fail_after=None):
        self.said = []
        self._fail_after = fail_after

    def force(self, prompt):
        if self._fail_after is not None and len(self.said) >= self._fail_after:
            raise KeyboardInterrupt
        self.said.append(prompt.accepted)
        words = prompt.accepted.split()
        spans, at = [], 0
        for word in words:
            at = prompt.accepted.index(word, at)
            spans.append((at, at + len(word)))
            at += len(word)
        count, begin = len(prompt.words), 4
        rows = np.full((len(words) + 1, 6, begin + count + 3), 0.01, np.float32)
        rows[:, :, 0] = 0.3
        rows[:, LAYOUT.every.index(LAST_WORD), begin + count - 1] = 0.6
        noise = np.random.default_rng(len(self.said))
        for t in range(len(words)):
            target = min(t, count - 1) if noise.random() < 0.9 else int(noise.integers(count))
            rows[t, LAYOUT.every.index(GOOD_PREDICTING), begin + target] = 0.6
            rows[t + 1, LAYOUT.every.index(GOOD_OWN), begin + min(t, count - 1)] = 0.5
        rows /= rows.sum(-1, keepdims=True)
        columns = np.arange(begin, begin + count)
        return Forced(tuple(spans), rows, columns, np.arange(count))


def mirrored(count, first=0):
    """A sentence whose target word i translates source word i."""
    source = " ".join(f"s{first + n}" for n in range(count))
    target = " ".join(f"t{first + n}" for n in range(count))
    return Sentence(source, target, frozenset((n, n) for n in range(count)))


SENTENCES = [mirrored(5 + n % 6, first=n) for n in range(48)]


def model(reader, weights=""):
    return Model("made", None, weights, LAYOUT, reader, FewShotPrompt(DE))


# rows made by hand


def by_hand():
    """Two tokens over three columns of two words; rows at three positions of two heads."""
    rows = np.zeros((3, 2, 3), np.float16)
    rows[0] = [[0.1, 0.3, 0.2], [0.0, 0.1, 0.5]]
    rows[1] = [[0.6, 0.1, 0.1], [0.2, 0.2, 0.3]]
    rows[2] = [[0.2, 0.2, 0.3], [0.4, 0.0, 0.1]]
    peaks = np.array([[1, -1], [0, 2], [-1, 0]], np.int16)
    gold = np.array([[True, False], [False, True]])
    return Observation(rows, peaks, np.array([0, 0, 1]), gold, frontier=2)


def test_source_words_by_hand():
    """Columns 0 and 1 are word 0; token 0 translates word 0, token 1 word 1."""
    predicting, own = evidence(by_hand(), "predicting"), evidence(by_hand(), "own")
    assert hits(predicting.rows, predicting).tolist() == [[True, False], [False, False]]
    assert hits(own.rows, own).tolist() == [[True, True], [False, False]]
    assert predicting.right.tolist() == [[True, True, False], [False, False, True]]
    assert not predicting.late.any()


def test_shares_and_lateness_by_hand():
    """With one accessible word, token 1 is late and word 1 is where it should look."""
    seen = evidence(replace(by_hand(), frontier=1), "predicting")
    assert seen.late.tolist() == [False, True]
    assert seen.right.tolist() == [[True, True, False], [False, False, True]]
    shares = inaccessible(seen.rows, seen)
    np.testing.assert_allclose(shares, [[0.2 / 0.6, 0.5 / 0.6], [0.1 / 0.8, 0.3 / 0.7]], rtol=1e-3)


def test_heads_are_ranked_by_the_published_score():
    reader = model(Reader())
    seen = gathered(reader, SENTENCES[:12])
    scores = {(one.layer, one.head): one for one in rank_heads(LAYOUT.every, seen, "predicting")}
    best, *_ = rank_heads(LAYOUT.every, seen, "predicting")
    assert (best.layer, best.head) == GOOD_OWN
    assert best.ts == best.accuracy == 1
    assert scores[GOOD_PREDICTING].ts_predicting > 0.8 > scores[GOOD_PREDICTING].ts
    assert scores[1, 0].ts == 0
    assert scores[GOOD_PREDICTING].auc > 0.9 > scores[LAST_WORD].auc


def gathered(reader, sentences, tmp=None):
    with work_folder({"test": len(sentences)}) as folder:
        return gather(reader, DE, sentences, folder, quiet)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path / "cache"))


def test_area_by_hand():
    """Of the four pairs two are in order, one is tied and one is not: 2.5 / 4."""
    assert auc(np.array([0.1, 0.5, 0.5, 0.4]), np.array([False, False, True, True])) == 2.5 / 4
    assert np.isnan(auc(np.array([0.1]), np.array([True])))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_area_is_the_share_of_pairs_in_order(drawn):
    late = [score for score, positive in drawn if positive]
    early = [score for score, positive in drawn if not positive]
    pairs = [(a > b) + (a == b) / 2 for a in late for b in early]
    scores, positive = (np.array(column) for column in zip(*drawn, strict=True))
    found = auc(scores, positive)
    assert np.isnan(found) if not pairs else found == pytest.approx(np.mean(pairs))


# examples


def test_a_truncated_source_by_hand():
    """After three of five words: what they support, and the first unit that has not arrived."""
    links = frozenset({(0, 0), (2, 1), (4, 2), (1, 3)})
    sentence = Sentence("a b c. d e", "A C, E B", links)
    example = truncated(sentence, DE, 3)
    assert example.words == ("a", "b", "c")
    assert example.target == "A C, E"
    assert example.gold == (frozenset({0}), frozenset({2}), frozenset({4}))
    assert example.frontier == 2
    assert truncated(sentence, DE, 5) is None
    assert whole(sentence, DE).words[2] == "c."


def test_chinese_units_are_characters():
    sentence = Sentence("We drink tea", "我们 喝茶", frozenset({(0, 0), (0, 1), (1, 2), (2, 3)}))
    assert whole(sentence, ZH).gold == tuple(map(frozenset, ([0], [0], [1], [2])))
    assert truncated(sentence, ZH, 2).target == "我们 喝茶"

    class Pairwise:
        """Says two characters a token."""

        def force(self, prompt):
            rows = np.full((4, 1, 5), 0.2, np.float32)
            return Forced(((0, 3), (3, 5), (5, 6)), rows, np.arange(1, 4), np.arange(3))

    seen = observe(Pairwise(), FewShotPrompt(ZH), ZH, whole(sentence, ZH))
    assert seen.gold.tolist() == [[True, False, False], [False, True, False], [False, False, True]]


def test_a_sentence_without_links_is_no_example():
    assert not list(examples(Sentence("a b c d", "A", frozenset()), DE, seed=0))


@given(st.integers(0, 1000), st.integers(1, 30))
def test_examples_hold_together(seed, count):
    for part, example in examples(mirrored(count), DE, seed):
        assert len(example.gold) == len(example.target.split())
        assert example.frontier == len(example.words) - (part > 0)
        beyond = [max(words) >= len(example.words) for words in example.gold]
        assert beyond == [False] * (len(beyond) - (part > 0)) + [True] * (part > 0)


# one row of many


def test_combination_by_hand():
    rows = np.array([[[0.2, 0.2], [0.1, 0.3]]], np.float32)
    logs = np.log(np.array([[0.5, 0.5], [0.25, 0.75]]) + FLOOR)
    odds = np.exp(2 * logs[0] - logs[1])
    heads = HeadSet("m", "en-de", ((0, 0), (0, 1)), weights=(2.0, -1.0))
    np.testing.assert_allclose(heads.combine(rows)[0], odds / odds.sum(), rtol=1e-5)
    mean = replace(heads, weights=()).combine(rows)
    np.testing.assert_allclose(mean, [[0.15, 0.25]], rtol=1e-6)


@given(
    arrays(np.float32, (3, 4, 5), elements=st.floats(0, 1, width=32)),
    st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
@settings(deadline=None)
def test_a_log_linear_row_is_a_distribution(rows, weights):
    heads = HeadSet("m", "en-de", ((0, 0), (0, 1), (0, 2), (0, 3)), weights=tuple(weights))
    combined = heads.combine(rows)
    looked = rows.sum((1, 2)) > 0
    np.testing.assert_allclose(combined.sum(-1), looked, atol=1e-4)
    assert (combined >= 0).all()
    alone = np.concatenate([heads.combine(row[None]) for row in rows])
    np.testing.assert_allclose(combined, alone, atol=1e-6)


def test_no_columns_and_broken_rows():
    heads = HeadSet("m", "en-de", ((0, 0),), weights=(1.0,))
    assert heads.combine(np.zeros((2, 1, 0), np.float32)).shape == (2, 0)
    assert heads.combine(np.zeros((0, 1, 4), np.float32)).shape == (0, 4)
    assert np.isnan(heads.combine(np.full((1, 1, 2), np.nan, np.float32))).all()


# selection


def test_the_heads_that_are_known_are_chosen():
    seen = gathered(model(Reader()), SENTENCES)
    own = Tokens([evidence(x, "own") for one in seen for x in (one.whole, *one.truncated)])
    path = grow(own, 3)
    assert LAYOUT.every[path[0].heads[0]] == GOOD_OWN
    assert path[0].weights[0] > 0
    losses = [own.loss(choice).mean() for choice in path]
    assert all(later < before + 1e-4 for before, later in pairwise(losses))


@pytest.mark.parametrize("row", ["own", "predicting"])
def test_no_other_weights_are_likelier(row):
    seen = gathered(model(Reader()), SENTENCES)
    tokens = Tokens([evidence(x, row) for one in seen for x in (one.whole, *one.truncated)])
    *_, best = grow(tokens, 4)

    def loss(weights):
        mean = tokens.loss(Choice(best.heads, tuple(weights))).mean()
        return mean + RIDGE * np.square(weights).sum()

    least = loss(best.weights)
    for moved in np.concatenate([np.eye(4), -np.eye(4)]):
        assert loss(best.weights + 0.05 * moved) > least


def test_a_likelihood_by_hand():
    """Two tokens; the first has two right columns of three, the second one of two."""
    rows = [np.array([[[0.5, 0.25, 0.25]]]), np.array([[[0.8, 0.2]]])]
    right = [np.array([[True, False, True]]), np.array([[False, True]])]
    seen = [
        Evidence(r.astype(np.float32), np.arange(r.shape[2]), g, np.array([False]), g, 9)
        for r, g in zip(rows, right, strict=True)
    ]
    found = Tokens(seen).loss(Choice((0,), (1.0,)))
    np.testing.assert_allclose(np.exp(-found), [0.75, 0.2], atol=2e-3)


@pytest.fixture
def calibrated():
    corpus = Corpus("made", *columns(SENTENCES), SENTENCES, 32)
    return calibrate(model(Reader()), DE, corpus, quiet)


def columns(sentences):
    return [one.source for one in sentences], [one.target for one in sentences]


def test_calibration_finds_them_and_measures_on_others(calibrated):
    assert calibrated.row == "own"
    assert calibrated.heads[0] == GOOD_OWN
    held_out = calibrated.origin["held_out"]
    assert held_out["source_word_accuracy"]["value"] == 1
    assert held_out["source_word_accuracy"]["signature"].endswith("n:16|seed:12345")
    assert held_out["all_heads"]["value"] < 1
    assert held_out["truncation_auc"]["value"] > 0.9
    assert calibrated.origin["sentences"] == {"calibration": 32, "held_out": 16}
    assert calibrated.origin["stability"]["largest_ts_difference"] < 0.2


def test_the_predicting_row_is_kept_where_own_is_not_clearly_better():
    class Late(Reader):
        def force(self, prompt):
            forced = super().force(prompt)
            forced.rows[1:, LAYOUT.every.index(GOOD_OWN)] = 0.01
            return forced

    corpus = Corpus("made", *columns(SENTENCES), SENTENCES, 32)
    heads = calibrate(model(Late()), DE, corpus, quiet)
    assert (heads.row, heads.heads[0]) == ("predicting", GOOD_PREDICTING)


def test_measures_need_no_calibration():
    """A published set is measured with its own heads as the best and the top ones."""
    heads = HeadSet("made", "en-de", (GOOD_OWN,), row="own")
    figures = measure(model(Reader()), DE, heads, SENTENCES[:6], quiet)
    assert figures["source_word_accuracy"]["value"] == 1
    assert figures["best_single_head"]["value"] == 1
    assert figures["full_row_top_8"]["value"] == 1
    assert figures["published_recipe"]["value"] < 1, "its filter deletes single peaks"


def test_interrupted_work_resumes():
    first = Reader(fail_after=40)
    corpus = Corpus("made", *columns(SENTENCES), SENTENCES, 48)
    with pytest.raises(KeyboardInterrupt):
        calibrate(model(first), DE, corpus, quiet)
    second, fresh = Reader(), Reader()
    resumed = calibrate(model(second), DE, corpus, quiet)
    calibrate(model(fresh), DE, corpus, quiet)
    assert len(second.said) == len(fresh.said) - 40
    assert resumed.heads[0] in (GOOD_OWN, GOOD_PREDICTING)


def test_work_on_other_weights_is_not_resumed():
    corpus = Corpus("made", *columns(SENTENCES), SENTENCES, 48)
    with pytest.raises(KeyboardInterrupt):
        calibrate(model(Reader(fail_after=40), "old"), DE, corpus, quiet)
    other, same = Reader(), Reader()
    calibrate(model(other, "new"), DE, corpus, quiet)
    calibrate(model(same, "old"), DE, corpus, quiet)
    assert len(other.said) == len(same.said) + 40


def torn(data):
    return data[: len(data) // 2]


def without_rows(data):
    with np.load(BytesIO(data)) as arrays:
        fewer = {name: arrays[name] for name in arrays.files if name != "rows"}
    np.savez(made := BytesIO(), **fewer)
    return made.getvalue()


def flipped(data):
    middle = len(data) // 3
    return (
        data[:middle]
        + bytes(byte ^ 0xFF for byte in data[middle : middle + 40])
        + data[middle + 40 :]
    )


@pytest.mark.parametrize(
    "damage",
    [torn, flipped, without_rows, lambda data: b"", lambda data: bytes(len(data)),
     lambda data: b"no archive", lambda data: data[:-30]],
)  # fmt: skip
def test_damaged_work_is_done_again(tmp_path, damage):
    fresh = gather(model(Reader()), DE, SENTENCES[:4], tmp_path, quiet)
    whole = {path: path.read_bytes() for path in sorted(tmp_path.glob("*.npz"))}
    first = next(iter(whole))
    first.write_bytes(damage(whole[first]))
    again = Reader()
    resumed = gather(model(again), DE, SENTENCES[:4], tmp_path, quiet)
    assert len(again.said) == 1, "only that one"
    for one, other in zip(fresh, resumed, strict=True):
        np.testing.assert_array_equal(one.whole.rows, other.whole.rows)
    assert Observation.load(first).frontier == fresh[0].whole.frontier


@pytest.mark.parametrize(
    "damaged", [b"", bytes(9), b"0-0 1-\n0-0\n", b"0-0\n\xff\xfe\n", b"0\n0\n"]
)
def test_damaged_links_are_made_again(tmp_path, monkeypatch, damaged):
    monkeypatch.setattr(align_module, "align", lambda *texts: SENTENCES[:2])
    path = tmp_path / "links.txt"
    path.write_bytes(damaged)
    assert align_module.aligned(path, *columns(SENTENCES[:2]), DE, quiet) == SENTENCES[:2]
    monkeypatch.delattr(align_module, "align")
    assert align_module.aligned(path, *columns(SENTENCES[:2]), DE, quiet) == SENTENCES[:2]


def test_too_little_to_choose_from():
    with pytest.raises(UsageError, match="Heads cannot be chosen on 3 sentences"):
        Corpus("made", ["a"] * 9, ["b"] * 9, None, 3)
    with pytest.raises(UsageError, match="they have 9 and 8"):
        Corpus("made", ["a"] * 9, ["b"] * 8, None, 8)
    silent = [Sentence("a b", "A B", frozenset())] * 9
    corpus = Corpus("made", *columns(silent), silent, 9)
    with pytest.raises(UsageError, match="Only 0 sentences could be aligned"):
        calibrate(model(Reader()), DE, corpus, quiet)


# the artefact


def test_an_artefact_reads_back(calibrated, tmp_path):
    calibrated.save(tmp_path / "a.json")
    read = load_head_set(tmp_path / "a.json")
    assert replace(read, origin={}) == replace(calibrated, origin={})
    assert read.origin["held_out"] == calibrated.origin["held_out"]


heads_drawn = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, unique=True)


@given(heads_drawn, st.booleans(), st.sampled_from(["own", "predicting"]), st.data())
@settings(deadline=None)
def test_every_artefact_reads_back(tmp_path_factory, heads, weighted, row, data):
    weight = st.floats(-5, 5)
    count = len(heads)
    weights = data.draw(st.lists(weight, min_size=count, max_size=count)) if weighted else []
    ranking = tuple(HeadScore(*head, ts=0.5, auc=0.25) for head in heads)
    one = HeadSet("m/n", "en-zh", tuple(heads), row, tuple(weights), LAYOUT, "main", ranking)
    path = tmp_path_factory.mktemp("artefacts") / "a.json"
    one.save(path)
    assert load_head_set(path) == one


RANKING = {
    "model": "google/gemma-4-E4B-it",
    "direction": "en-de",
    "num_layers": 42,
    "num_heads": 8,
    "used_pairs": 903,
    "used_target_tokens": 11209,
    "token_alignment_heads": [
        {"layer": layer, "head": 3, "ts": 0.8 - layer / 100, "count": 903} for layer in range(12)
    ],
}


def test_a_published_ranking_is_a_head_set(tmp_path):
    path = tmp_path / "published.json"
    path.write_text(json.dumps(RANKING))
    heads = load_head_set(path)
    assert heads.heads == tuple((layer, 3) for layer in range(8))
    assert (heads.row, heads.combination, heads.origin["kind"]) == ("own", "mean", "published")
    assert len(heads.ranking) == 12 and heads.ranking[1].ts == 0.79
    assert heads.layout == Layout(42, 8)


def test_names_find_the_shipped_sets():
    shipped = shipped_head_sets()
    assert {name for name in shipped if name.endswith("en-it")} >= {"gemma-3-270m:en-it"}
    for name in shipped:
        assert find_head_set(name).pair == name.rpartition(":")[2]
    assert find_head_set("google/gemma-4-E4B-it:en-de") == find_head_set("gemma-4-E4B-it:en-de")
    assert find_head_set("gemma-4-E4B-it:en-de").heads[0] == (11, 3)
    assert find_head_set("embedded:en-zh") == head_set_for("gemma-3-270m", "en-zh")
    assert find_head_set("Qwen/Qwen3-1.7B@main:en-de").origin["kind"] == "published"
    with pytest.raises(UsageError, match="Make one with 'alignatt heads calibrate --model MODEL"):
        find_head_set("embedded:en-cs")


def test_a_head_set_must_fit_its_model():
    heads = HeadSet("m", "en-de", ((1, 2),), layout=LAYOUT)
    check(heads, LAYOUT)
    with pytest.raises(AlignattError, match="is for 2 layers of 3 heads; this model has 4 layers"):
        check(heads, Layout(4, 4))
    with pytest.raises(AlignattError, match=r"names head \(1, 2\), counted from 0"):
        check(replace(heads, layout=None), Layout(2, 2))
