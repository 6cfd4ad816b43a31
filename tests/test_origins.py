"""Pages of other sites: what their browsers ask first, and what they may read."""

import httpx
import pytest
import websockets
from serve_harness import EVERYTHING, Client, run, serving, speech
from test_serve_http import first_code
from test_uploads import PATH, failing, wav

from alignatt4llm.errors import UsageError
from alignatt4llm.serve.origins import Origins, origin_of
from alignatt4llm.serve.server import Settings

SITE = "https://their.site"
ALLOWED = [
    (SITE, SITE),
    ("https://their.site/", SITE),
    (" HTTPS://Their.Site:443 ", SITE),
    ("http://localhost:3000", "http://localhost:3000"),
    ("http://127.0.0.1:80/", "http://127.0.0.1"),
    ("http://[::1]:5173", "http://[::1]:5173"),
    ("https://bücher.example", "https://xn--bcher-kva.example"),
    ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
    ("tauri://localhost", "tauri://localhost"),
]
REFUSED = [
    "https://foe.example",
    "http://their.site",
    "https://their.site:8443",
    "https://sub.their.site",
    "https://their.site.foe.example",
    "https://foe.example/https://their.site",
    "http://localhost:3001",
    "http://localhost",
    "null",
    "*",
    "their.site",
    "",
]
IMPOSSIBLE = [
    "their.site",
    "localhost:3000",
    "https://",
    "https://their.site/app",
    "https://their.site?x",
    "https://me@their.site",
    "https://their.site:port",
    "https://a..b",
    "https://their site",
    "https://*.their.site",
    "https://their.site:*",
    "https://their.*",
    "https://their.site,other.site",
    "https://their%2esite",
    "",
]
ASKED = "authorization,content-type,last-event-id,x-stainless-lang"


def base(server):
    return f"http://127.0.0.1:{server.port}"


def preflight(server, path, origin, method="POST", **headers):
    asked = {"access-control-request-method": method, "access-control-request-headers": ASKED}
    return httpx.options(base(server) + path, headers={"origin": origin, **asked, **headers})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    given = [address for address, _ in ALLOWED]
    with serving(tmp_path_factory.mktemp("j"), token="secret", origins=given, to="de") as running:
        yield running


@pytest.mark.parametrize(("given", "shown"), ALLOWED)
def test_an_origin_is_written_as_browsers_write_it(given, shown):
    assert origin_of(given.strip()) == shown
    assert Origins([given]).allow(shown)


@pytest.mark.parametrize("given", IMPOSSIBLE)
def test_what_is_no_origin_is_refused_at_the_start(tmp_path, given):
    with pytest.raises(UsageError, match="write scheme, host and port only"):
        Settings(tmp_path, origins=(given,))


@pytest.mark.parametrize("given", ["*", "null"])
def test_everybodys_pages_need_a_token(tmp_path, given):
    with pytest.raises(UsageError, match="ALIGNATT_TOKEN"):
        Settings(tmp_path, origins=(given,))
    Settings(tmp_path, origins=(given,), token="secret")


@pytest.mark.parametrize("shown", [shown for _, shown in ALLOWED])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PATH),
        ("POST", "/v1/audio/transcriptions"),
        ("GET", "/v1/models"),
        ("GET", "/captions/abcdefghijklmnop"),
        ("GET", "/transcripts/abcdefghijklmnop.srt"),
        ("GET", "/nothing"),
    ],
)
def test_a_preflight_is_answered_without_the_token(server, shown, method, path):
    answer = preflight(server, path, shown, method)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == shown
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert method in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ASKED.split(","))
    assert "Origin" in answer.headers["vary"]


