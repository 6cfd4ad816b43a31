"""Prompts: where the source stands in them, and which token belongs to which word."""

import numpy as np
import pytest
from tiny import byte_fallback_tokenizer, byte_level_tokenizer
from transformers import GenerationConfig

from alignatt4llm.errors import AlignattError
from alignatt4llm.prompts.forms import ChatPrompt, FewShotPrompt
from alignatt4llm.prompts.prompt import Closed, Prompt, source_columns
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.vocabulary import HubVocabulary

EN_DE, EN_ZH, ZH_EN = (Pair.parse(pair) for pair in ("en-de", "en-zh", "zh-en"))
TOKENIZERS = {"byte-level": byte_level_tokenizer, "byte-fallback": byte_fallback_tokenizer}


def columns(prompt, tokenizer):
    """The text of each word as its token columns spell it, and the columns."""
    ids, offsets = HubVocabulary(tokenizer, GenerationConfig()).encode(prompt.text)
    positions, words = source_columns(prompt, offsets)
    spelt = [
        prompt.text[offsets[own[0]][0] : offsets[own[-1]][1]].strip()
        for word in range(len(prompt.words))
        if len(own := positions[words == word])
    ]
    assert len(ids) == len(offsets)
    return spelt, positions, words


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (EN_DE, ["The"]),
        (EN_DE, ["Well,", "the", "train", "—", "that", "one", "—", "leaves."]),
        (EN_DE, ["Hello", "🙂", "world,", "naïve", "café"]),
    ],
)
def test_every_word_has_columns_of_its_own(name, pair, words):
    prompt = FewShotPrompt(pair)(words, "So far", [Closed("The first", "Der erste")])
    spelt, positions, of_word = columns(prompt, TOKENIZERS[name]())
    assert spelt == words
    assert sorted(set(of_word)) == list(range(len(words)))
    assert np.array_equal(positions, np.arange(positions[0], positions[-1] + 1))
    assert np.all(np.diff(of_word) >= 0)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("words", [list("第一班火车🚆七点，离开"), ["第一班", "火车", "離開。"]])
def test_a_token_belongs_to_the_word_of_its_last_character(name, words):
    prompt = FewShotPrompt(ZH_EN)(words)
    _, offsets = HubVocabulary(TOKENIZERS[name](), GenerationConfig()).encode(prompt.text)
    positions, of_word = source_columns(prompt, offsets)
    for position, word in zip(positions, of_word, strict=True):
        start, end = prompt.word_spans[word]
        assert start < offsets[position][1] <= end
    assert offsets[positions[0]][0] <= len(prompt.prefix)
    assert offsets[positions[-1]][1] == prompt.word_spans[-1][1]


def test_columns_by_hand():
    prompt = Prompt("Say: ", ("Well,", "no"), "\n=", " Nun")
    spans = [(0, 0), (0, 3), (3, 5), (5, 9), (9, 10), (10, 13), (13, 14), (14, 15), (15, 19)]
    positions, words = source_columns(prompt, spans)
    assert prompt.text == "Say: Well, no\n= Nun"
    assert prompt.word_spans == [(5, 10), (11, 13)]
    assert positions.tolist() == [3, 4, 5]
    assert words.tolist() == [0, 0, 1]


def test_a_token_across_two_words_belongs_to_the_later_one():
    prompt = Prompt("", ("a", "b"), "!")
    positions, words = source_columns(prompt, [(0, 1), (1, 4)])
    assert (positions.tolist(), words.tolist()) == ([0, 1], [0, 1])


def test_the_pieces_of_one_character_stay_together():
    prompt = Prompt(">", ("é", "🙂"), "")
    spans = [(0, 1), (1, 2), (1, 2), (2, 4), (3, 4), (3, 4), (3, 4)]
    assert source_columns(prompt, spans)[1].tolist() == [0, 0, 1, 1, 1, 1]


def test_offsets_of_another_text_are_refused():
    with pytest.raises(AlignattError, match="not found among the prompt's tokens"):
        source_columns(Prompt("Say: ", ("yes",), ""), [(0, 3), (3, 5)])


def test_the_few_shot_prompt_ends_with_the_accepted_text():
    history = [Closed("Hello.", "Hallo.")]
    prompt = FewShotPrompt(EN_DE)(["We", "saw"], "Wir", history)
    assert prompt.text.endswith("English: Hello.\nDeutsch: Hallo.\n\nEnglish: We saw\nDeutsch: Wir")
    assert FewShotPrompt(EN_DE)(["We"]).text.endswith("English: We\nDeutsch:")
    assert FewShotPrompt(EN_ZH)(["We"], "我们").text.endswith("English: We\n中文: 我们")
    assert FewShotPrompt(ZH_EN)("我们", "We").text.endswith("中文: 我们\nEnglish: We")


def test_only_source_and_accepted_text_change_from_chunk_to_chunk():
    form = FewShotPrompt(EN_DE)
    before, after = form(["We", "saw"], ""), form(["We", "saw", "it"], "Wir")
    assert (before.prefix, before.suffix) == (after.prefix, after.suffix)


CHAT = (
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
BROKEN = {
    "repeated": CHAT + "{{ messages[-1].content }}",
    "altered": CHAT.replace("| trim", "| upper"),
    "dropped": CHAT.replace("in messages", "in messages[:-1]"),
}


def with_template(template):
    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def test_the_chat_prompt_by_hand():
    form = ChatPrompt(EN_DE, with_template(CHAT))
    prompt = form(["We", "saw"], "Wir", [Closed("Hello.", "Hallo.")])
    ending = "<user>Hello.\n<assistant>Hallo.\n<user>We saw\n<assistant>Wir"
    assert prompt.text.endswith(ending)
    assert prompt.text.startswith("<s><user>You interpret live speech from English into German.")
    assert prompt.text.count("We saw") == 1
    assert columns(prompt, with_template(CHAT))[0] == ["We", "saw"]


def test_a_source_that_stands_in_the_history_too_is_found_where_it_is_open():
    form = ChatPrompt(EN_DE, with_template(CHAT))
    prompt = form(["Hello."], "", [Closed("Hello.", "Hallo.")])
    _, positions, _ = columns(prompt, with_template(CHAT))
    ids, offsets = HubVocabulary(with_template(CHAT), GenerationConfig()).encode(prompt.text)
    assert offsets[positions[0]][0] == prompt.text.rindex("Hello.")
    assert positions[-1] < len(ids)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_template_that_spoils_the_source_is_refused(fault):
    with pytest.raises(AlignattError, match="does not keep the source text in one place"):
        ChatPrompt(EN_DE, with_template(BROKEN[fault]))


def test_a_model_without_a_template_is_refused():
    with pytest.raises(AlignattError, match="no chat template; use --prompt few-shot"):
        ChatPrompt(EN_DE, byte_level_tokenizer())
