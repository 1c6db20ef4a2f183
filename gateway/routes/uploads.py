"""/v1/uploads: a recording that is sent in as many pieces as it takes, by tus 1.0."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from gateway.accounts import Caller
from gateway.draining import Work
from gateway.errors import BadRequest, ClientGone, OffsetConflict, RequestTimeout, ServiceError, error_response
from gateway.http.upload_headers import (
    ALGORITHMS,
    BODY,
    EXTENSIONS,
    LENGTH,
    METADATA,
    METHOD_OVERRIDE,
    OWN_HEADERS,
    VERSION,
    check_body,
    check_version,
    position,
    read_checksum,
    read_length,
    read_metadata,
    read_offset,
)
from gateway.http.uploads import UploadLimits, declared_bytes, drain, pieces
from gateway.requests.uploads import uploads_of
from gateway.routes.jobs_access import owner
from gateway.services import services_of
from gateway.uploads.upload import ResumableUpload

ServeUpload = Callable[[Request, Caller], Awaitable[Response]]


def of_owner(serve: ServeUpload) -> Callable[[Request], Awaitable[Response]]:
    """For requests of this version with a key. Refusals have the protocol's headers, too."""

    @wraps(serve)
    async def served(request: Request) -> Response:
        try:
            check_version(request.headers)
            return await serve(request, await owner(request))
        except ServiceError as error:
            if not isinstance(error, ClientGone | RequestTimeout):
                await drain(request)
            response = error_response(error, request.scope)
            response.headers.update(OWN_HEADERS)
            return response

    return served


async def describe_uploads(request: Request) -> Response:
    largest = services_of(request).settings.media.max_upload_bytes
    headers = {
        **OWN_HEADERS,
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Max-Size": str(largest),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


@of_owner
async def create_upload(request: Request, caller: Caller) -> Response:
    services, uploads = services_of(request), uploads_of(request)
    largest = min(services.settings.media.max_upload_bytes, caller.tier.largest_file)
    length = read_length(request.headers, largest)
    file_name, metadata = read_metadata(request.headers)
    async with services.accounts.admit_job(caller, secrets.token_hex(16)):  # nothing is stored that nobody can pay for
        pass
    upload = await uploads.create(caller.subject, length, file_name, metadata)
    if request.headers.get("content-type", "").startswith(BODY):
        upload = await _receive(request, caller, upload)
    return Response(status_code=201, headers={"Location": f"/v1/uploads/{upload.id}", **position(upload)})


@of_owner
async def show_upload(request: Request, caller: Caller) -> Response:
    upload = await _own(request, caller)
    headers = {**position(upload), LENGTH: str(upload.length), "Cache-Control": "no-store"}
    if upload.client_metadata:
        headers[METADATA] = upload.client_metadata
    return Response(status_code=200, headers=headers)


@of_owner
async def extend_upload(request: Request, caller: Caller) -> Response:
    return await _extend(request, caller)


@of_owner
async def remove_upload(request: Request, caller: Caller) -> Response:
    return await _remove(request, caller)


@of_owner
async def override_upload(request: Request, caller: Caller) -> Response:
    """For clients that know no PATCH and no DELETE."""
    method = request.headers.get(METHOD_OVERRIDE, "").strip().upper()
    if method not in ("PATCH", "DELETE"):
        raise BadRequest(f"{METHOD_OVERRIDE} is {method[:20]!r}; accepted with POST are PATCH and DELETE.")
    return await (_extend if method == "PATCH" else _remove)(request, caller)


async def _extend(request: Request, caller: Caller) -> Response:
    check_body(request.headers)
    offset = read_offset(request.headers)
    upload = await _own(request, caller)
    if offset != upload.received:
        raise OffsetConflict(f"The upload goes on at {upload.received}, not at {offset}.", 1)
    return Response(status_code=204, headers=position(await _receive(request, caller, upload)))


async def _remove(request: Request, caller: Caller) -> Response:
    upload = await _own(request, caller)
    await uploads_of(request).remove(upload.id)
    return Response(status_code=204, headers=OWN_HEADERS)


async def _receive(request: Request, caller: Caller, upload: ResumableUpload) -> ResumableUpload:
    """The body, at the end of the upload. raises: BadRequest, TooLarge, RequestTimeout, ClientGone, Unavailable"""
    services, checksum = services_of(request), read_checksum(request.headers)
    limits = UploadLimits(upload.length, services.settings.media.upload_idle_seconds)
    with (
        services.draining.track(Work.FILE),
        services.capacity.recording(declared_bytes(request) or upload.left, caller.tier.share),
    ):
        return await uploads_of(request).append(upload, pieces(request, limits, upload.left), checksum)


async def _own(request: Request, caller: Caller) -> ResumableUpload:
    """The one in the address. Raises NotFound, also for another key's"""
    return await uploads_of(request).find(request.path_params["identity"], caller.subject)
