"""Published models: tiny checkpoints of their architectures, as the hub has them, at work."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import EVERY_HEAD, byte_level_tokenizer, tiny_model
from tiny_gguf import save_gguf
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
)

from alignatt4llm.attention.packed import Feed, PackedModel, Stream
from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.cli.main import main, parser
from alignatt4llm.cli.system import Choice
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Close, Trace
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.machine.device import Device
from alignatt4llm.policy.published import PublishedAlignAtt
from alignatt4llm.policy.table import make_policy
from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.recognizers.timed import TimedTextRecognizer, spread
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.presets import PRESETS, preset
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.cards import ALIGNERS, RECOGNIZERS, TRANSLATORS
from alignatt4llm.weights.models import short_name

SAMPLES = Path(__file__).parent.parent / "samples"
PAIR = Pair.parse("en-de")
TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def _text(family):
    """The text part's configuration, of the family's tiny model."""
    return tiny_model(family).config.to_dict()


def gemma4():
    """As published: text, sound and sight in one checkpoint."""
    audio = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "output_proj_dims": 16, "subsampling_conv_channels": [128, 4]}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
              "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}  # fmt: skip
    config = Gemma4Config(
        text_config=_text("gemma4"), audio_config=audio, vision_config=vision,
        image_token_id=10, video_token_id=11, audio_token_id=12, tie_word_embeddings=False,
    )  # fmt: skip
    return Gemma4ForConditionalGeneration(config)


def gemma3():
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
              "num_attention_heads": 2, "image_size": 28, "patch_size": 14}  # fmt: skip
    config = Gemma3Config(
        text_config=_text("gemma3"), vision_config=vision, mm_tokens_per_image=4,
        image_token_index=10, boi_token_index=11, eoi_token_index=12,
    )  # fmt: skip
    return Gemma3ForConditionalGeneration(config)


ARCHITECTURES = {
    "gemma-4-e4b": gemma4,
    "qwen3-1.7b": lambda: tiny_model("qwen3", max_position_embeddings=2048),
    "qwen3-4b": lambda: tiny_model("qwen3", max_position_embeddings=2048),
    "milmmt-4b": gemma3,
    "hy-mt-1.8b": lambda: tiny_model("hunyuan"),
    "tower-7b": lambda: tiny_model("llama"),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    saved = {}

    def save(name):
        if name not in saved:
            torch.manual_seed(3)
            folder = tmp_path_factory.mktemp(name)
            ARCHITECTURES[name]().eval().save_pretrained(folder)
            tokenizer = byte_level_tokenizer()
            if TRANSLATORS[name].prompt != "milmmt":
                tokenizer.chat_template = TEMPLATE
            tokenizer.save_pretrained(folder)
            saved[name] = folder
        return saved[name]

    return save


def test_every_translator_has_its_architecture_here():
    assert set(ARCHITECTURES) == {name for name, card in TRANSLATORS.items() if not card.file}


def translated(system, prompt, heads):
    """What a system says of two sentences: the closes, and every token that was drafted."""
    interpreter = Interpreter(system)
    spoken = spread("We saw it. The train leaves now.", 0, 4, PAIR.source)
    session = interpreter.open(
        PAIR, heads=heads, prompt=prompt, recognizer=TimedTextRecognizer(spoken)
    )
    events = [e for _ in range(5) for e in session.feed(np.zeros(SAMPLE_RATE, np.float32))]
    events += session.finish()
    drafted = [token for event in events if isinstance(event, Trace) for token in event.tokens]
    assert drafted and all(0 <= token.source_mass <= 1 for token in drafted)
    closes = [event.source for event in events if isinstance(event, Close)]
    assert closes == ["We saw it.", "The train leaves now."]
    return interpreter


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_translator_drafts_with_rows_over_what_it_is_told(checkpoint, name):
    folder = checkpoint(name)
    heads = HeadSet(folder.name, "en-de", ((1, 0), (3, 2)))
    translated(System(str(folder)), TRANSLATORS[name].prompt, heads)


@pytest.mark.parametrize(("name", "family"), [("laptop", "gemma4"), ("laptop-small", "hunyuan")])
def test_a_preset_for_laptops_drafts_from_a_file_of_its_name(tmp_path, name, family):
    card = TRANSLATORS[preset(name).system.model]
    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = TEMPLATE
    config = {"max_position_embeddings": 2048, "initializer_range": 0.2}
    save_gguf(tmp_path / card.file, family, tokenizer, **config)
    system = replace(preset(name).system, model=str(tmp_path / card.file))
    heads = HeadSet(card.model, "en-de", ((1, 0), (3, 2)))
    interpreter = translated(system, "auto", heads)
    assert (interpreter.name, interpreter.pairs) == (card.model, preset(name).pairs)


@pytest.mark.parametrize("name", ["gemma-4-e4b", "milmmt-4b", "hy-mt-1.8b"])
def test_rows_of_whole_checkpoints_are_the_models_own(checkpoint, name):
    """The published checkpoints wrap the text model, or norm queries and keys their own way."""
    folder = checkpoint(name)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.randint(13, 400, (20,), generator=torch.Generator().manual_seed(1)).tolist()
    with torch.inference_mode():
        out = model(torch.tensor([ids]), output_attentions=True, use_cache=False)
    rows = torch.stack([out.attentions[layer][0, head] for layer, head in EVERY_HEAD], 1)
    packed = PackedModel(AutoModelForCausalLM.from_pretrained(folder).eval())
    feed = Feed(Stream(EVERY_HEAD), ids, len(ids), torch.arange(len(ids)))
    packed.run([feed])
    torch.testing.assert_close(feed.rows, rows, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(feed.logits, out.logits[0], atol=1e-3, rtol=1e-3)


def test_cards_name_models_as_head_sets_do():
    assert short_name("gemma-4-e4b") == "gemma-4-E4B-it"
    assert TRANSLATORS["milmmt-4b"].hub.startswith("xiaomi-research/MiLMMT-46-4B-v0.1@134120")
    for cards in (TRANSLATORS, RECOGNIZERS, ALIGNERS):
        assert all(card.repository.count("/") == 1 and card.licence for card in cards.values())


def test_a_card_is_downloaded_from_the_hub(monkeypatch):
    asked = []

    def download(repository, revision, **options):
        asked.append((repository, revision))
        raise OSError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(AlignattError, match="no model hub can be reached"):
        load_recognizer("qwen3-asr-0.6b")
    with pytest.raises(AlignattError, match="no model hub can be reached"):
        Interpreter(System("gemma-4-e4b"))
    assert asked == [
        ("Qwen/Qwen3-ASR-0.6B-hf", None),
        ("google/gemma-4-E4B-it", "83df0a889143b1dbfc61b591bbc639540fd9ce4c"),
    ]


def test_presets_are_the_published_operating_points():
    assert preset("paper-low").latency.chunk == 0.85
    assert preset("paper-high").latency.chunk == 1.5
    exact = preset("paper-exact")
    assert (exact.system.policy, exact.system.head_count) == ("published", 4)
    assert exact.latency.hold_back == 0
    assert set(ARCHITECTURES) < set(PRESETS)
    with pytest.raises(UsageError, match="There is no preset 'x'"):
        preset("x")


def dry_run(capsys, *arguments):
    assert main(["translate", "--to", "de", "--dry-run", *arguments]) == 0
    return capsys.readouterr().out


def test_a_dry_run_prints_the_whole_configuration(capsys):
    text = dry_run(capsys, "--preset", "paper-low")
    for part in (
        "google/gemma-4-E4B-it@83df0a889143b1dbfc61b591bbc639540fd9ce4c",
        "Qwen/Qwen3-ASR-1.7B-hf",
        "Qwen/Qwen3-ForcedAligner-0.6B-hf",
        "16.0 GB",
        "chunk 0.85",
        "hold_back 0.25",
        "(11, 3)",
        "⟦what has been heard so far⟧",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("dtype", "told"),
    [
        ("auto", "21.8 GB of weights in bfloat16"),
        ("float32", "43.6 GB of weights at most"),
    ],
)
def test_a_dry_run_tells_the_memory_of_the_type_here(capsys, monkeypatch, dtype, told):
    monkeypatch.setattr(Device, "best", lambda: Device("cpu", dtype))
    assert told in dry_run(capsys, "--preset", "paper-low")


@pytest.mark.parametrize("dtype", ["auto", "float32"])
def test_a_dry_run_tells_the_memory_of_a_gguf_file(capsys, monkeypatch, dtype):
    """It is as large as it is, whatever the processor computes with."""
    monkeypatch.setattr(Device, "best", lambda: Device("cpu", dtype))
    text = dry_run(capsys, "--preset", "laptop")
    assert "unsloth/gemma-4-E4B-it-GGUF:gemma-4-E4B-it-Q4_K_M.gguf, newest revision" in text
    assert "5.0 GB of weights as GGUF, about 8 GB" in text
    text = dry_run(capsys, "--preset", "laptop-small", "--recognizer", "qwen3-asr-0.6b")
    assert f"{1.1 + 3.4 * (2 if dtype == 'float32' else 1):.1f} GB of weights" in text


def test_a_dry_run_takes_what_is_asked_for(capsys):
    text = dry_run(capsys, "--preset", "paper-exact", "--recognizer", "voxtral-realtime")
    assert "AlignAtt as published" in text and "Voxtral" in text and "Aligner" not in text
    assert len([1 for part in text.split("heads")[1].split("\n")[0].split("(")][1:]) == 4
    text = dry_run(capsys, "--preset", "milmmt-4b", "--latency", "high", "--from", "fr")
    assert "Translate this from French to German:" in text
    assert f"chunk {LATENCIES['high'].chunk:g}" in text
    assert "none: There is no head set for fr-de" in text


def test_the_published_gate_is_wired():
    chosen = Choice.of(parser().parse_args(["translate", "--to", "de", "--preset", "paper-exact"]))
    [pair] = chosen.pairs
    heads = chosen.system.head_set(pair)
    assert len(heads.heads) == 4
    policy = make_policy(chosen.system.policy, heads, chosen.latency.policy, pair.target)
    assert isinstance(policy, PublishedAlignAtt)


def test_recognisers_are_told_apart_by_their_folder(tmp_path, embedded_whisper):
    with pytest.raises(UsageError, match="--finality is for Whisper"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3_asr"}))
        load_recognizer(str(tmp_path), finality="attention")
    with pytest.raises(UsageError, match="--audio-heads is for"):
        load_recognizer(str(embedded_whisper), audio_heads=tmp_path / "a.json")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UsageError, match="type 'bert', which is no known recogniser"):
        load_recognizer(str(tmp_path))


def test_whisper_may_be_gated_by_its_attention(embedded_whisper):
    """Words come earlier than by agreement, and mostly the same ones."""
    audio = np.concatenate(list(read(str(SAMPLES / "fleurs-en-000.ogg"))))
    texts, first = {}, {}
    for finality in ("agreement", "attention"):
        recognizer = load_recognizer(str(embedded_whisper), finality=finality).open(
            PAIR.source, 0.5
        )
        words, clock = [], 0.0
        for chunk in chunks([audio], SAMPLE_RATE):
            clock += len(chunk) / SAMPLE_RATE
            heard = recognizer.feed(chunk)
            if heard.committed and finality not in first:
                first[finality] = clock
            words += heard.committed
        texts[finality] = {word.text for word in [*words, *recognizer.finish().committed]}
    assert first["attention"] < first["agreement"]
    assert len(texts["attention"] & texts["agreement"]) > 0.7 * len(texts["agreement"])
