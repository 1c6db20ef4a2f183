"""A recording at an address → a file in the spool, while it arrives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urljoin

import httpcore

from gateway.errors import BadParameter, RequestTimeout, TooLarge
from gateway.outgoing.address_rules import PRIVATE, AddressRules
from gateway.outgoing.checked_connections import AddressRefused, checked_pool

MOST_REDIRECTS = 5
MOST_BREAKS = 5  # of the connection, after which it is given up
STEP_BYTES = 16 * 1024**2  # by which room is asked for where nobody says how large the file is
FIRST_WAIT = 0.5  # seconds; doubles
REDIRECTS = (301, 302, 303, 307, 308)
RETRIED = (408, 429, 500, 502, 503, 504)
WHOLE, PART = 200, 206

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    max_bytes: int
    idle_seconds: float  # between two pieces
    seconds: float = 3600.0  # for all of it
    on_received: Callable[[float, float], None] = lambda received, of: None
    reserve: Callable[[int], None] = lambda size: None  # is told how large the file gets, before it does; may refuse


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    path: Path
    name: str  # the last part of its address
    size: int  # bytes


class DownloadBroke(Exception):
    """The connection, or the server for now; the rest may be asked for."""


@dataclass(slots=True)
class Download:
    """One file. A connection that breaks is made again, and asked for the rest only."""

    rules: AddressRules
    limits: DownloadLimits
    path: Path
    parameter: str = "url"
    _received: int = 0  # bytes
    _room: int = 0  # bytes that were asked for
    _tag: str = ""  # of the version that was begun
    _wait: float = field(default=FIRST_WAIT)

    async def run(self, url: str) -> DownloadedFile:
        """raises: BadParameter, TooLarge, RequestTimeout, and whatever `reserve` raises"""
        self.rules.check(url, self.parameter)
        breaks = 0
        try:
            async with asyncio.timeout(self.limits.seconds), checked_pool(self.rules) as pool:
                with self.path.open("wb") as file:
                    while True:
                        try:
                            name = await self._follow(pool, url, file)
                            return DownloadedFile(self.path, name, self._received)
                        except DownloadBroke as problem:
                            breaks += 1
                            _log.info("a download broke: %s", problem)
                            if breaks > MOST_BREAKS:
                                raise self._refusal("cannot be fetched: it breaks off") from problem
                        await asyncio.sleep(self._wait)
                        self._wait *= 2
        except TimeoutError as problem:
            raise RequestTimeout(f"`{self.parameter}` takes too long to fetch and was given up.") from problem

    async def _follow(self, pool: httpcore.AsyncConnectionPool, url: str, file: BinaryIO) -> str:
        """returns: the file's name. raises: DownloadBroke"""
        for _ in range(MOST_REDIRECTS + 1):
            parts = self.rules.check(url, self.parameter)
            target = await self._ask(pool, url.partition("#")[0], file)
            if target is None:
                return unquote(parts.path.rpartition("/")[2])
            url = urljoin(url, target)
        raise self._refusal(f"redirects more than {MOST_REDIRECTS} times")

    async def _ask(self, pool: httpcore.AsyncConnectionPool, url: str, file: BinaryIO) -> str | None:
        """None once the file is whole, else where it is. Raises DownloadBroke."""
        headers: list[tuple[bytes | str, bytes | str]] = [
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "stt"),
        ]
        if self._received and self._tag:
            headers += [("Range", f"bytes={self._received}-"), ("If-Range", self._tag)]
        idle = self.limits.idle_seconds
        extensions = {"timeout": {"connect": 10.0, "read": idle, "write": idle, "pool": idle}}
        try:
            async with pool.stream("GET", url, headers=headers, extensions=extensions) as answer:
                if answer.status in REDIRECTS and (target := _header(answer, b"location")):
                    return target
                self._begin(answer, file)
                async for piece in answer.aiter_stream():
                    await self._keep(piece, file)
                return None
        except AddressRefused as problem:
            raise self._refusal(PRIVATE) from problem
        except httpcore.UnsupportedProtocol as problem:
            raise self._refusal("leads to what is neither http nor https") from problem
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as problem:
            raise DownloadBroke(repr(problem)) from problem

    def _begin(self, answer: httpcore.Response, file: BinaryIO) -> None:
        if answer.status in RETRIED:
            raise DownloadBroke(f"status {answer.status}")
        if answer.status not in (WHOLE, PART):
            raise self._refusal(f"answers {answer.status}")
        if answer.status == WHOLE or not _header(answer, b"content-range").startswith(f"bytes {self._received}-"):
            file.seek(0)
            file.truncate()
            self._received = 0
            if answer.status == PART:
                self._tag = ""
                raise DownloadBroke("another part than was asked for")
        tag = _header(answer, b"etag")
        self._tag = "" if tag.startswith("W/") else tag or _header(answer, b"last-modified")
        announced = _header(answer, b"content-length")
        if announced.isdigit():
            if self._received + int(announced) > self.limits.max_bytes:
                raise self._too_large()
            self._reserve(self._received + int(announced))

    async def _keep(self, piece: bytes, file: BinaryIO) -> None:
        self._received += len(piece)
        if self._received > self.limits.max_bytes:
            raise self._too_large()
        if self._received > self._room:
            self._reserve(min(self._received + STEP_BYTES, self.limits.max_bytes))
        await asyncio.to_thread(file.write, piece)
        self.limits.on_received(float(self._received), 0.0)

    def _reserve(self, size: int) -> None:
        self.limits.reserve(size)
        self._room = max(self._room, size)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The file is too large: at most {self.limits.max_bytes // 1024**2} MB are accepted.")

    def _refusal(self, why: str) -> BadParameter:
        return BadParameter(f"`{self.parameter}` {why}.", self.parameter)


def _header(answer: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), "")
