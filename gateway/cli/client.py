"""Requests of the commands to the service; whatever goes wrong becomes one sentence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from gateway.cli.errors import CommandFailed
from gateway.cli.service_address import ServiceAddress
from gateway.cli.terminal import duration

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 120.0  # a summarizer that works sends a line at least every 10 s
QUICK_SECONDS = 30.0  # for answers that need no work
POLL_SECONDS = 0.4
IDENTITY = "X-Request-Id"  # a client chooses it, and the service repeats it in its answer

OnStage = Callable[[str, float, float], None]  # stage, done, of how much


class RequestFailed(CommandFailed):
    """The service did not do it."""


class UploadFile:
    """A file that reports how much of it was read, for httpx to send."""

    def __init__(self, file: BinaryIO, size: int, on_stage: OnStage) -> None:
        self._file, self._size, self._on_stage = file, size, on_stage
        self._sent = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._sent += len(piece)
        self._on_stage("uploading" if self._sent < self._size else "waiting", self._sent, self._size)
        return piece

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, position: int) -> int:
        self._sent = position
        return self._file.seek(position)


@dataclass(frozen=True, slots=True)
class RecordingForm:
    """What is sent with a recording."""

    name: str  # of its file
    fields: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceClient:
    address: ServiceAddress
    http: httpx.AsyncClient

    async def get(self, path: str, also: Container[int] = ()) -> Any:
        """The JSON at a path. also: status codes beside 200 whose answer is wanted. Raises RequestFailed."""
        async with self._asking("GET", path, also=also, timeout=QUICK_SECONDS) as answer:
            await answer.aread()
            return self._json(answer)

    async def text(self, path: str) -> str:
        """What is at a path. Raises RequestFailed."""
        return (await self.answer(path)).text

    async def answer(self, path: str) -> httpx.Response:
        """raises: RequestFailed"""
        async with self._asking("GET", path, timeout=QUICK_SECONDS) as answer:
            await answer.aread()
            return answer

    async def lines(self, path: str, headers: dict[str, str]) -> AsyncGenerator[str, None]:
        """Of an answer that goes on. Raises RequestFailed."""
        timeout = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        async with self._asking("GET", path, headers=headers, timeout=timeout) as answer:
            async for line in answer.aiter_lines():
                yield line

    async def post(self, path: str, fields: Mapping[str, Any]) -> Any:
        """The JSON of the answer. Raises RequestFailed."""
        accepted = (HTTPStatus.ACCEPTED,)
        async with self._asking("POST", path, also=accepted, json=dict(fields), timeout=QUICK_SECONDS) as answer:
            await answer.aread()
            return self._json(answer)

    async def delete(self, path: str) -> Any:
        """The JSON of the answer; None where it has none. Raises RequestFailed."""
        async with self._asking("DELETE", path, also=(HTTPStatus.NO_CONTENT,), timeout=QUICK_SECONDS) as answer:
            await answer.aread()
            return None if answer.status_code == HTTPStatus.NO_CONTENT else self._json(answer)

    async def transcribe(self, path: Path, name: str, fields: dict[str, str], on_stage: OnStage) -> httpx.Response:
        """Raises RequestFailed, OSError where the file cannot be read."""
        return await self.upload("/v1/transcribe", path, RecordingForm(name, fields), on_stage)

    async def upload(self, to: str, path: Path, form: RecordingForm, on_stage: OnStage) -> httpx.Response:
        """Raises RequestFailed, OSError where the file cannot be read."""
        identity = new_identity()
        with path.open("rb") as file:
            upload: Any = UploadFile(file, path.stat().st_size, on_stage)
            sent: dict[str, Any] = {"data": form.fields, "files": {"file": (form.name, upload)}}
            async with (
                self._following(identity, on_stage),
                self._asking("POST", to, identity, also=(HTTPStatus.ACCEPTED,), headers=form.headers, **sent) as answer,
            ):
                await answer.aread()
                return answer

    async def summarize(self, fields: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Events to the last, which is the summary. Raises RequestFailed."""
        timeout = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        headers = {"Accept": "text/event-stream"}
        async with self._asking("POST", "/v1/summarize", json=fields, headers=headers, timeout=timeout) as answer:
            async for line in answer.aiter_lines():
                for event in read_events([line]):
                    if event["type"] == "error":
                        raise RequestFailed(event["error"])
                    yield event
                    if event["type"] == "summary":
                        return
        raise RequestFailed(f"the service at {self.address.url} ended without a summary")

    @asynccontextmanager
    async def _asking(
        self, method: str, path: str, identity: str = "", *, also: Container[int] = (), **options: Any
    ) -> AsyncIterator[httpx.Response]:
        """An answer with status 200, whose body is not read yet. Raises RequestFailed."""
        identity = identity or new_identity()
        named = {IDENTITY: identity, **self.address.headers, **options.pop("headers", {})}
        try:
            asked = self.http.stream(
                method, f"{self.address.url}{path}", headers=httpx.Headers(named, encoding="utf-8"), **options
            )
            async with asked as answer:
                wanted = answer.status_code == HTTPStatus.OK or answer.status_code in also
                if not wanted or answer.headers.get(IDENTITY) != identity:
                    await answer.aread()
                    raise RequestFailed(self._refusal(answer, identity))
                yield answer
        except httpx.ConnectError as problem:
            raise RequestFailed(self.address.nobody) from problem
        except httpx.HTTPError as problem:
            said = str(problem) or type(problem).__name__
            raise RequestFailed(f"the connection to {self.address.url} broke: {said}") from problem

    @asynccontextmanager
    async def _following(self, identity: str, on_stage: OnStage) -> AsyncIterator[None]:
        """Reports what the service says about a request while it is in flight."""

        async def follow() -> None:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                with contextlib.suppress(RequestFailed, KeyError, TypeError):
                    answer = await self.get(f"/v1/progress/{identity}")
                    if answer["stage"] != "receiving":
                        on_stage(answer["stage"], float(answer["done"]), 1.0)

        following = asyncio.create_task(follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def _refusal(self, answer: httpx.Response, identity: str) -> str:
        try:
            message = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            message = ""
        if not message or answer.headers.get(IDENTITY) != identity:
            if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return f"a server before the service answered {answer.status_code} at {self.address.url}"
            return self.address.stranger
        return message + hint(answer, self.address)

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise RequestFailed(self.address.stranger) from None


@asynccontextmanager
async def connect(address: ServiceAddress) -> AsyncIterator[ServiceClient]:
    patience = httpx.Timeout(None, connect=CONNECT_SECONDS)
    async with httpx.AsyncClient(timeout=patience, limits=httpx.Limits(max_connections=None)) as http:
        yield ServiceClient(address, http)


def hint(answer: httpx.Response, address: ServiceAddress) -> str:
    """What helps against a refusal, where the user can do something."""
    if answer.status_code == HTTPStatus.PAYMENT_REQUIRED:
        return " Whoever runs the service adds credits with `stt keys grant`."
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return " `stt keys create` makes a key; STT_CLIENT_KEY is the one that is sent."
    if answer.status_code == HTTPStatus.NOT_FOUND and answer.request.url.path == "/v1/jobs":
        return " This service has no jobs: they are turned off, or it is older than they are."
    wait = answer.headers.get("Retry-After", "")
    said = f" (try again in {duration(int(wait))})" if wait.isdigit() else ""
    if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS and not address.key:
        said += "; a key lifts the limit: `stt keys create`, then STT_CLIENT_KEY"
    return said


def new_identity() -> str:
    return f"stt-{secrets.token_hex(10)}"


def read_events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Server-sent events, of which the data is JSON."""
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))
