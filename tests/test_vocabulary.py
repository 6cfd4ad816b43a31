"""Tokens to text and back: whole characters, line ends, offsets, and words kept apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import byte_fallback_tokenizer, byte_level_tokenizer
from transformers import GenerationConfig, PreTrainedTokenizer

from alignatt4llm.errors import AlignattError
from alignatt4llm.prompts.prompt import Prompt, source_columns
from alignatt4llm.translators.vocabulary import HubVocabulary

VOCABULARIES = {
    "byte level": HubVocabulary(byte_level_tokenizer(), GenerationConfig(eos_token_id=[1, 5])),
    "byte fallback": HubVocabulary(byte_fallback_tokenizer(), GenerationConfig(eos_token_id=1)),
}
TEXTS = st.text("ab ö—離開火🙂😀𝄞", min_size=1, max_size=12).map(lambda text: f"x{text}x")


@pytest.fixture(params=VOCABULARIES)
def vocabulary(request):
    return VOCABULARIES[request.param]


def after_colon(vocabulary, text):
    """Decode ``text`` as the continuation of a prompt that ends in a colon."""
    prompt = vocabulary.encode("English:")[0]
    ids = vocabulary.encode(f"English:{text}")[0]
    assert ids[: len(prompt)] == prompt
    return vocabulary.decode(prompt, ids[len(prompt) :])


@pytest.mark.parametrize("kind", VOCABULARIES)
@given(text=TEXTS)
@settings(max_examples=60, deadline=None)
def test_drafts_grow_by_whole_characters_only(kind, text):
    vocabulary = VOCABULARIES[kind]
    prompt = vocabulary.encode("English:")[0]
    ids = vocabulary.encode(f"English:{text}")[0][len(prompt) :]
    decoded, ends = vocabulary.decode(prompt, ids)
    assert decoded == text
    assert ends == sorted(ends)
    assert ends[-1] == len(text)
    for count in range(1, len(ids) + 1):
        partial, partial_ends = vocabulary.decode(prompt, ids[:count])
        assert text.startswith(partial)
        assert partial_ends == ends[:count]
        assert len(partial) == partial_ends[-1]


def test_a_split_character_is_complete_at_its_last_token(vocabulary):
    text, ends = after_colon(vocabulary, "😀𝄞")
    assert text == "😀𝄞"
    assert len(ends) > 2
    assert {0, 1, 2} == set(ends)


def test_text_continues_a_prompt_that_ends_in_a_split_character(vocabulary):
    prompt = vocabulary.encode("English: 𝄞")[0]
    ids = vocabulary.encode("English: 𝄞😀x")[0][len(prompt) :]
    text, ends = vocabulary.decode(prompt, ids)
    assert text == "😀x"
    assert ends[-2:] == [1, 2]


def test_the_space_before_the_first_word_stays(vocabulary):
    assert after_colon(vocabulary, " the train")[0] == " the train"


def test_a_line_break_ends_the_text(vocabulary):
    text, ends = after_colon(vocabulary, " Hello.\nWorld")
    assert text == " Hello."
    assert ends[-1] == len(text)


def test_no_tokens_are_no_text(vocabulary):
    assert vocabulary.decode(vocabulary.encode("English:")[0], []) == ("", [])


def test_line_breaks_and_end_tokens_end_a_translation(vocabulary):
    newline = vocabulary.encode("x\n")[0][-1]
    word = vocabulary.encode("x")[0][-1]
    assert vocabulary.ends(newline)
    assert vocabulary.ends(1)
    assert not vocabulary.ends(word)
    assert not vocabulary.says_something(newline)
    assert not vocabulary.says_something(1)


def test_end_tokens_named_by_the_generation_config_count():
    assert VOCABULARIES["byte level"].ends(5)
    assert not VOCABULARIES["byte fallback"].ends(5)
    assert HubVocabulary(byte_level_tokenizer(), None).ends(1)


def test_prompts_begin_with_exactly_one_start_token(vocabulary):
    assert vocabulary.encode("the")[0] == vocabulary.encode("<s>the")[0]
    assert vocabulary.encode("the")[0].count(0) == 1


def test_an_end_token_that_the_tokeniser_adds_is_left_out():
    tokenizer = byte_level_tokenizer()
    tokenizer.backend_tokenizer.post_processor = _closing_post_processor()
    assert tokenizer("the").input_ids[-1] == 1
    vocabulary = HubVocabulary(tokenizer, None)
    ids, offsets = vocabulary.encode("the")
    assert ids == VOCABULARIES["byte level"].encode("the")[0]
    assert len(offsets) == len(ids)
    assert vocabulary.encode("the</s>")[0][-1] == 1


def _closing_post_processor():
    from tokenizers import processors

    return processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )


def test_every_piece_of_a_split_character_carries_its_span(vocabulary):
    _, offsets = vocabulary.encode("a😀b")
    spans = [span for span in offsets if span[1] > span[0]]
    assert spans[0] == (0, 1)
    assert spans[-1] == (2, 3)
    assert len(spans) > 3
    assert set(spans[1:-1]) == {(1, 2)}


@pytest.mark.parametrize(
    ("words", "separator"),
    [
        (("火車", "離開", "😀", "車站"), ""),
        (("the", "😀", "train猫", "狗", "🙂🙂", "leaves"), " "),
        (("x",), " "),
    ],
)
def test_source_columns_cover_each_word_in_order(vocabulary, words, separator):
    prompt = Prompt("English 😀: ", words, "\nDeutsch 😀:", " das 😀", separator)
    _, offsets = vocabulary.encode(prompt.text)
    positions, word_of = source_columns(prompt, offsets)
    assert list(positions) == list(range(positions[0], positions[-1] + 1))
    assert list(word_of) == sorted(word_of)
    found = [set() for _ in words]
    for position, word in zip(positions, word_of, strict=True):
        found[word] |= set(range(*offsets[position]))
    for covered, (start, end) in zip(found, prompt.word_spans, strict=True):
        assert covered >= set(range(start, end))
        assert covered <= set(range(start - len(separator), end + 1))


@pytest.mark.parametrize("text", ["s", "é", "ing", "'s", "-in", "_x", "離"])
def test_letters_would_grow_onto_the_word_before(vocabulary, text):
    assert vocabulary.glues(first_token(vocabulary, text))


@pytest.mark.parametrize("text", [" the", ".", ",", "\n", "?", "</s>"])
def test_spaces_marks_and_line_breaks_may_follow_a_word(vocabulary, text):
    assert not vocabulary.glues(first_token(vocabulary, text))


@pytest.mark.parametrize("mark", [" —", "—", "…", "\t"])
def test_marks_beyond_ascii_may_follow_a_word(mark):
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens(["—", "…", "\t", "s"])
    vocabulary = HubVocabulary(tokenizer, None)
    assert not vocabulary.glues(first_token(vocabulary, mark))
    assert vocabulary.glues(first_token(vocabulary, "s"))


def first_token(vocabulary, text):
    before, whole = vocabulary.encode("x:")[0], vocabulary.encode(f"x:{text}")[0]
    return whole[len(before)]


def test_a_tokeniser_without_offsets_is_refused():
    class Slow(PreTrainedTokenizer):
        vocab_size = 1

        def get_vocab(self):
            return {}

    with pytest.raises(AlignattError, match="offsets"):
        HubVocabulary(Slow(), None)
