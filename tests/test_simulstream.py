"""The processor inside the real SimulStream package, and the log that its scorers read."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from evaluating import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.errors import UsageError
from alignatt4llm.evaluate.simulstream_log import simulstream_log, tokens
from alignatt4llm.recognizers.timed import TimedTextRecognizer, spread
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import language

DE, ZH = language("de"), language("zh")
CONFIGS = Path(__file__).parent.parent / "configs" / "simulstream"
SECOND = np.zeros(16_000, np.float32)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("Das Haus", DE, ["Das", "▁Haus"]),
        (" ist alt", DE, ["▁ist", "▁alt"]),
        (", aber", DE, [",", "▁aber"]),
        ("", DE, []),
        ("用 GPT。", ZH, list("用GPT。")),
    ],
)
def test_tokens(text, target, expected):
    assert tokens(text, target) == expected


@given(st.lists(st.text("ab, ä"), max_size=6))
def test_tokens_of_deltas_joined_are_the_text(deltas):
    joined = "".join(token for delta in map(str.rstrip, deltas) for token in tokens(delta, DE))
    assert joined.replace("▁", " ").split() == "".join(map(str.rstrip, deltas)).split()


def test_a_log_has_a_line_each_time_that_something_is_said():
    said = hypothesis("talk", "Das Haus ist", [1000.0, 1000.0, 3000.0], [1500.0, 1500.0, 5000.0])
    lines = [json.loads(line) for line in simulstream_log([said], DE).splitlines()]
    assert lines[0] == {"id": 0, "metadata": {"wav_name": "talk.wav"}}
    assert [line["generated_tokens"] for line in lines[1:]] == [["▁Das", "▁Haus"], ["▁ist"], []]
    assert [line["total_audio_processed"] for line in lines[1:]] == [1.0, 3.0, 6.0]
    assert [line["computation_time"] for line in lines[1:]] == [0.5, 2.0, 0.0]
    assert not any(line["deleted_tokens"] for line in lines[1:])


@pytest.fixture
def processors():
    """The module with the processor; its models are scripted."""
    pytest.importorskip("simulstream", reason="needs the extra 'simulstream'")
    from alignatt4llm.evaluate import simulstream

    return simulstream


class Scripted(ScriptedInterpreter):
    """Hears the same sentence in every stream."""

    def __init__(self):
        super().__init__()
        self.opened = []

    def open(self, pair, latency, *, heads, prompt):
        from alignatt4llm.settings.latency import LATENCIES

        self.opened.append(str(pair))
        words = spread("one two three four", 0.0, 4.0, language("en"))
        return super().open(
            pair,
            LATENCIES[latency],
            heads=heads,
            prompt=prompt,
            recognizer=TimedTextRecognizer(words, 0.0),
        )


@pytest.fixture
def scripted(processors, monkeypatch):
    made = []

    def interpreter(system):
        made.append(Scripted())
        return made[-1]

    monkeypatch.setattr(processors, "Interpreter", interpreter)
    monkeypatch.setattr(processors.AlignAttProcessor, "_interpreters", {})
    return made


def settings(**changes):
    return SimpleNamespace(**{"target": "de", "detokenizer_type": "simuleval"} | changes)


def build(processors, **changes):
    processors.AlignAttProcessor.load_model(settings(**changes))
    return processors.AlignAttProcessor(settings(**changes))


def play(processor, seconds=4):
    outputs = [processor.process_chunk(SECOND) for _ in range(seconds)]
    return [*outputs, processor.end_of_stream()]


def test_all_of_a_chunk_is_heard_in_its_step(processors, scripted):
    processor = build(processors)
    processor.process_chunk(SECOND)
    assert processor._session.transcript.samples == len(SECOND)


def test_only_text_is_added_and_the_end_flushes(processors, scripted):
    processor = build(processors)
    outputs = play(processor, seconds=3)
    assert all(output.deleted_tokens == [] and output.deleted_string == "" for output in outputs)
    assert "".join(output.new_string for output in outputs) == "ONE TWO THREE FOUR"
    assert outputs[-1].new_tokens
    joined = [token for output in outputs for token in output.new_tokens]
    assert joined == ["ONE", "▁TWO", "▁THREE", "▁FOUR"]
    assert processor.tokens_to_string(joined[1:]) == " TWO THREE FOUR"


def test_characters_are_the_tokens_of_chinese(processors, scripted):
    processor = build(processors)
    processor.set_target_language("zh")
    outputs = play(processor)
    assert [token for output in outputs for token in output.new_tokens] == list("ONETWOTHREEFOUR")


def test_processors_share_models_and_streams_do_not_mix(processors, scripted):
    one, other = build(processors), build(processors)
    assert len(scripted) == 1
    assert play(one) == play(other)
    one.process_chunk(SECOND)
    one.process_chunk(SECOND)
    one.clear()
    assert play(one) == play(other)


def test_a_client_chooses_the_languages_of_its_stream_only(processors, scripted):
    processor = build(processors)
    processor.set_target_language("it")
    play(processor)
    processor.clear()
    play(processor)
    assert scripted[0].opened == ["en-de", "en-it", "en-de"]  # the first one loads the models


def test_an_empty_stream_says_nothing(processors, scripted):
    assert build(processors).end_of_stream().new_string == ""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"latncy": "low"}, "no setting 'latncy'. There are: latency, model"),
        ({"latency": "none"}, "it must be low, medium, high"),
        ({"target": "xx"}, "Unknown language 'xx'"),
    ],
)
def test_wrong_settings_are_named(processors, scripted, changes, named):
    with pytest.raises(UsageError) as caught:
        build(processors, **changes)
    assert named in str(caught.value)


def test_a_stream_needs_a_target(processors, scripted):
    with pytest.raises(UsageError, match="No target language"):
        build(processors, target=None).process_chunk(SECOND)


@pytest.mark.parametrize("latency", ["low", "medium", "high"])
def test_the_stock_message_processor_runs_every_shipped_file(
    processors, scripted, tmp_path, latency
):
    """From YAML to the log, scored delays included, by SimulStream itself."""
    from simulstream.config import yaml_config
    from simulstream.metrics.logger import METRICS_LOGGER, setup_metrics_logger
    from simulstream.metrics.readers import LogReader
    from simulstream.server.message_processor import MessageProcessor
    from simulstream.server.speech_processors import build_speech_processor

    config = yaml_config(str(CONFIGS / f"{latency}.yaml"))
    log = tmp_path / "metrics.jsonl"
    setup_metrics_logger(SimpleNamespace(enabled=True, filename=str(log)))
    METRICS_LOGGER.setLevel("INFO")
    stream = MessageProcessor(0, build_speech_processor(config))
    stream.process_metadata({"target_lang": "de", "metrics_metadata": {"wav_name": "talk.wav"}})
    for _ in range(40):
        stream.process_speech((SECOND[:1600] * 0).astype(np.int16).tobytes())
    stream.end_of_stream()
    said = LogReader(config, str(log)).final_outputs_and_latencies()["talk"]
    METRICS_LOGGER.handlers.pop().close()
    assert said.final_text == "ONE TWO THREE FOUR"
    assert len(said.ideal_delays) == 4
    assert said.ideal_delays == sorted(said.ideal_delays)


def test_the_log_of_a_run_gives_the_stock_reader_its_delays(processors, tmp_path):
    from simulstream.config import yaml_config
    from simulstream.metrics.readers import LogReader

    path = tmp_path / "simulstream.jsonl"
    said = [
        hypothesis("a", "Das Haus ist", [1000.0, 1000.0, 3000.0], [1500.0, 1500.0, 5000.0]),
        hypothesis("b", "", []),
    ]
    path.write_text(simulstream_log(said, DE), "utf-8")
    config = yaml_config(str(CONFIGS / "medium.yaml"))
    found = LogReader(config, str(path)).final_outputs_and_latencies()
    assert found["a"].final_text == "Das Haus ist"
    assert found["a"].ideal_delays == [1.0, 1.0, 3.0]
    assert found["a"].computational_aware_delays == [1.5, 1.5, 5.0]
    assert found["b"].final_text == ""
