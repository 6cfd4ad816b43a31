"""What a session has said so far, as files to download at any moment."""

from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import Response

from alignatt4llm.errors import AlignattError
from alignatt4llm.outputs.only import Only
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS, OutputKind
from alignatt4llm.serve.errors import UnknownFile
from alignatt4llm.serve.journals.journal import Journal, events_of
from alignatt4llm.serve.messages import language_of
from alignatt4llm.serve.once import Once
from alignatt4llm.serve.registry import Registry
from alignatt4llm.text.languages import Language, Pair

_KEPT = 16
"""Texts that are kept for those who ask again before more is said."""


class Transcripts:
    """Serves ``/transcripts/<session>.<name of an output>`` and the like.

    Parameters
    ----------
    registry
        Has the sessions.
    kinds
        Names of outputs that are served.
    """

    def __init__(self, registry: Registry, kinds: Collection[str] = OUTPUTS) -> None:
        self._registry, self._kinds = registry, kinds
        self._texts = Once[str](_KEPT)

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        suffix = request.path_params["kind"]
        if suffix not in self._kinds:
            raise UnknownFile(f"Transcripts come as {', '.join(self._kinds)}.")
        kind = OUTPUTS[suffix]
        broadcast = await self._registry.broadcast(request.path_params["session"])
        journal = broadcast.journal
        to = asked(request, journal)
        version = journal.header["session"], suffix, to, journal.last
        text = await self._texts.get(version, lambda: _written(journal, kind, to))
        began = "".join(filter(str.isalnum, request.path_params["session"]))[:8]
        name = f"translation-{began}.{to}.{suffix}" if to else f"translation-{began}.{suffix}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(text, media_type=kind.media_type, headers=headers)


def asked(request: Request, journal: Journal) -> str:
    """Return the code of the language that is wanted of a session, by default its first.

    It is empty where the session knows one only and its events do not tell which.
    """
    target = target_of(journal, request.query_params.get("to", ""))
    return "" if journal.header["version"] == 1 else target.code


def target_of(journal: Journal, name: str) -> Language:
    """Return the target that is asked for; the first if none is named.

    Raises
    ------
    UnknownFile
        If there is no such target.
    """
    if not name:
        return journal.targets[0]
    target = language_of(name)
    if target not in journal.targets:
        known = ", ".join(each.code for each in journal.targets)
        raise UnknownFile(f"This session is translated into {known}.")
    return target


def _written(journal: Journal, kind: OutputKind, to: str) -> str:
    style = Style.of(Pair(journal.source, target_of(journal, to)))
    only = Only(to)
    events = events_of(journal)
    try:
        return kind.text(filter(None, map(only.take, events)) if to else events, style)
    except AlignattError as problem:  # a format that holds no such language
        raise UnknownFile(str(problem)) from problem
