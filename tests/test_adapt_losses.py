"""Lessons in tokens, and the two losses: golden values, and rows against eager attention."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import FAMILIES, byte_fallback_tokenizer, byte_level_tokenizer, tiny_model

from alignatt4llm.adapt.curriculum import Curriculum, Subject
from alignatt4llm.adapt.encode import encode
from alignatt4llm.adapt.lessons import continued, prefix, whole
from alignatt4llm.adapt.losses import Batch, guided_loss, token_loss
from alignatt4llm.adapt.passage import Passage
from alignatt4llm.adapt.scores import draft
from alignatt4llm.adapt.settings import TeachingSettings
from alignatt4llm.adapt.student import Student
from alignatt4llm.adapt.teaching import rate
from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.heads.headset import FLOOR
from alignatt4llm.prompts.forms import prompt_form
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.vocabulary import HubVocabulary

DE, ZH = Pair.parse("en-de"), Pair.parse("en-zh")
TOKENIZERS = {"byte-level": byte_level_tokenizer(), "byte-fallback": byte_fallback_tokenizer()}


def passage(source, target, links, pair=DE):
    found = frozenset(tuple(map(int, link.split("-"))) for link in links.split())
    return Passage.of(Sentence(source, target, found), pair)


TRAIN = passage("The train leaves now.", "Der Zug fährt jetzt.", "0-0 1-1 2-2 3-3")
NOW = passage("The train leaves now.", "Jetzt fährt der Zug.", "0-2 1-3 2-1 3-0")
CHINESE = passage("The train leaves.", "列车离开。", "1-0 1-1 2-2 2-3", ZH)


def encoded(lesson, tokenizer="byte-level"):
    vocabulary = HubVocabulary(TOKENIZERS[tokenizer], None)
    form = prompt_form(TOKENIZERS[tokenizer], lesson.pair, "taught")
    return encode(lesson, form, vocabulary)


def text(tokens, tokenizer):
    return TOKENIZERS[tokenizer].decode(tokens, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize(
    ("lesson", "before", "said"),
    [
        (whole(TRAIN, DE), "English: The train leaves now.\nGerman:", " Der Zug fährt jetzt.\n"),
        (prefix(TRAIN, DE, 2), "English: The train\nGerman:", " Der Zug\n"),
        (prefix(NOW, DE, 2), "English: The train\nGerman:", "\n"),
        (continued(whole(TRAIN, DE), 0.5), "English: The train leaves now.\nGerman: Der Zug",
         " fährt jetzt.\n"),
        (prefix(CHINESE, ZH, 2), "English: The train\nChinese:", " 列车\n"),
        (continued(whole(CHINESE, ZH), 0.5), "English: The train leaves.\nChinese: 列车",
         "离开。\n"),
    ],
)  # fmt: skip
def test_what_is_to_be_said_follows_the_prompt_of_a_session(tokenizer, lesson, before, said):
    one = encoded(lesson, tokenizer)
    assert text(one.ids[: one.prompt], tokenizer).removeprefix("<s>").strip() == before
    assert text(one.labels, tokenizer).strip(" ") == said.strip(" ")
    assert one.places == list(range(one.prompt - 1, one.prompt - 1 + len(one.labels)))
    assert one.ids[one.prompt : one.prompt + len(one.labels) - 1] == one.labels[:-1]


def looked_at(one, lesson):
    places, right = one.looks()
    words = [sorted({lesson.words[n] for n in one.words[row]}) for row in right]
    return list(zip(places, words, strict=True))


def test_rows_look_at_the_word_that_a_token_translates():
    lesson = whole(TRAIN, DE)
    one = encoded(lesson)
    seen = looked_at(one, lesson)
    assert [place for place, _ in seen] == list(range(one.first - 1, len(one.ids) - 1))
    assert [words[0] for _, words in seen] == sorted(
        (words[0] for _, words in seen), key=lesson.words.index
    )
    assert {words[0] for _, words in seen} == set(lesson.words)


def test_rows_of_what_has_not_arrived_look_at_the_last_word():
    lesson = prefix(NOW, DE, 2)
    one = encoded(lesson)
    assert lesson.target == "Jetzt fährt der Zug."
    seen = looked_at(one, lesson)
    assert seen[0] == (one.first - 1, ["train"]), "where it waits, too"
    assert seen[-1][1] == ["train"] and ["The"] in [words for _, words in seen]


def test_a_misheard_word_translates_nothing_but_is_the_last():
    lesson = prefix(TRAIN, DE, 3, misheard=True)
    one = encoded(lesson)
    assert lesson.words == ("The", "train", "lea")
    assert [words for _, words in looked_at(one, lesson)][-1] == ["lea"]
    assert all(words != ["leaves"] for _, words in looked_at(one, lesson))


@given(st.integers(0, 500))
@settings(max_examples=60, deadline=None)
def test_tokens_of_every_lesson_are_those_of_its_text(number):
    lessons = Curriculum([[Subject(DE, (TRAIN, NOW))], [Subject(ZH, (CHINESE,))]], 3)
    lesson = lessons[number]
    for tokenizer in TOKENIZERS:
        one = encoded(lesson, tokenizer)
        said = text([*one.ids[one.first : one.prompt], *one.labels], tokenizer)
        assert said.strip() == lesson.target[: lesson.said].strip()
        assert said.endswith("\n") == lesson.ends
        assert max(one.places) < len(one.ids)
        places, right = one.looks()
        assert right.any(1).all() and len(places) == len(right)


def test_token_loss_is_the_mean_surprise():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    expected = (math.log(2) + math.log(4 / 3)) / 2
    assert token_loss(logits, torch.tensor([1, 0])).item() == pytest.approx(expected)


def test_guided_loss_is_the_mean_surprise_at_the_right_columns():
    rows = torch.tensor([[[0.5, 0.3, 0.1, 0.1], [0.8, 0.0, 0.0, 0.2]]])  # one token, two heads
    source = torch.tensor([[False, True, True, True]])
    right = torch.tensor([[False, True, True, False]])
    expected = -(math.log(0.4 / 0.5 + FLOOR) + math.log(FLOOR)) / 2
    assert guided_loss(rows, source, right).item() == pytest.approx(expected, rel=1e-5)


def test_without_rows_nothing_is_guided():
    rows, none = torch.zeros(0, 2, 4), torch.zeros(0, 4, dtype=torch.bool)
    assert guided_loss(rows, none, none).item() == 0
    assert guided_loss(torch.zeros(1, 0, 4), none[:0], none[:0]).item() == 0


@pytest.mark.parametrize(("step", "share"), [(0, 0.25), (3, 1.0), (4, 1.0), (7, 0.5), (10, 0.0)])
def test_the_rate_rises_and_falls(step, share):
    chosen = TeachingSettings(steps=10, warmup=4, rate=8e-4)
    assert rate(step, chosen) == pytest.approx(8e-4 * share, abs=1e-12)


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def student(request):
    return Student(tiny_model(request.param), TOKENIZERS["byte-level"], 4)


LESSONS = (whole(TRAIN, DE), prefix(NOW, DE, 2), continued(whole(CHINESE, ZH), 0.5))
HEADS = ((3, 1), (0, 2))


def test_logits_and_rows_are_the_models_own_in_every_family(student):
    every = [encoded(lesson) for lesson in LESSONS]
    batch = Batch.of(every)
    with torch.no_grad():
        logits, rows = student.read(batch, HEADS)
        logit, row = iter(logits), iter(rows)
        for one in every:
            seen = student.model(torch.tensor([one.ids]), output_attentions=True)
            for place in one.places:
                assert torch.allclose(next(logit), seen.logits[0, place], atol=1e-3)
            for place in one.looks()[0]:
                mine = next(row)
                for n, (layer, head) in enumerate(HEADS):
                    theirs = seen.attentions[layer][0, head, place]
                    assert torch.allclose(mine[n, : len(theirs)], theirs, atol=1e-4)
    assert next(logit, None) is None and next(row, None) is None


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_both_losses_teach_and_the_model_itself_stays(family):
    wide = {"sliding_window": 256} if "sliding_window" in FAMILIES[family][2] else {}
    student = Student(tiny_model(family, **wide), TOKENIZERS["byte-level"], 4)
    batch = Batch.of([encoded(lesson) for lesson in LESSONS])
    before = {name: weight.clone() for name, weight in student.model.named_parameters()}
    optimizer = torch.optim.AdamW(student.weights, lr=1e-2)
    losses = []
    for _ in range(12):
        logits, rows = student.read(batch, HEADS)
        said, looked = (
            token_loss(logits, batch.labels),
            guided_loss(rows, batch.source, batch.right),
        )
        optimizer.zero_grad()
        (said + looked).backward()
        optimizer.step()
        losses.append((said.item(), looked.item()))
    first, last = np.array(losses[0]), np.array(losses[-1])
    assert (last < first).all(), (first, last)
    moved = {n for n, w in student.model.named_parameters() if not torch.equal(w, before[n])}
    assert moved and all("lora_" in name for name in moved)


def test_drafts_of_a_batch_are_those_of_each_alone():
    model = tiny_model("qwen3")
    student = Student(model, TOKENIZERS["byte-level"], 4)
    every = [encoded(lesson) for lesson in LESSONS]
    together = draft(student, every)
    assert together == [draft(student, [one])[0] for one in every]
    assert together[2].startswith("列车"), "with what had been said"


def test_models_without_linear_layers_are_refused():
    from alignatt4llm.adapt.student import linear_layers
    from alignatt4llm.errors import AlignattError

    bare = SimpleNamespace(get_decoder=lambda: torch.nn.Embedding(2, 2))
    with pytest.raises(AlignattError, match="no linear layers"):
        linear_layers(bare)
