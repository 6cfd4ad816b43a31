"""OpenAI's audio API: its own client, models, transcripts, times, errors."""

import io
import json

import httpx
import pytest
from serve_harness import EVERYTHING, serving, speech
from test_uploads import EIGHT, live_matroska, post, wav

from alignatt4llm.recognizers.tones import SCRIPT, tones

openai = pytest.importorskip("openai")

SAID = " ".join(SCRIPT)
SENTENCE = "Good morning everyone and thank you for coming."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("journals"), to="de") as running:
        yield running


@pytest.fixture
def client(server):
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0
    ) as client:
        yield client


def recording(words=range(len(SCRIPT))):
    return ("talk.wav", wav(speech(words)))


def url(server, path):
    return f"http://127.0.0.1:{server.port}{path}"


def test_the_models_are_listed_and_found(client):
    [model] = client.models.list().data
    assert (model.id, model.object, model.owned_by) == ("scripted", "model", "alignatt4llm")
    assert client.models.retrieve(model.id) == model
    with pytest.raises(openai.NotFoundError, match="no model 'whisper-1'"):
        client.models.retrieve("whisper-1")


def test_translations_need_nothing_that_the_client_cannot_say(client):
    assert client.audio.translations.create(model="whisper-1", file=recording()).text == EVERYTHING


def test_transcriptions_say_what_was_heard(client):
    asked = {"model": "whisper-1", "language": "en", "prompt": "maps", "temperature": 0}
    assert client.audio.transcriptions.create(file=recording(), **asked).text == SAID


@pytest.mark.parametrize("kind", ["srt", "vtt", "text"])
@pytest.mark.parametrize(("door", "said"), [("transcriptions", SENTENCE), ("translations", EIGHT)])
def test_texts_and_subtitles_are_text(client, kind, door, said):
    create = getattr(client.audio, door).create
    answer = create(model="whisper-1", file=recording(), response_format=kind)
    text = answer if isinstance(answer, str) else answer.text
    assert said in " ".join(text.split()) and not text.startswith("{")
    assert ("00:00:00" in text) == (kind != "text")


@pytest.mark.parametrize(
    ("asked", "segments", "words"),
    [
        ({}, 2, 0),
        ({"timestamp_granularities": ["segment"]}, 2, 0),
        ({"timestamp_granularities": ["word"]}, 0, 20),
        ({"timestamp_granularities": ["word", "segment"]}, 2, 20),
    ],
)
def test_times_are_told_as_they_are_asked_for(client, asked, segments, words):
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=recording(range(20)), response_format="verbose_json", **asked
    )
    assert (answer.language, answer.duration) == ("en", pytest.approx(8.0))
    assert answer.text == " ".join(SCRIPT[:20])
    assert len(answer.segments or ()) == segments and len(answer.words or ()) == words
    if segments:
        assert answer.segments[0].text == SENTENCE
        assert (answer.segments[0].id, answer.segments[0].no_speech_prob) == (0, 0.0)
        assert " ".join(segment.text for segment in answer.segments) == answer.text
    if words:
        assert [word.word for word in answer.words] == [*SCRIPT[:20]]
        for index, word in enumerate(answer.words):
            assert word.start == pytest.approx(0.4 * index, abs=0.02)
            assert word.end == pytest.approx(0.4 * index + 0.3, abs=0.02)


def test_a_verbose_translation_tells_its_segments(client):
    answer = client.audio.translations.create(
        model="whisper-1", file=recording(), response_format="verbose_json"
    )
    assert (answer.language, answer.text) == ("de", EVERYTHING)
    assert " ".join(segment.text for segment in answer.segments) == EVERYTHING


def test_a_transcript_is_streamed_while_it_is_made(client):
    events = [*client.audio.transcriptions.create(model="whisper-1", file=recording(), stream=True)]
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) > 5 and "".join(deltas) == SAID
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", SAID)


def test_a_language_may_be_transcribed_that_is_not_translated(client):
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=recording(range(8)), language="ja"
    )
    assert answer.text == "".join(SCRIPT[:8])


def test_what_is_no_speech_is_an_empty_transcript(client):
    quiet = ("quiet.wav", wav(bytes(32_000)))
    assert client.audio.transcriptions.create(model="whisper-1", file=quiet).text == ""


