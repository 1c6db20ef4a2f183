"""The web page for whoever opens the service's address in a browser."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import NotFound
from gateway.page.files import SECURITY_HEADERS, SHELL, PageFile, how_to_build, page_file

FILES_PATH = "/page/{name}"


def is_wanted(request: Request) -> bool:
    """Whether a browser asks for a page, and not a program for JSON."""
    return "text/html" in request.headers.get("accept", "")


def show_page(request: Request) -> Response:
    shell = page_file(SHELL)
    if shell is None:
        headers = SECURITY_HEADERS | {"Cache-Control": "no-store", "Vary": "Accept"}
        return Response(how_to_build(), media_type="text/html", headers=headers)
    return _answer(shell, request.headers, {"Vary": "Accept, Accept-Encoding"})


async def show_page_file(request: Request) -> Response:
    found = page_file(request.path_params["name"])
    if found is None or found.media_type == "text/html":
        raise NotFound("There is no such file; / is the page.")
    return _answer(found, request.headers, {"Vary": "Accept-Encoding"})


def _answer(file: PageFile, asked: Headers, vary: dict[str, str]) -> Response:
    headers = SECURITY_HEADERS | vary | {"Cache-Control": "no-cache", "ETag": file.tag}
    if asked.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    content = file.content
    if "gzip" in asked.get("accept-encoding", ""):
        content, headers = file.compressed, headers | {"Content-Encoding": "gzip"}
    return Response(content, media_type=file.media_type, headers=headers)
