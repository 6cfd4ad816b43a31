"""What a session has said so far, as files to download at any moment."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from alignatt4llm.errors import AlignattError
from alignatt4llm.outputs.only import Only
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS, OutputKind
from alignatt4llm.serve.errors import UnknownFile
from alignatt4llm.serve.journal import Journal, events_of
from alignatt4llm.serve.messages import language_of
from alignatt4llm.serve.registry import Registry
from alignatt4llm.text.languages import LANGUAGES, Pair


class Transcripts:
    """Serves ``/transcripts/<session>.<name of an output>``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        suffix = request.path_params["kind"]
        if suffix not in OUTPUTS:
            raise UnknownFile(f"Transcripts come as {', '.join(OUTPUTS)}.")
        kind = OUTPUTS[suffix]
        broadcast = await self._registry.broadcast(request.path_params["session"])
        to = asked(request, broadcast.journal)
        text = await run_in_threadpool(_written, broadcast.journal, kind, to)
        began = "".join(filter(str.isalnum, request.path_params["session"]))[:8]
        name = f"translation-{began}.{to}.{suffix}" if to else f"translation-{began}.{suffix}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(text, media_type=kind.media_type, headers=headers)


def asked(request: Request, journal: Journal) -> str:
    """Return the code of the language that is wanted of a session, by default its first.

    It is empty where the session knows one only and its events do not tell which.
    """
    if journal.header["version"] == 1:
        return ""
    return language_of(request.query_params.get("to") or journal.header["to"][0]).code


def _written(journal: Journal, kind: OutputKind, to: str) -> str:
    pair = Pair.parse(journal.header["pair"])
    style = Style.of(Pair(pair.source, LANGUAGES[to]) if to else pair)
    only = Only(to)
    events = events_of(journal)
    try:
        return kind.text(filter(None, map(only.take, events)) if to else events, style)
    except AlignattError as problem:  # a format that holds no such language
        raise UnknownFile(str(problem)) from problem
