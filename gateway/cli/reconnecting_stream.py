"""A live stream that outlives its connections: where one ends, the next goes on.

A gateway that leaves says so (close code 1012), with all of its text and the second at which to go on. A connection
that is lost says nothing: its sound is sent again from a pause shortly before the end of the final text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from gateway.cli.committed_words import Heard
from gateway.cli.screen import Screen
from gateway.cli.sound import Sound
from speech.audio import SAMPLE_RATE

RESTART = 1012
PASSING = (1001, 1005, 1006, RESTART, 1013, 1014)  # close codes after which another try may help
PASSING_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # and all that begin with 5
STOP = '{"action": "stop"}'


class ListenFailed(Exception):
    """The text ends here; the message is for the person at the terminal."""


class ConnectionLost(Exception):
    """Another connection may go on."""

    def __init__(self, reason: str, told: bool = False) -> None:
        super().__init__(reason)
        self.told = told  # by a gateway that leaves


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    total: float = 120.0  # for a service that is away; the pauses between tries grow
    first_pause: float = 0.5
    longest_pause: float = 10.0
    silence: float = 60.0  # without any sign of life, after which a connection is lost; services ping every 20 s
    steady: float = 10.0  # connections that last longer were no failed try


@dataclass(frozen=True, slots=True)
class Address:
    url: str  # of the stream
    headers: dict[str, str]
    config: dict[str, str]


class WatchedConnection(ClientConnection):
    """Knows when it last heard anything. A pong may wait behind minutes of audio; the service's pings do not."""

    heard_at = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        super().data_received(data)


@dataclass(slots=True)
class LiveStream:
    address: Address
    sound: Sound
    screen: Screen
    patience: Patience = field(default_factory=Patience)
    heard: Heard = field(default_factory=Heard)
    accepted: bool = False  # by a service, once
    lost: str = ""  # why there was no connection, until there is one again

    async def run(self) -> None:
        """Until the sound has ended and all its text is final. Raises ListenFailed."""
        tries, lost_at = 0, 0.0
        while True:
            began = time.monotonic()
            try:
                async with await self._connect() as socket:
                    await self._session(socket)
                return
            except ConnectionLost as loss:
                now = time.monotonic()
                if not tries or (not self.lost and now - began > self.patience.steady):
                    tries, lost_at = 0, now
                if not self.lost:
                    self.screen.note(f"stt: {loss}; connecting again")
                self.lost = str(loss)
                pause = 0.0 if loss.told and not tries else self._pause(tries)
                if now + pause - lost_at > self.patience.total:
                    raise ListenFailed(
                        f"{loss}; no service took the stream over within {self.patience.total:.0f} s: "
                        f"the text ends at {self.heard.end:.1f} s"
                    ) from loss
            tries += 1
            await asyncio.sleep(pause)

    def _pause(self, tries: int) -> float:
        """Seconds; not the same for all the clients of a gateway that died."""
        longest = min(self.patience.first_pause * 2.0 ** min(tries, 16), self.patience.longest_pause)
        return longest * random.uniform(0.5, 1.0)

    async def _connect(self) -> WatchedConnection:
        """Raises ConnectionLost, ListenFailed."""
        url = self.address.url
        try:
            socket = await connect(
                url,
                additional_headers=self.address.headers,
                max_size=None,
                ping_timeout=None,
                close_timeout=2,
                create_connection=WatchedConnection,
            )
        except InvalidStatus as problem:
            status = problem.response.status_code
            said = f"{url} answers with HTTP status {status} instead of a stream"
            passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING_STATUS
            raise self._failed(said, passing) from problem
        except (OSError, InvalidHandshake) as problem:
            raise self._failed(f"no service answers at {url}; `stt serve` starts one", passing=True) from problem
        assert isinstance(socket, WatchedConnection)
        return socket

    async def _session(self, socket: WatchedConnection) -> None:
        """Raises ConnectionLost, ListenFailed."""
        start = self.sound.go_back(round(self.heard.resume * SAMPLE_RATE))
        self.heard.begin(start / SAMPLE_RATE)
        problem, last = "", None
        async with self._kept_alive(socket), contextlib.aclosing(self._messages(socket)) as messages:
            async for message in messages:
                if message["type"] == "error":
                    problem = message["error"]
                elif message["type"] == "final":
                    last = message
                else:
                    self._show(message)
        code = socket.close_code or 0
        if last is not None and code == RESTART:
            self.heard.settle(last["duration"])
            if not self.sound.is_over(round(self.heard.end * SAMPLE_RATE)):
                raise ConnectionLost(problem or "the service restarts", told=True)
        elif last is None:
            said = problem or socket.close_reason or "the connection was lost"
            raise self._failed(said, code in PASSING)
        elif problem:
            raise ListenFailed(problem)

    async def _messages(self, socket: ClientConnection) -> AsyncGenerator[dict[str, Any], None]:
        """What the service says, to the end. Sound goes out from the moment when it is ready."""
        sending: asyncio.Task[None] | None = None
        try:
            with contextlib.suppress(ConnectionClosed):
                await socket.send(json.dumps(self.address.config))
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] == "ready" and sending is None:
                        self._tell()
                        sending = asyncio.create_task(self._send(socket))
                    yield message
        finally:
            if sending is not None:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending

    def _tell(self) -> None:
        if self.lost:
            self.screen.note(f"stt: connected again; the text goes on after {self.heard.end:.1f} s")
        self.accepted, self.lost = True, ""

    async def _send(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self.sound.frames():
                await socket.send(frame)
            await socket.send(STOP)

    def _show(self, message: dict[str, Any]) -> None:
        if message["type"] == "transcript":
            self.screen.add(self.heard.take(message["words"]), message["language"])
            self.sound.forget_before(int(self.heard.resume * SAMPLE_RATE))
        elif message["type"] == "partial":
            self.screen.preview(self.heard.glance(message["words"]), message.get("language", ""))

    def _failed(self, reason: str, passing: bool) -> Exception:
        """A service that never took the stream does not come back."""
        return ConnectionLost(reason) if passing and self.accepted else ListenFailed(reason)

    @asynccontextmanager
    async def _kept_alive(self, socket: WatchedConnection) -> AsyncIterator[None]:
        """Ends a connection on which nothing comes any more, such as one over a network that went away."""

        async def watch() -> None:
            socket.heard_at = time.monotonic()
            while (left := socket.heard_at + self.patience.silence - time.monotonic()) > 0:
                await asyncio.sleep(left)
            socket.transport.abort()

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
