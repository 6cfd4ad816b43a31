"""A session replica: the server's application, whose model is in engine replicas."""

import asyncio

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from alignatt4llm.cluster.calls import Engines
from alignatt4llm.cluster.places import SharedPlaces, counter
from alignatt4llm.cluster.settings import ClusterSettings
from alignatt4llm.cluster.translator import ClusterTranslator
from alignatt4llm.errors import UsageError
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.serve.app import create_app
from alignatt4llm.serve.descriptors import raise_limit
from alignatt4llm.serve.origins import CrossOrigin, Origins
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.server import favour_the_loop
from alignatt4llm.text.languages import LANGUAGES

_LOADING = 3600.0
"""Seconds in which some engine replica has to have its model in memory."""


class Sessions:
    """Hears and decides; drafts come from the engines.

    Parameters
    ----------
    settings
        Of the application.
    token
        What clients must show, or None.
    engines
        The engines' deployment.
    """

    def __init__(
        self, settings: ClusterSettings, token: str | None, engines: DeploymentHandle
    ) -> None:
        self._settings = settings
        self._token = token
        self._handle = engines
        self._registry: Registry | None = None

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """Load the recogniser and return the application; Serve calls it once."""
        interpreter = await asyncio.to_thread(self._opened)
        settings = self._settings
        context = serve.get_replica_context()
        origins = Origins(settings.origins, guarded=bool(self._token))
        app = create_app(
            interpreter,
            settings.transcripts,
            settings.limits,
            self._token,
            origins,
            settings.defaults,
            sharing=SharedPlaces(counter(context.app_name), context.replica_id.unique_id),
        )
        self._registry = app.state.registry
        favour_the_loop()
        raise_limit()
        return CrossOrigin(app, origins)

    async def check_health(self) -> None:
        """Raise if a recogniser or engine hangs, so that the replica is replaced."""
        if self._registry and self._registry.stuck.is_set():
            raise TimeoutError("an engine has not come back")

    def _opened(self) -> Interpreter:
        described = Engines(self._handle, _LOADING).describe(self._settings.models)
        translator = ClusterTranslator(Engines(self._handle))
        interpreter = Interpreter(
            described.system, load=lambda name, asked: described.loaded(translator)
        )
        if not interpreter.pairs:
            raise UsageError(
                f"There is no head set for the model '{interpreter.name}'; give one with --heads."
            )
        interpreter.hear(LANGUAGES[self._settings.defaults.source])  # loads the recogniser
        return interpreter
