"""Drafts that reuse what is there are the drafts from scratch, alone and in a crowd."""

import random
import time
from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
import torch
from tiny import save_checkpoint
from tiny_gguf import save_gguf

from alignatt4llm.attention.packed import Feed, Stream
from alignatt4llm.draft import TokenEvidence
from alignatt4llm.errors import PromptTooLong
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.prompt import Prompt
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators import stepper as stepping
from alignatt4llm.translators.drafting import Choices, Drafting
from alignatt4llm.translators.llamacpp.translator import LlamaTranslator
from alignatt4llm.translators.stepper import Stepper
from alignatt4llm.translators.transformers import TransformersTranslator

WORDS = ("the", "first", "train", "leaves", "at", "seven", "we", "found", "that", "memory")
PAIR = Pair.parse("en-de")


def in_transformers(folder, family):
    save_checkpoint(folder, family)
    return TransformersTranslator(folder, threads=1, dtype=torch.float32)


def in_llama_cpp(folder, family):
    save_gguf(folder / "tiny.gguf", family)
    return LlamaTranslator(folder / "tiny.gguf", streams=5, threads=1, guess=10, precise=True)


ENGINES = [
    *(
        pytest.param((in_transformers, family), id=family)
        for family in ("llama", "gemma3", "gemma4")
    ),
    *(
        pytest.param((in_llama_cpp, family), id=f"gguf-{family}")
        for family in ("llama", "gemma3", "qwen3")
    ),
]


@pytest.fixture(scope="module", params=ENGINES)
def translator(request, tmp_path_factory):
    load, family = request.param
    return load(tmp_path_factory.mktemp(family), family)


def head_set(row="predicting"):
    return HeadSet("tiny", "en-de", ((1, 2), (0, 1), (3, 3)), row)


def prompt(words, accepted=""):
    return Prompt("English: ", tuple(words), "\nDeutsch:", f" {accepted}" if accepted else "")


def held_by_mass(most):
    """Hold tokens that put more than ``most`` of their source attention on the last word."""

    def judge(rows, words):
        mean = rows.mean(1)
        share = mean[:, words == words[-1]].sum(-1) / np.maximum(mean.sum(-1), 1e-9)
        return [
            TokenEvidence(0, 0.0, float(each), 0.0, "last word" if each > most else "")
            for each in share
        ]

    return judge


def session(seed, length=12):
    """Yield prompts as a session makes them: words come and change, drafts are partly accepted.

    With each goes what holds tokens, and what is held of the last draft.
    """
    chance, words, accepted, said = random.Random(seed), ["we"], "", None
    held = ()
    for _ in range(length):
        if chance.random() < 0.7:
            words = [*words, *chance.choices(WORDS, k=chance.randint(1, 3))][-20:]
        elif chance.random() < 0.3:
            words, accepted, held = words[-2:], "", ()
        draft = yield prompt(words, accepted), chance.choice([0.05, 0.2, 0.5, None]), held
        held = (*draft.ids, *draft.guess)
        if draft.ends and chance.random() < 0.7:
            cut = chance.choice(draft.ends)
            accepted, said = (accepted + draft.text[:cut]).strip()[-60:], draft
            rest = draft.beyond(cut)
            held = (*rest.ids, *rest.guess)
    assert said is not None


def drafts(drafter_of, seed, budget=10, guessing=True):
    talk, made = session(seed), []
    asked = next(talk)
    while True:
        text, most, held = asked
        judge = held_by_mass(most) if most else None
        made.append(drafter_of().draft(text, budget, judge, held if guessing else ()))
        try:
            asked = talk.send(made[-1])
        except StopIteration:
            return made


def assert_same(one, other):
    assert (one.text, one.ids, one.ends, one.ended) == (
        other.text,
        other.ids,
        other.ends,
        other.ended,
    )
    np.testing.assert_allclose(one.rows, other.rows, atol=1e-4)
    np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-3)
    np.testing.assert_array_equal(one.words, other.words)
    assert [token.hold for token in one.evidence] == [token.hold for token in other.evidence]


@pytest.mark.parametrize("row", ["predicting", "own"])
@pytest.mark.parametrize("seed", range(4))
def test_reused_keys_and_recycled_drafts_change_nothing(translator, row, seed):
    kept = translator.open(PAIR, head_set(row))
    reused = drafts(lambda: kept, seed)
    fresh = drafts(lambda: translator.open(PAIR, head_set(row)), seed, guessing=False)
    assert len(reused) == len(fresh) == 12
    for one, other in zip(reused, fresh, strict=True):
        assert_same(one, other)


