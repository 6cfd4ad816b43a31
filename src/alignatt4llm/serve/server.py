"""The process: uvicorn, certificates, and a stop that loses nothing."""

import asyncio
import gc
import logging
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn

from alignatt4llm.errors import UsageError
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.serve.access import check_exposure, check_token
from alignatt4llm.serve.app import create_app
from alignatt4llm.serve.captioning import Captioning
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import Defaults
from alignatt4llm.serve.origins import CrossOrigin, Origins
from alignatt4llm.serve.registry import Registry

_PARTING = 1.0
"""Seconds in which clients are told that an engine hangs."""

_TURN = 0.0005
"""Seconds after which a thread that computes lets another one go on."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server is run.

    Attributes
    ----------
    transcripts
        Where transcripts are kept: a folder, or the address of a Redis database.
    host, port
        Where it listens; beyond loopback only with a token. Port 0 takes a free one.
    token
        What clients must show, or None.
    origins
        Other sites whose pages may use the server, such as ``https://example.org``.
    defaults
        The languages that are meant where a client names none.
    certificate, key
        PEM files for TLS.
    limits
        What clients are allowed.
    captioning
        Where captions go.
    """

    transcripts: Path | str
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    origins: tuple[str, ...] = ()
    defaults: Defaults = Defaults()
    certificate: Path | None = None
    key: Path | None = None
    limits: Limits = field(default_factory=Limits)
    captioning: Captioning = field(default_factory=Captioning)

    def __post_init__(self) -> None:
        check_token(self.token)
        check_exposure(self.host, self.token)
        Origins(self.origins, guarded=bool(self.token))
        if not 0 <= self.port < 65536:
            raise UsageError(f"The port is {self.port}; it must lie in 0..65535.")
        if bool(self.certificate) != bool(self.key):
            raise UsageError("TLS needs both files: --tls-cert and --tls-key.")
        for path in filter(None, (self.certificate, self.key)):
            if not path.is_file():
                raise UsageError(f"There is no file '{path}'; TLS needs it.")


def listen(settings: Settings) -> socket.socket:
    """Take the port, so that what is wrong with it is said before models are loaded.

    Raises
    ------
    UsageError
        If it cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host.strip("[]"), settings.port), family=family)
    except OSError as problem:
        raise UsageError(
            f"Port {settings.port} of '{settings.host}' cannot be had ({problem}); stop what uses "
            "it, or choose another with --port."
        ) from problem


def favour_the_loop() -> None:
    """Let the event loop have its turn soon, whatever other threads do; call it before serving.

    What is loaded by then is never looked through for garbage again, which would take long.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_TURN)


class Server(uvicorn.Server):
    """Uvicorn, which on SIGTERM or SIGINT first lets the sessions translate what they have.

    A second signal stops at once. When an engine hangs it stops by itself, for its supervisor to
    start it again: see `exit_code`.
    """

    def __init__(self, interpreter: Interpreter, settings: Settings) -> None:
        origins = Origins(settings.origins, guarded=bool(settings.token))
        app = create_app(
            interpreter,
            settings.transcripts,
            settings.limits,
            settings.token,
            origins,
            settings.defaults,
            settings.captioning,
        )
        self.registry: Registry = app.state.registry
        limits = settings.limits
        super().__init__(
            uvicorn.Config(
                CrossOrigin(app, origins),
                host=settings.host,
                port=settings.port,
                ws="websockets-sansio",
                ws_max_size=4 * limits.message,
                ws_ping_interval=None,  # a client that is made to wait could not answer in time
                ssl_certfile=settings.certificate,
                ssl_keyfile=settings.key,
                timeout_graceful_shutdown=5,
                log_level="warning",
                access_log=False,
                server_header=False,
            )
        )
        self.loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    @property
    def exit_code(self) -> int:
        """What the process should end with: 0 unless it must be started again."""
        return 0 if self.started and not self.registry.stuck.is_set() else 1

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._watching = asyncio.ensure_future(self._end_when_stuck())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; called for a signal."""
        if self.loop is None or self.registry.draining:
            self.should_exit = self.force_exit = True
        else:
            self.loop.call_soon_threadsafe(self.drain)

    async def _end_when_stuck(self) -> None:
        await self.registry.stuck.wait()
        log.error("stopping, to be started again: an engine that hangs cannot be ended otherwise")
        await asyncio.sleep(_PARTING)
        self.should_exit = True

    def drain(self) -> None:
        """Begin to stop; called in the event loop."""

        async def work() -> None:
            log.warning("stopping: what was received is translated first")
            await self.registry.drain()
            await asyncio.sleep(0.1)  # the last frames leave
            self.should_exit = True

        self._draining = self._draining or asyncio.ensure_future(work())
