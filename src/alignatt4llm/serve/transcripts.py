"""What a session has said so far, as files to download at any moment."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from alignatt4llm.errors import AlignattError
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS, OutputKind
from alignatt4llm.serve.errors import UnknownFile
from alignatt4llm.serve.journal import Journal, events_of
from alignatt4llm.serve.registry import Registry
from alignatt4llm.text.languages import Pair


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
        text = await run_in_threadpool(_written, broadcast.journal, kind)
        began = "".join(filter(str.isalnum, request.path_params["session"]))[:8]
        headers = {"content-disposition": f'attachment; filename="translation-{began}.{suffix}"'}
        return Response(text, media_type=kind.media_type, headers=headers)


def _written(journal: Journal, kind: OutputKind) -> str:
    style = Style.of(Pair.parse(journal.header["pair"]))
    try:
        return kind.text(events_of(journal), style)
    except AlignattError as problem:  # a format that holds no such language
        raise UnknownFile(str(problem)) from problem
