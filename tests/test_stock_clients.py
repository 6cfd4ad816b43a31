"""Other programs' clients against our server."""

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from serve_harness import serving

TALK = "Good evening. We sold the old house by the river. Thank you."


@pytest.fixture(scope="module")
def whisperlivekit():
    """The stock client, out of its wheel and without the packages that it does not need."""
    try:
        files = {str(file): file.locate() for file in distribution("whisperlivekit").files}
    except PackageNotFoundError:
        pytest.skip("needs the client: pip install --no-deps whisperlivekit==0.2.26")
    modules = (
        "whisperlivekit",
        "whisperlivekit.timed_objects",
        "whisperlivekit.translation_alignatt",
    )
    sys.modules["whisperlivekit"] = type(sys)("whisperlivekit")
    for name in modules[1:]:
        spec = importlib.util.spec_from_file_location(name, files[name.replace(".", "/") + ".py"])
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    yield sys.modules[modules[-1]], sys.modules[modules[1]]
    for name in modules:
        del sys.modules[name]


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
@pytest.mark.parametrize("latency", ["quality", "balanced", "low"])
def test_the_stock_whisperlivekit_client_runs_against_this_server(
    tmp_path, whisperlivekit, latency
):
    client_module, objects = whisperlivekit
    with serving(tmp_path) as server:
        engine = client_module.AlignAttRemoteEngine(
            url=f"ws://127.0.0.1:{server.port}", source_language="en", preset=None, latency=latency
        )
        client = engine.new_session("de")
        segments, shown = [], ""
        clock = 0.0
        for word in TALK.split():
            token = objects.ASRToken(start=clock, end=clock + 0.3, text=f" {word}")
            clock += 0.4
            tail = objects.HypothesisTail(start=clock, end=clock + 0.3, text="and then")
            client.insert_tokens([token, tail] if client.wants_hypothesis_tail else [token])
            validated, buffer = client.process()
            if validated:
                assert validated.text.startswith(shown)
                segments.append(validated)
                shown = ""
            else:
                assert buffer.text.startswith(shown)
                shown = buffer.text
        assert client._ws is not None
        client._ws.close()
    assert [segment.text for segment in segments] == [
        "GOOD EVENING.",
        "WE SOLD THE OLD HOUSE BY THE RIVER.",
        "THANK YOU.",
    ]
    assert segments[1].start == segments[0].end


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_the_stock_client_closes_at_a_pause_and_reconnects(tmp_path, whisperlivekit):
    client_module, objects = whisperlivekit
    with serving(tmp_path) as server:
        engine = client_module.AlignAttRemoteEngine(
            url=f"ws://127.0.0.1:{server.port}", source_language="en", preset=None, latency="low"
        )
        client = engine.new_session("de")

        def hear(text, start):
            for index, word in enumerate(text.split()):
                at = start + 0.4 * index
                client.insert_tokens([objects.ASRToken(start=at, end=at + 0.3, text=word)])

        hear("a man walks", 0.0)
        client.process()
        before = client.process()[1].text
        client._ws.close()
        client._ws = None
        hear("home", 1.2)
        buffer = client.process()[1].text
        assert before and buffer.startswith(before)
        validated, _ = client.validate_buffer_and_reset()
        assert validated.text == buffer
        hear("again now.", 5.0)
        texts = [client.process()[0] for _ in range(2)]
        client._ws.close()
    assert [segment.text for segment in texts] == ["A MAN WALKS HOME", "AGAIN NOW."]
