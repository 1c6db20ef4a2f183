"""The reference for people: Swagger UI from its package, and the few lines that start it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

STARTER = "start.js"
ASSETS = ("swagger-ui-bundle.js", STARTER, "swagger-ui.css", "favicon-32x32.png")
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}

# Nothing is asked of anybody else, and no text of the document can become a script.
# Swagger UI writes style attributes.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@cache
def shell() -> bytes:
    return files(__package__).joinpath("docs.html").read_bytes()


@cache
def asset(name: str) -> bytes:
    """One of ASSETS."""
    if name == STARTER:
        return files(__package__).joinpath(name).read_bytes()
    import swagger_ui_bundle

    folder: Path = swagger_ui_bundle.swagger_ui_path
    return (folder / name).read_bytes()


def media_type(name: str) -> str:
    return MEDIA_TYPES[Path(name).suffix]
