"""Every error that a client can see, and the one shape in which it sees it.

    ServiceError
    ├── BadRequest 400
    │   ├── BadParameter       a field that is missing, unknown or out of range
    │   │   └── ModelNotFound  a name that is no model's
    │   └── UnsupportedMedia   a file without audio, or that cannot be read
    │       └── RecordingTooLong
    ├── Unauthorized 401
    ├── PaymentRequired 402
    ├── Forbidden 403          a web page that may not call
    ├── NotFound 404
    ├── MethodNotAllowed 405
    ├── RequestTimeout 408     the client stopped sending in the middle of its request
    ├── PreconditionFailed 412 another version of a protocol
    ├── TooLarge 413
    ├── UnsupportedContentType 415
    ├── ChecksumMismatch 460
    ├── ClientGone 499         the client disconnected; it exists for the log
    ├── InternalError 500
    └── RetryLater             carries Retry-After
        ├── Conflict 409       the same request is in progress
        │   └── OffsetConflict an upload does not go on where the client thinks
        ├── TooManyRequests 429
        └── Unavailable 503

A message says what was wrong and what is accepted. It never holds a key, a path of this machine or the
text of an exception that was not written for clients.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from gateway.api.catalogue import ErrorBody

RENDER_ERROR = "render_error"  # in a request's state: a RenderError, where errors are not in the contract's shape


class ServiceError(Exception):
    status: ClassVar[int] = 500
    phrase: ClassVar[str] = ""  # of a status that is a protocol's own

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}


RenderError: TypeAlias = Callable[[ServiceError], Response]


class BadRequest(ServiceError):
    """Something in the request is missing, unknown, out of range or cannot be read."""

    status = 400


class BadParameter(BadRequest):
    def __init__(self, message: str, parameter: str | None = None) -> None:
        """parameter: the field, where it is one"""
        super().__init__(message)
        self.parameter = parameter


class ModelNotFound(BadParameter):
    pass


class UnsupportedMedia(BadRequest):
    pass


class RecordingTooLong(UnsupportedMedia):
    pass


class Unauthorized(ServiceError):
    """The key is wrong, expired or revoked. It is never served as an anonymous caller."""

    status = 401

    def __init__(self, message: str) -> None:
        super().__init__(message, {"WWW-Authenticate": "Bearer"})


class PaymentRequired(ServiceError):
    """Not enough credits for the length of the recording."""

    status = 402


class Forbidden(ServiceError):
    """A web page of this origin may not call the service (STT_SERVER_CORS_ORIGINS)."""

    status = 403


class NotFound(ServiceError):
    """There is nothing at this address; at OpenAI's, also no model of this name."""

    status = 404


class MethodNotAllowed(ServiceError):
    """The address does not take this method; `Allow` names those that it takes."""

    status = 405


class RequestTimeout(ServiceError):
    """The client stopped sending in the middle of its request, or sent too slowly."""

    status = 408


class PreconditionFailed(ServiceError):
    """The version of tus is not that of the header `Tus-Version`."""

    status = 412


class TooLarge(ServiceError):
    """The file is larger than the caller's tier allows, or the text larger than 8 MB."""

    status = 413


class UnsupportedContentType(ServiceError):
    """The body is sent as something else than `application/offset+octet-stream`."""

    status = 415


class ChecksumMismatch(ServiceError):
    """What came is not what `Upload-Checksum` says; none of it is kept."""

    status = 460
    phrase = "Checksum Mismatch"


class RetryLater(ServiceError):
    """Carries how long to wait; clients of the contract read whole seconds."""

    def __init__(self, message: str, retry_after: float, headers: dict[str, str] | None = None) -> None:
        self.retry_after = max(1, math.ceil(retry_after))  # seconds
        super().__init__(message, {**(headers or {}), "Retry-After": str(self.retry_after)})


class Conflict(RetryLater):
    """A request with the same Idempotency-Key is in work; ask again after `Retry-After`."""

    status = 409


class OffsetConflict(Conflict):
    """The upload does not go on at `Upload-Offset`; `HEAD` says where it does."""


class TooManyRequests(RetryLater):
    """The tier's allowance or all of its slots are used up until `Retry-After`."""

    status = 429


class ClientGone(ServiceError):
    status = 499

    def __init__(self, message: str = "The client left before the answer was ready.") -> None:
        super().__init__(message)


class InternalError(ServiceError):
    """The service failed; the log entry has the request id."""

    status = 500

    def __init__(self, message: str = "Something went wrong here; the request id tells the log entry.") -> None:
        super().__init__(message)


class Unavailable(RetryLater):
    """What is needed for the answer is away, or the service stops; try again after `Retry-After`."""

    status = 503

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message, retry_after)


SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)  # descriptors, memory, processes of the machine


def failure(error: Exception) -> ServiceError:
    """What a client is told where the code failed: a machine that is short of something may do it a moment later."""
    if isinstance(error, OSError) and error.errno in SHORT:
        return Unavailable("The service cannot take more at the moment.")
    return InternalError()


def error_response(error: ServiceError, scope: Scope | None = None) -> Response:
    """scope: of the request; an address of another service's protocol has that protocol's errors"""
    render: RenderError = (scope or {}).get("state", {}).get(RENDER_ERROR, _contract_error)
    return render(error)


def _contract_error(error: ServiceError) -> Response:
    body: ErrorBody = {"error": error.message}
    return JSONResponse(body, status_code=error.status, headers=error.headers)


async def answer_error(request: Request, exc: Exception) -> Response:
    """The one handler: the tree above, and what Starlette's router raises."""
    if isinstance(exc, ServiceError):
        return error_response(exc, request.scope)
    if isinstance(exc, HTTPException):
        return error_response(_from_router(request, exc), request.scope)
    return error_response(failure(exc), request.scope)


def _from_router(request: Request, exc: HTTPException) -> ServiceError:
    if exc.status_code == 404:
        return NotFound(f"There is nothing at {request.url.path}; GET / lists what is here.")
    if exc.status_code == 405:
        allowed = (exc.headers or {}).get("Allow", "")
        message = f"{request.method} is not accepted at {request.url.path}; accepted: {allowed}."
        return MethodNotAllowed(message, {"Allow": allowed})
    return BadRequest(exc.detail) if exc.status_code < 500 else InternalError()
