"""Streams in llama.cpp: what they say, what they refuse, and what they cost in memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sessions import decided
from test_drafting import PAIR, assert_same, drafts, head_set, prompt
from tiny import byte_fallback_tokenizer, byte_level_tokenizer
from tiny_gguf import save_gguf, widened

from alignatt4llm import interpreter
from alignatt4llm.cli.main import parser
from alignatt4llm.cli.system import system
from alignatt4llm.errors import AlignattError, PromptTooLong
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.llamacpp import binding, context, pace
from alignatt4llm.translators.llamacpp.feed import Feed
from alignatt4llm.translators.llamacpp.pace import measure
from alignatt4llm.translators.llamacpp.template import ChatTemplate
from alignatt4llm.translators.llamacpp.translator import LlamaTranslator
from alignatt4llm.translators.transformers import TransformersTranslator
from alignatt4llm.weights.models import resolve_gguf


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    save_gguf(file, "qwen3")
    return file


def tiny(file, **options):
    return LlamaTranslator(file, threads=1, precise=True, **options)


@pytest.mark.parametrize("name", ["en-de", pytest.param("en-zh", marks=pytest.mark.slow)])
def test_a_stream_commits_and_holds_as_in_transformers(embedded_llm, tmp_path_factory, name):
    heads = head_set_for("gemma-3-270m", name)
    file = widened(resolve_gguf("embedded").location, tmp_path_factory.getbasetemp() / "f32.gguf")
    translator = LlamaTranslator(file, threads=1, guess=4, precise=True)
    pair = Pair.parse(name)
    said, held = decided(translator, heads, pair)
    translator.close()
    reference = TransformersTranslator(embedded_llm, threads=1, dtype=torch.float32)
    assert (said, held) == decided(reference, heads, pair)
    assert len(said) > 3
    assert any(hold for trace in held for *_, hold in trace)


@pytest.mark.parametrize("guess", [0, 1, 3])
def test_how_much_is_guessed_changes_nothing(tiny_file, guess):
    one, other = tiny(tiny_file, guess=guess), tiny(tiny_file, guess=10)
    for seed in range(2):
        kept, fresh = (each.open(PAIR, head_set()) for each in (one, other))
        made = [drafts(lambda drafter=each: drafter, seed) for each in (kept, fresh)]
        for mine, theirs in zip(*made, strict=True):
            assert_same(mine, theirs)


def test_a_stream_that_lost_its_place_says_the_same(tiny_file):
    crowded, roomy = tiny(tiny_file, streams=1), tiny(tiny_file, streams=4)
    drafters = [crowded.open(PAIR, head_set()) for _ in range(3)]
    others = [roomy.open(PAIR, head_set()) for _ in range(3)]
    for words in (["the"], ["the", "train"], ["the", "train", "leaves"]):
        for n, (one, other) in enumerate(zip(drafters, others, strict=True)):
            asked = prompt([*words, str(n)])
            assert_same(one.draft(asked, 6), other.draft(asked, 6))


def test_a_closed_streams_place_is_free_again(tiny_file):
    translator = tiny(tiny_file, streams=1)
    for n in range(3):
        drafter = translator.open(PAIR, head_set())
        assert drafter.draft(prompt(["the", str(n)]), 4).ids
        drafter.close()
        assert all(slot.owner is None for slot in translator.inside._slots._slots)


def test_threads_and_guess_are_measured_or_as_given(tiny_file, monkeypatch):
    translator = tiny(tiny_file)
    assert translator.pace.threads == 1 and translator.pace.step > 0
    monkeypatch.setenv("ALIGNATT_THREADS", "2")
    assert measure(translator.inside).threads == 2


def test_a_pace_is_measured_once_for_a_file_threads_and_layers_on_a_gpu(
    tiny_file, tmp_path, monkeypatch
):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path))
    measured = []

    def counting(*given):
        measured.append(given)
        return measure(*given)

    monkeypatch.setattr(pace, "measure", counting)
    first, second = (LlamaTranslator(tiny_file, precise=True).pace for _ in range(2))
    assert first == second and len(measured) == 1
    monkeypatch.setenv("ALIGNATT_THREADS", "1")
    assert LlamaTranslator(tiny_file, precise=True).pace.threads == 1
    assert len(measured) == 2
    LlamaTranslator(tiny_file, precise=True, gpu_layers=2)
    LlamaTranslator(tiny_file, precise=True, gpu_layers=2)
    assert len(measured) == 3
    (tmp_path / pace.FILE).write_text('{"damaged": 1')
    LlamaTranslator(tiny_file, precise=True)
    assert len(measured) == 4


def test_the_command_says_how_many_layers_a_gpu_computes(tiny_file, monkeypatch):
    asked = []
    monkeypatch.setattr(interpreter, "load_translator", lambda name, ask: asked.append((name, ask)))
    options = ["--to", "de", "--model", str(tiny_file), "--gpu-layers", "3", "talk.wav"]
    chosen = system(parser().parse_args(["translate", *options]))
    with pytest.raises(AttributeError):  # nothing was loaded
        interpreter.Interpreter(chosen)
    assert [(name, ask.gpu_layers) for name, ask in asked] == [("llama.cpp", 3)]


TEXTS = (
    "Hello 🙂 world",
    "Ein Zug — 12,5 %",
    "第一班火车",
    "שלום 3",
    "é\u0301 ñ",
    " two  spaces ",
    "",
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("make", [byte_level_tokenizer, byte_fallback_tokenizer])
def test_tokens_cover_the_characters_that_transformers_says(tmp_path, make, text):
    save_gguf(tmp_path / "tiny.gguf", "llama", make())
    vocabulary = tiny(tmp_path / "tiny.gguf").vocabulary
    encoded = make()(text, return_offsets_mapping=True)
    ids, offsets = vocabulary.encode(text)
    assert ids == encoded["input_ids"]
    assert offsets == [tuple(span) for span in encoded["offset_mapping"]]
    assert vocabulary.text(ids).removeprefix("<s>").strip() == text.strip()


BAD = [
    # what is done to the file, what is told
    (lambda whole: b"PK\x03\x04" + whole[4:], "is no GGUF file: it begins with 'PK"),
    (lambda whole: whole[:700], "is cut off within its header"),
    (lambda whole: whole[:-5000], "cannot be loaded: .{10}"),
    (lambda whole: b"", "is empty"),
]


@pytest.mark.parametrize(("done", "told"), BAD, ids=[told for _, told in BAD])
def test_files_that_cannot_be_loaded_are_named(tmp_path, tiny_file, done, told):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(done(tiny_file.read_bytes()))
    with pytest.raises(AlignattError, match=rf"bad\.gguf' {told}"):
        tiny(bad)


def test_a_model_larger_than_the_memory_is_refused_before_it_is_loaded(tiny_file, monkeypatch):
    monkeypatch.setattr(context, "free_bytes", lambda: 100_000)
    with pytest.raises(AlignattError, match=r"needs 0\.\d GB of memory .* 0\.0 GB are free"):
        tiny(tiny_file)


def test_a_feed_that_llama_cpp_refuses_harms_only_its_stream(tiny_file):
    translator = tiny(tiny_file, streams=3)
    good, bad = translator.inside.stream([(1, 2)]), translator.inside.stream([(1, 2)])
    problems = []

    def step(stream, tokens):
        with translator.stepper.drafting():
            try:
                translator.stepper.step(feed := Feed(stream, tokens, 1, np.arange(2)))
                return feed.logits[0]
            except AlignattError as problem:
                problems.append(str(problem))

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(step, good, [5, 6, 7]), pool.submit(step, bad, [5, 10**6])]
        logits = found[0].result()
    np.testing.assert_allclose(logits, step(translator.inside.stream(), [5, 6, 7]), atol=1e-4)
    assert len(problems) == 1 and "llama.cpp has failed" in problems[0]
    assert step(bad, [5, 6]).shape == logits.shape


def test_prompts_longer_than_the_context_are_refused(tiny_file):
    drafter = tiny(tiny_file, context=128).open(PAIR, head_set())
    with pytest.raises(PromptTooLong, match="context is 128"):
        drafter.draft(prompt(["word"] * 100), 8)
    assert drafter.draft(prompt(["word"]), 4).ids


def test_heads_that_do_not_fit_are_refused(tiny_file):
    with pytest.raises(AlignattError, match="4 layers of 4 heads"):
        tiny(tiny_file).open(PAIR, HeadSet("tiny", "en-de", ((0, 9),)))


def test_a_library_that_does_not_fit_its_definitions_is_refused(monkeypatch):
    changed = {"context": {**binding._DEFAULTS["context"], "n_ubatch": 777}}
    monkeypatch.setattr(binding, "_DEFAULTS", changed)
    with pytest.raises(AlignattError, match=r"do not belong together; .*pip install"):
        binding._wheel()


def test_another_version_of_the_wheel_is_refused(monkeypatch):
    monkeypatch.setattr(binding, "BUILD", "1.2.3")
    with pytest.raises(AlignattError, match=r"knows the insides of 1\.2\.3 only"):
        binding._wheel()


def test_a_template_that_refuses_is_told_in_a_sentence():
    template = ChatTemplate("{{ raise_exception('no system role') }}", "<s>", "</s>")
    with pytest.raises(AlignattError, match="cannot be used: no system role; use the few-shot"):
        template.apply_chat_template([{"role": "user", "content": "hi"}])


def test_a_template_is_rendered_as_transformers_does():
    written = (
        "{{ bos_token }}{% for m in messages %}\n  {% if m.role == 'user' %}\n[U] {{ m.content }}"
        "{% else %}[A] {{ m.content | tojson }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}[A]{% endif %}"
    )
    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = written
    messages = [{"role": "user", "content": "é"}, {"role": "assistant", "content": "ü"}]
    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    ours = ChatTemplate(written, tokenizer.bos_token, tokenizer.eos_token)
    assert ours.apply_chat_template(messages, **options) == tokenizer.apply_chat_template(
        messages, **options
    )