def test_what_every_prompt_begins_with_is_read_once_for_all_streams(translator):
    beginning = "English: we found\nDeutsch: wir fanden\n\nEnglish: "

    def asked(words):
        return replace(prompt(words), prefix=beginning)

    plain = fresh_draft(translator, asked(["the", "train"]))
    first = translator.open(PAIR, head_set(), beginning)
    before = translator.stepper.counters.tokens
    second = translator.open(PAIR, head_set(), beginning)
    assert translator.stepper.counters.tokens == before
    other = asked(["at", "seven"])
    assert_same(first.draft(other, 8), fresh_draft(translator, other))
    before = translator.stepper.counters.tokens
    assert_same(second.draft(asked(["the", "train"]), 8), plain)
    ids, _ = translator.vocabulary.encode(beginning)
    every, _ = translator.vocabulary.encode(asked(["the", "train"]).text)
    fed = translator.stepper.counters.tokens - before
    assert fed < len(every) - len(ids) + 8 + 2


def fresh_draft(translator, asked):
    return translator.open(PAIR, head_set()).draft(asked, 8)


def test_streams_that_step_together_say_what_they_say_alone(translator):
    seeds = range(5)
    alone = {}
    for seed in seeds:
        drafter = translator.open(PAIR, head_set())
        alone[seed] = drafts(lambda drafter=drafter: drafter, seed)
    before, together = translator.stepper.counters.passes, {}

    def run(seed):
        drafter = translator.open(PAIR, head_set())
        together[seed] = drafts(lambda: drafter, seed)

    threads = [Thread(target=run, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passes = translator.stepper.counters.passes - before
    for seed in seeds:
        for one, other in zip(alone[seed], together[seed], strict=True):
            assert_same(one, other)
    assert passes < sum(len(draft.ids) + 1 for made in alone.values() for draft in made)


def test_a_draft_asked_for_again_is_verified_not_decoded(translator):
    drafter = translator.open(PAIR, head_set())
    first = drafter.draft(prompt(WORDS), 8)
    counters = translator.stepper.counters
    before = counters.passes
    again = drafter.draft(prompt(WORDS), 8, guess=(*first.ids, *first.guess))
    assert_same(first, again)
    assert counters.passes - before <= 1 + 8 - len(first.ids)  # a loop is cut and met again


def test_drafting_ends_after_the_first_held_token(translator):
    whole = translator.open(PAIR, head_set()).draft(prompt(WORDS), 10)
    judge = held_by_mass(0.1)
    evidence = judge(whole.rows, whole.words)
    count = next((n for n, token in enumerate(evidence) if token.hold), len(evidence))
    stopped = translator.open(PAIR, head_set()).draft(prompt(WORDS), 10, judge)
    assert len(stopped.ids) == min(len(whole.ids), count + 1)
    assert stopped.ids == whole.ids[: len(stopped.ids)]
    assert [token.hold for token in stopped.evidence] == [
        token.hold for token in evidence[: len(stopped.ids)]
    ]


@pytest.mark.parametrize("row", ["predicting", "own"])
def test_every_row_is_judged_once_in_the_pass_that_reads_it(translator, row):
    judged = []

    def judge(rows, words):
        judged.extend(row.tobytes() for row in rows)
        return held_by_mass(2)(rows, words)

    drafter = translator.open(PAIR, head_set(row))
    first = drafter.draft(prompt(WORDS), 8, judge)
    drafter.draft(prompt(WORDS), 8, judge, guess=first.ids)
    again = drafter.draft(prompt(WORDS), 8, judge, guess=(*first.ids[:3], *first.ids[:3]))
    assert len(again.evidence) == len(again.ids)
    assert len(judged) <= 3 * (len(first.ids) + 8)
    del judged[:]
    fresh = translator.open(PAIR, head_set(row)).draft(prompt(WORDS), 8, judge)
    assert judged[: len(fresh.ids)] == [row.tobytes() for row in fresh.rows]
    assert len(judged) == len(set(judged))


class Written:
    """A chooser that says prepared tokens; a position's row is its number at the source."""

    def __init__(self, tokens, source=2):
        self.tokens, self.source = tokens, source
        self.passes = 0

    def choose(self, known, guess, needed):
        self.passes += 1
        begin = len(known) - 1
        rows = np.zeros((1 + len(guess), 1, self.source), np.float32)
        for index in range(len(rows)):
            rows[index, 0, 0] = begin + index
        count = needed(rows)
        after = [(token, 0.0) for token in self.tokens[begin : begin + count]]
        return Choices(after + [(0, 0.0)] * (count - len(after)), rows)


class Spelled:
    """Tokens that are pieces of text; a line break ends."""

    def __init__(self, pieces):
        self.pieces = pieces

    def ends(self, token):
        return "\n" in self.pieces[token]

    def says_something(self, token):
        return bool(self.pieces[token].partition("\n")[0].strip())

    def is_punctuation(self, token):
        return not any(map(str.isalnum, self.pieces[token]))

    def glues(self, token):
        return False

    def decode(self, before, ids):
        text = "".join(self.pieces[token] for token in ids)
        ends = [
            len("".join(self.pieces[i] for i in ids[: n + 1]).strip("\n")) for n in range(len(ids))
        ]
        return text.partition("\n")[0], ends


MERGED = Spelled(["", " I", " come", " home", ".\n", "\n", " zu Hause.\n"])


@pytest.mark.parametrize("guess", [(), (1, 2), (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5), (1, 3)])
@pytest.mark.parametrize("judged", [False, True])
@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ((1, 2, 3, 4), " I come home."),
        ((1, 2, 3, 5), " I come home"),
        ((1, 2, 6), " I come zu Hause."),
        ((6,), " zu Hause."),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_a_draft_that_ends_within_a_token_has_ended_with_all_it_says(
    own, tokens, text, guess, judged
):
    draft = Drafting(Written(tokens), MERGED, [0], (1, 2), own=own, unglued=False).run(
        guess, 9, np.arange(2), held_by_mass(2) if judged else None
    )
    assert (draft.text, draft.ended) == (text, True)
    assert len(draft.ids) == len(draft.rows) == len(draft.logprobs)
    read = [n + own for n in range(len(draft.ids))]
    if own and draft.ids[-1] == 4:  # a full stop looks where the word before it does
        read[-1] = read[-2]
    assert [row[0, 0] for row in draft.rows] == read
    assert len(draft.evidence) == (len(draft.ids) if judged else 0)
    assert draft.guess == ()


@pytest.mark.parametrize("own", [False, True])
def test_a_draft_that_its_budget_ends_has_not_ended(own):
    draft = Drafting(Written((1, 2, 3, 4)), MERGED, [0], (1, 2), own=own, unglued=False).run(
        (), 3, np.arange(2), None
    )
    assert not draft.ended
    assert [*draft.ids, *draft.guess] == [1, 2, 3]


def test_a_prompt_that_does_not_fit_is_refused(translator):
    drafter = translator.open(PAIR, head_set())
    with pytest.raises(PromptTooLong, match="context is 512"):
        drafter.draft(prompt(WORDS * 60), 8)
    assert drafter.draft(prompt(WORDS), 4).ids


def test_forced_rows_are_those_of_drafting(translator):
    drafter = translator.open(PAIR, head_set())
    draft = drafter.draft(prompt(WORDS), 6)
    forced = translator.open(PAIR, head_set()).force(prompt(WORDS, "x" + draft.text))
    assert forced.rows.shape[0] == len(forced.spans) + 1
    np.testing.assert_array_equal(forced.words, draft.words)
    assert forced.rows[:, :, forced.columns].shape[2] == draft.rows.shape[2]


def test_one_feed_that_fails_does_not_harm_the_others():
    served = []

    def run(feeds):
        if "bad" in [feed.ids for feed in feeds]:
            raise RuntimeError("no such token")
        served.extend(feed.ids for feed in feeds)

    stepper, problems = Stepper(run), []

    class Feed:
        def __init__(self, ids):
            self.ids = ids

    def step(ids):
        with stepper.drafting():
            try:
                stepper.step(Feed(ids))
            except RuntimeError as problem:
                problems.append((ids, str(problem)))

    threads = [Thread(target=step, args=(ids,)) for ids in ("one", "bad", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(served) == ["one", "two"]
    assert problems == [("bad", "no such token")]


def test_streams_that_came_during_a_pass_wait_for_those_who_were_in_it(monkeypatch):
    monkeypatch.setattr(stepping, "PATIENCE", 0.2)
    passes = []

    def run(feeds):
        time.sleep(0.3)  # whoever comes meanwhile waits longer than anyone's patience
        passes.append(len(feeds))

    stepper = Stepper(run)

    def draft():
        with stepper.drafting():
            for _ in range(4):
                stepper.step(Feed(Stream(), [1]))
                time.sleep(0.02)

    threads = [Thread(target=draft) for _ in range(4)]
    threads[0].start()
    while not stepper.counters.passes:
        time.sleep(0.001)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert passes == [1, 4, 4, 4, 3]