def test_a_page_of_the_web_may_ask_a_server_on_its_own_machine(server):
    asked = {"access-control-request-private-network": "true"}
    answer = preflight(server, PATH, SITE, **asked)
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("shown", REFUSED)
def test_a_page_of_no_known_site_gets_nothing_to_read(server, shown):
    answer = preflight(server, PATH, shown)
    assert answer.status_code == 400 and "access-control-allow-origin" not in answer.headers
    headers = {"origin": shown, "authorization": "Bearer secret"}
    read = httpx.get(base(server) + "/about", headers=headers)
    assert "access-control-allow-origin" not in read.headers
    if shown:
        posted = httpx.post(base(server) + PATH, headers=headers)
        assert posted.status_code == 401 and "may not use" in posted.json()["error"]["message"]
        assert "access-control-allow-origin" not in posted.headers


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", "/about", "secret", 200),
        ("GET", "/v1/models", "secret", 200),
        ("GET", "/metrics", "secret", 200),
        ("GET", "/about", "wrong", 401),
        ("POST", PATH, "wrong", 401),
        ("GET", "/captions/abcdefghijklmnop", "secret", 404),
        ("GET", "/nothing", "secret", 404),
        ("GET", PATH, "secret", 405),
        ("POST", PATH, "secret", 400),
    ],
)
def test_every_answer_can_be_read_there(server, method, path, token, status):
    headers = {"origin": SITE, "authorization": f"Bearer {token}"}
    answer = httpx.request(method, base(server) + path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert answer.headers.get_list("vary", split_commas=True).count("Origin") == 1


def test_failures_of_the_server_can_be_read_there_too(tmp_path):
    files = {"file": ("a.wav", wav(speech(range(8))))}
    shown = {"origin": SITE}
    with serving(tmp_path, failing(RuntimeError("inside")), origins=(SITE,), to="de") as broken:
        failed = httpx.post(base(broken) + PATH, files=files, headers=shown)
        broken.registry.broadcast = None
        unforeseen = httpx.get(base(broken) + "/captions/abcdefghijklmnop", headers=shown)
    for answer in (failed, unforeseen):
        assert answer.status_code == 500
        assert answer.headers["access-control-allow-origin"] == SITE
        assert answer.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_page_there_has_its_recording_translated(server, stream):
    files = {"file": ("a.wav", wav(speech()))}
    headers = {"origin": SITE, "authorization": "Bearer secret"}
    answer = httpx.post(base(server) + PATH, files=files, data={"stream": stream}, headers=headers)
    assert answer.status_code == 200 and EVERYTHING in answer.text
    assert answer.headers["access-control-allow-origin"] == SITE


def test_captions_are_followed_from_there(server):
    async def talk():
        shown = {"authorization": "Bearer secret"}
        client = await Client(server, additional_headers=shown).open()
        await client.play(speech(range(8)))
        await client.finish()
        return client.hello["session"]

    address = f"{base(server)}/captions/{run(talk())}?token=secret"
    feed = httpx.get(address, headers={"origin": SITE, "accept": "text/event-stream"})
    assert feed.headers["content-type"].startswith("text/event-stream")
    assert feed.headers["access-control-allow-origin"] == SITE


@pytest.mark.parametrize(("origin", "code"), [(SITE, "bad_message"), (REFUSED[1], "unauthorized")])
@pytest.mark.parametrize("path", ["/live", "/text"])
def test_sockets_and_requests_know_the_same_sites(server, origin, code, path):
    async def first():
        address = f"ws://127.0.0.1:{server.port}{path}?token=secret"
        async with websockets.connect(address, origin=origin) as socket:
            return await first_code(socket)

    known = {"bad_message", "bad_protocol"} if code == "bad_message" else {code}
    assert run(first()) in known


def test_with_a_star_every_site_may_use_the_token_but_not_the_cookie(tmp_path):
    with serving(tmp_path, token="secret", origins=("*",)) as open_to_all:
        asked = preflight(open_to_all, PATH, "https://any.example")
        assert asked.status_code == 200 and asked.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in asked.headers
        headers = {"origin": "null", "authorization": "Bearer secret"}
        posted = httpx.post(base(open_to_all) + PATH, headers=headers)
        assert posted.status_code == 400 and posted.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "LOCALHOST:{port}", "localhost:{port}"])
def test_a_page_of_the_servers_own_may_post(server, host):
    host = host.format(port=server.port)
    headers = {"host": host, "authorization": "Bearer secret", "origin": f"http://{host.lower()}"}
    assert httpx.post(base(server) + PATH, headers=headers).status_code == 400
