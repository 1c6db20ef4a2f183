"""Resumable uploads in requests that use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from starlette.requests import Request

from gateway.accounts import Caller
from gateway.errors import BadParameter, NotFound
from gateway.http.uploads import Upload, too_large
from gateway.services import services_of
from gateway.uploads.uploads import ResumableUploads

FIELD = "upload"  # of a form or of JSON: the upload's id


def uploads_of(request: Request) -> ResumableUploads:
    """raises: BadParameter where there are none"""
    uploads: ResumableUploads | None = request.app.state.uploads
    if uploads is None:
        raise BadParameter(f"`{FIELD}` is not accepted here: this service takes no resumable uploads.", FIELD)
    return uploads


@asynccontextmanager
async def upload_as_file(request: Request, caller: Caller, identity: str, path: Path) -> AsyncIterator[Upload]:
    """As if it had been sent with the request. It stays where it was stored.

    raises: BadParameter where there is none of this id that is complete; TooLarge, Unavailable
    """
    services, uploads = services_of(request), uploads_of(request)
    with ExitStack() as stack:
        try:
            upload = await uploads.find(identity, caller.subject)
            largest = min(services.settings.media.max_upload_bytes, caller.tier.largest_file)
            if upload.length > largest:
                raise too_large(largest)
            stack.enter_context(services.capacity.spool(upload.length, caller.tier.share))
            await uploads.fetch(upload, path)
        except NotFound as problem:
            raise BadParameter(problem.message, FIELD) from problem
        yield Upload(path, upload.file_name, upload.length)
