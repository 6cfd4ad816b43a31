"""What a session has said so far, as files to download at any moment."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from alignatt4llm.errors import AlignattError
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS, OutputKind
from alignatt4llm.serve.errors import UnknownFile
from alignatt4llm.serve.journal import Journal, concerns, events_of
from alignatt4llm.serve.registry import Registry
from alignatt4llm.text.languages import Language, Pair


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
        target = target_of(broadcast.journal, request.query_params.get("to", ""))
        text = await run_in_threadpool(_written, broadcast.journal, kind, target)
        began = "".join(filter(str.isalnum, request.path_params["session"]))[:8]
        headers = {"content-disposition": f'attachment; filename="translation-{began}.{suffix}"'}
        return Response(text, media_type=kind.media_type, headers=headers)


def target_of(journal: Journal, code: str) -> Language:
    """Return the target that is asked for; the first if none is named.

    Raises
    ------
    UnknownFile
        If there is no such target.
    """
    targets = {target.code: target for target in journal.targets}
    if not code:
        return journal.targets[0]
    if code not in targets:
        raise UnknownFile(f"This session is translated into {', '.join(targets)}.")
    return targets[code]


def _written(journal: Journal, kind: OutputKind, target: Language) -> str:
    events = (event for event in events_of(journal) if concerns(event, target))
    try:
        return kind.text(events, Style.of(Pair(journal.source, target)))
    except AlignattError as problem:  # a format that holds no such language
        raise UnknownFile(str(problem)) from problem
