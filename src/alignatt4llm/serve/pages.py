"""The web page: files as they are, with headers that let them do no more than they need."""

from importlib import resources
from io import BytesIO
from mimetypes import guess_type
from pathlib import Path

import segno
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from alignatt4llm.serve.access import COOKIE, cookie_for
from alignatt4llm.serve.errors import UnknownFile

FOLDER = Path(str(resources.files("alignatt4llm.serve"))) / "page"
_LONGEST_LINK = 500

HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'self'; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def page(name: str) -> Response:
    """Return a file of the page."""
    path = FOLDER / name
    if path.parent != FOLDER or not path.is_file():
        raise UnknownFile("There is no such page.")
    return FileResponse(path, media_type=guess_type(name)[0], headers=HEADERS)


async def asset(request: Request) -> Response:
    """Serve a file that the page asks for."""
    return page(request.path_params["name"])


async def favicon(request: Request) -> Response:
    """Serve the icon that browsers ask for by themselves."""
    return page("icon.svg")


async def qr(request: Request) -> Response:
    """Draw a link as a QR code."""
    link = request.query_params.get("link", "")
    if not link.startswith(("http://", "https://")) or len(link) > _LONGEST_LINK:
        raise UnknownFile(
            f"Give ?link= the address to draw: http or https, {_LONGEST_LINK} characters at most."
        )
    drawing = BytesIO()
    segno.make_qr(link, error="m").save(drawing, kind="svg", scale=4, light="#fff")
    return Response(drawing.getvalue(), media_type="image/svg+xml", headers=HEADERS)


async def front(request: Request) -> Response:
    """Serve the page; a token in the address becomes a cookie and leaves the address."""
    token = request.query_params.get("token")
    if token is None:
        return page("index.html")
    response = RedirectResponse(".", 303)  # also below a path of a proxy
    response.set_cookie(
        COOKIE,
        cookie_for(token),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response
