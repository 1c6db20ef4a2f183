"""The files of the web page, which set-up builds of `web/`."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SHELL = "index.html"
MEDIA_TYPES = {
    "app.js": "text/javascript",
    "app.css": "text/css",
    "microphone.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
# Scripts and styles are files of this service, nobody else is asked for anything, and no text becomes part of the page.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    media_type: str
    content: bytes
    compressed: bytes  # gzip
    tag: str  # changes with the content


@cache
def page_file(name: str) -> PageFile | None:
    """SHELL, or one of MEDIA_TYPES; None where there is no such file, or nothing was built."""
    built = files(__package__) / "built" / name
    media_type = "text/html" if name == SHELL else MEDIA_TYPES.get(name, "")
    if not media_type or not built.is_file():
        return None
    content = built.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return PageFile(media_type, content, gzip.compress(content, mtime=0), tag)


@cache
def how_to_build() -> bytes:
    """The page in its place where nothing was built."""
    return (files(__package__) / "unbuilt.html").read_bytes()