@pytest.mark.parametrize("door", ["transcriptions", "translations"])
@pytest.mark.parametrize(
    ("asked", "content", "param", "code"),
    [
        ({"language": "tlh"}, None, "language", "unsupported_direction"),
        ({"from": "tlh"}, None, "from", "unsupported_direction"),
        ({"to": "no language"}, None, "to", "unsupported_direction"),
        ({"response_format": "pdf"}, None, "response_format", "bad_message"),
        ({"stream": "perhaps"}, None, "stream", "bad_message"),
        ({"timestamp_granularities[]": "year"}, None, "timestamp_granularities[]", "bad_message"),
        ({}, b"", "file", "bad_audio"),
        ({}, b"no audio", "file", "bad_audio"),
    ],
)
def test_errors_are_openais_and_name_what_is_wrong(server, door, asked, content, param, code):
    files = {"file": ("a.wav", wav(speech(range(8))) if content is None else content)}
    answer = httpx.post(url(server, f"/v1/audio/{door}"), data=asked, files=files)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error" and error["message"].endswith(".")
    assert len(answer.headers["x-request-id"]) == 16


def test_the_client_raises_what_it_would_for_openai(client):
    with pytest.raises(openai.BadRequestError, match="cannot be read") as caught:
        client.audio.transcriptions.create(model="any", file=io.BytesIO(b"no audio"))
    assert (caught.value.code, caught.value.param) == ("bad_audio", "file")
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1", 404, "not_found"),
        ("POST", "/audio/transcriptions", 404, "not_found"),
        ("POST", "/v1/audio/speech", 404, "not_found"),
        ("POST", "/v1/chat/completions", 404, "not_found"),
        ("GET", "/v1/models/whisper-1", 404, "not_found"),
        ("GET", "/v1/audio/transcriptions", 405, "method_not_allowed"),
        ("PUT", "/v1/audio/translations", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/about", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_here_is_an_error_of_the_same_shape(server, method, path, status, code):
    answer = httpx.request(method, url(server, path))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert {"message", "type", "param", "code"} == error.keys()
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/models/scripted/"])
def test_a_slash_at_the_end_changes_nothing(server, path):
    assert httpx.get(url(server, path)).status_code == 200


@pytest.mark.parametrize("door", ["translations", "transcriptions"])
def test_nor_does_it_after_an_upload(server, door):
    files = {"file": recording(range(8))}
    assert httpx.post(url(server, f"/v1/audio/{door}/"), files=files).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/audio/translations", "/about", "/"])
def test_a_path_says_what_it_takes(server, path):
    answer = httpx.options(url(server, path))
    assert answer.status_code == 204 and answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/about", "/v1/models", "/healthz", "/favicon.ico"])
def test_head_is_get_without_a_body(server, path):
    answer = httpx.head(url(server, path))
    assert (answer.status_code, answer.content) == (200, b"")
    assert httpx.get(url(server, path)).headers["content-type"] == answer.headers["content-type"]


def test_without_a_target_of_the_server_the_client_is_told_what_to_do(tmp_path):
    with serving(tmp_path) as plain:
        answer = post(plain, data={"model": "whisper-1"})
        heard = httpx.post(url(plain, "/v1/audio/transcriptions"), files={"file": recording()})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        400,
        "unsupported_direction",
        "to",
    )
    assert "'to'" in error["message"] and "--to" in error["message"]
    assert heard.json() == {"text": SAID}


def test_a_live_client_need_not_name_the_servers_target(server):
    from serve_harness import Client, run

    async def talk():
        client = await Client(server).connect()
        await client.say({"type": "start", "version": 1})
        started = await client.until("started")
        await client.play(speech(range(8)))
        return started["pair"], await client.finish()

    assert run(talk()) == ("en-de", EIGHT)


def test_a_transcript_that_is_too_long_is_refused(tmp_path):
    with serving(tmp_path, session=5) as short:
        files = {"file": ("a.mkv", live_matroska(tones(range(len(SCRIPT)))))}
        answer = httpx.post(url(short, "/v1/audio/transcriptions"), files=files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_jsonl_is_the_events_of_the_transcript(server):
    answer = httpx.post(
        url(server, "/v1/audio/transcriptions"),
        files={"file": recording(range(8))},
        data={"response_format": "jsonl"},
    )
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(event["text"] for event in events if event["type"] == "commit") == SENTENCE
    assert [event["type"] for event in events][-2:] == ["close", "end"]
