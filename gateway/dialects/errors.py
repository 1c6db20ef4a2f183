"""Errors in the shape of the protocol that an address speaks."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import TypedDict

from gateway.api.described import described
from gateway.errors import (
    RENDER_ERROR,
    BadParameter,
    ModelNotFound,
    NotFound,
    PaymentRequired,
    RenderError,
    RequestTimeout,
    RetryLater,
    ServiceError,
    TooManyRequests,
    Unauthorized,
    UnsupportedMedia,
)

RIGHT_BASE_URL = "the base URL of this service ends in /v1, as in http://host:port/v1"
SHOULD_RETRY_HEADER = "x-should-retry"
REASON_HEADER = "X-Error"
UPLOADS = "/v1/uploads/"  # whose HEAD is a question with an answer of its own, and no GET without a body
WORTH_WAITING = 60  # seconds that SDKs wait before they try again


@described
class OpenAiErrorDetail(TypedDict):
    """An error in four words and sentences."""

    message: str
    """What was wrong and what is accepted, for a person to read."""
    type: Annotated[str, Field(examples=["invalid_request_error"])]
    """`invalid_request_error`, `rate_limit_exceeded`, `insufficient_quota` or `server_error`."""
    param: Annotated[str | None, Field(examples=["language"])]
    """The field, where it is one."""
    code: Annotated[str | None, Field(examples=["model_not_found"])]
    """A name for the kind of error, where there is one."""


@described
class OpenAiError(TypedDict):
    """Every error at OpenAI's addresses has this shape."""

    error: OpenAiErrorDetail
    """What was wrong."""


class DialectErrors:
    """Gives each protocol's addresses its errors, wherever they arise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            for paths, render in SHAPES.items():
                if paths.fullmatch(scope["path"]):
                    scope.setdefault("state", {})[RENDER_ERROR] = render
            if scope.get("method") == "HEAD" and scope["path"].startswith(UPLOADS):
                scope.setdefault("state", {})[RENDER_ERROR] = empty_error
        await self.app(scope, receive, send)


def openai_error(error: ServiceError) -> Response:
    status = 404 if isinstance(error, ModelNotFound) else error.status
    headers = {**error.headers, SHOULD_RETRY_HEADER: "true" if is_worth_repeating(error) else "false"}
    return JSONResponse(error_body(error), status_code=status, headers=headers)


def error_body(error: ServiceError) -> OpenAiError:
    message = error.message
    if isinstance(error, NotFound):
        message = f"{message} If a program adds paths to a base URL: {RIGHT_BASE_URL}."
    return {"error": {"message": message, "type": _type(error), "param": _parameter(error), "code": _code(error)}}


def is_worth_repeating(error: ServiceError) -> bool:
    """SDKs repeat 408, 409, 429 and 500 upwards by themselves, unless they are told."""
    if isinstance(error, RetryLater):
        return error.retry_after <= WORTH_WAITING
    return isinstance(error, RequestTimeout) or error.status >= 500


def _type(error: ServiceError) -> str:
    match error:
        case TooManyRequests():
            return "rate_limit_exceeded"
        case PaymentRequired():
            return "insufficient_quota"
    return "server_error" if error.status >= 500 else "invalid_request_error"


def _parameter(error: ServiceError) -> str | None:
    if isinstance(error, UnsupportedMedia):
        return "file"
    return error.parameter if isinstance(error, BadParameter) else None


def _code(error: ServiceError) -> str | None:
    match error:
        case ModelNotFound():
            return "model_not_found"
        case Unauthorized():
            return "invalid_api_key"
        case TooManyRequests():
            return "rate_limit_exceeded"
        case PaymentRequired():
            return "insufficient_quota"
    return None


def empty_error(error: ServiceError) -> Response:
    """No body: to HEAD, or because a program writes it into a file of subtitles, whatever the status is. The reason is
    in a header."""
    reason = " ".join(error.message.split()).encode("ascii", "backslashreplace").decode()
    return PlainTextResponse("", error.status, {**error.headers, REASON_HEADER: reason})


SHAPES: dict[re.Pattern[str], RenderError] = {
    # What programs ask for whose base URL lacks its /v1, or has it twice, is told in a way that they can show.
    re.compile(r".*/(audio|realtime)(/.*)?|/v1/models/.*|/v1/v1/.*|/models(/.*)?"): openai_error,
    re.compile(r"/(asr|detect-language)"): empty_error,
}
