"""What a session has said so far, as files to download at any moment."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from alignatt4llm.events import Close, Commit, Event
from alignatt4llm.outputs.files import Subtitles
from alignatt4llm.serve.errors import UnknownFile
from alignatt4llm.serve.journal import Journal, events_of
from alignatt4llm.serve.registry import Registry

TYPES = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "txt": "text/plain",
    "jsonl": "application/jsonl",
}


class Transcripts:
    """Serves ``/transcripts/<session>.<srt, vtt, txt or jsonl>``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        kind = request.path_params["kind"]
        if kind not in TYPES:
            raise UnknownFile(f"Transcripts come as {', '.join(TYPES)}.")
        broadcast = await self._registry.broadcast(request.path_params["session"])
        text = await run_in_threadpool(_written, broadcast.journal, kind)
        began = "".join(filter(str.isalnum, request.path_params["session"]))[:8]
        headers = {"content-disposition": f'attachment; filename="translation-{began}.{kind}"'}
        return Response(text, media_type=TYPES[kind], headers=headers)


def _written(journal: Journal, kind: str) -> str:
    if kind == "jsonl":
        return "".join(line + "\n" for line in lines_of(journal))
    if kind == "txt":
        return "".join(text + "\n" for text in paragraphs(events_of(journal)))
    return subtitles(events_of(journal), vtt=kind == "vtt")


def lines_of(journal: Journal) -> Iterator[str]:
    """Yield the numbered events as they were written."""
    seq = 0
    while lines := journal.since(seq):
        seq += len(lines)
        yield from lines


def subtitles(events: Iterable[Event], *, vtt: bool) -> str:
    """Return SRT or VTT of what was said."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "subtitles"
        with closing(Subtitles(path, vtt=vtt)) as output:
            for event in events:
                output.write(event)
        return path.read_text("utf-8")


def paragraphs(events: Iterable[Event]) -> Iterator[str]:
    """Yield what was said, one utterance each."""
    text = ""
    for event in events:
        if isinstance(event, Commit):
            text += event.text
        elif isinstance(event, Close):
            text = text.lstrip()
            if event.target:
                yield text[: len(event.target)]
            text = text[len(event.target) :]
    if text.strip():
        yield text.strip()
