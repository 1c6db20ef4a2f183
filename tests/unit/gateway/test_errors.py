import errno
import json

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway import errors
from gateway.errors import RetryLater, ServiceError, answer_error, error_response
from gateway.http.middleware.error_boundary import ErrorBoundary


def every_error(tree: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    return [tree, *(found for branch in tree.__subclasses__() for found in every_error(branch))]


def example(kind: type[ServiceError]) -> ServiceError:
    return kind("wrong", 2.1) if issubclass(kind, RetryLater) and kind is not errors.Unavailable else kind("wrong")


@pytest.mark.parametrize("kind", [kind for kind in every_error() if kind is not RetryLater])
def test_every_error_has_the_one_shape_and_its_own_status(kind: type[ServiceError]) -> None:
    answer = error_response(example(kind))

    assert answer.status_code == kind.status >= 400
    assert json.loads(bytes(answer.body)) == {"error": "wrong"}


@pytest.mark.parametrize(("given", "sent"), [(0, "1"), (1.2, "2"), (30, "30")])
def test_retry_after_is_a_whole_number_of_seconds(given: float, sent: str) -> None:
    answer = error_response(errors.Unavailable("away", given))

    assert answer.headers["Retry-After"] == sent


async def test_an_exception_of_the_code_tells_nothing_to_the_client() -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})

    answer = await answer_error(request, RuntimeError("secret"))

    assert answer.status_code == 500
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (OSError(errno.EMFILE, "Too many open files", "/secret"), 503),
        (OSError(errno.EIO, "secret"), 500),
        (KeyError("secret"), 500),
    ],
)
async def test_a_machine_that_is_short_of_something_is_a_reason_to_come_back(problem: Exception, status: int) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise problem

    async with httpx.AsyncClient(transport=httpx.ASGITransport(ErrorBoundary(fails)), base_url="http://here") as client:
        answer = await client.get("/")

    assert answer.status_code == status
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert "secret" not in answer.text
