"""A live stream that survives its connections: where one ends, the next resumes.

A gateway that drains says so (close code 1012), with all of its text and the second at which to resume. After a lost
connection the audio is sent again from a pause shortly before the end of the committed text.
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

from gateway.cli.audio_source import AudioSource
from gateway.cli.display import TranscriptDisplay
from gateway.cli.errors import CommandFailed
from gateway.cli.service_address import ADVICE
from gateway.streaming.committed_words import CommittedTranscript
from speech.audio import SAMPLE_RATE
from speech.transcript import Word

RESTART = 1012
TRANSIENT = (1001, 1005, 1006, RESTART, 1013, 1014)  # close codes after which a retry may succeed
TRANSIENT_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # and every 5xx
STOP = '{"action": "stop"}'


class ListenFailed(CommandFailed):
    """The stream cannot go on."""


class ConnectionLost(Exception):
    """A new connection may resume the stream."""

    def __init__(self, reason: str, announced: bool = False) -> None:
        super().__init__(reason)
        self.announced = announced  # by a gateway that drains


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """Exponential backoff with jitter. All values are seconds."""

    total: float = 120.0  # without a connection, after which the stream fails
    first_pause: float = 0.5
    longest_pause: float = 10.0
    silence: float = 60.0  # without received data, after which a connection counts as lost; services ping every 20 s
    steady: float = 10.0  # connections that last longer reset the backoff


@dataclass(frozen=True, slots=True)
class StreamRequest:
    url: str  # of the stream
    headers: dict[str, str]
    config: dict[str, Any]


class MonitoredConnection(ClientConnection):
    """Records when it last received data: a pong may queue behind minutes of audio, the service's pings do not."""

    received_at = 0.0

    def data_received(self, data: bytes) -> None:
        self.received_at = time.monotonic()
        super().data_received(data)


@dataclass(slots=True)
class ReconnectingStream:
    request: StreamRequest
    source: AudioSource
    display: TranscriptDisplay
    policy: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    transcript: CommittedTranscript = field(default_factory=CommittedTranscript)
    accepted: bool = False  # a service has accepted the stream at least once
    lost: str = ""  # why the connection was lost, until there is one again

    async def run(self) -> None:
        """Until the audio has ended and all its text is final. Raises ListenFailed."""
        tries, lost_at = 0, 0.0
        while True:
            began = time.monotonic()
            try:
                async with await self._connect() as socket:
                    await self._session(socket)
                return
            except ConnectionLost as loss:
                now = time.monotonic()
                if not tries or (not self.lost and now - began > self.policy.steady):
                    tries, lost_at = 0, now
                if not self.lost:
                    self.display.note(f"stt: {loss}; connecting again")
                self.lost = str(loss)
                pause = 0.0 if loss.announced and not tries else self._pause(tries)
                if now + pause - lost_at > self.policy.total:
                    raise ListenFailed(
                        f"{loss}; no service resumed the stream within {self.policy.total:.0f} s: "
                        f"the text ends at {self.transcript.end:.1f} s"
                    ) from loss
            tries += 1
            await asyncio.sleep(pause)

    def _pause(self, tries: int) -> float:
        """Seconds, with jitter: all clients of a dead gateway reconnect at once otherwise."""
        longest = min(self.policy.first_pause * 2.0 ** min(tries, 16), self.policy.longest_pause)
        return longest * random.uniform(0.5, 1.0)

    async def _connect(self) -> MonitoredConnection:
        """Raises ConnectionLost, ListenFailed."""
        url = self.request.url
        try:
            socket = await connect(
                url,
                additional_headers=self.request.headers,
                max_size=None,
                ping_timeout=None,
                close_timeout=2,
                create_connection=MonitoredConnection,
            )
        except InvalidStatus as problem:
            status = problem.response.status_code
            said = f"{url} answers with HTTP status {status} instead of a stream"
            transient = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in TRANSIENT_STATUS
            raise self._failed(said, transient) from problem
        except (OSError, InvalidHandshake) as problem:
            raise self._failed(f"no service answers at {url}; {ADVICE}", transient=True) from problem
        assert isinstance(socket, MonitoredConnection)
        return socket

    async def _session(self, socket: MonitoredConnection) -> None:
        """Raises ConnectionLost, ListenFailed."""
        start = self.source.rewind(round(self.transcript.resume * SAMPLE_RATE))
        self.transcript.start_session(start / SAMPLE_RATE)
        problem, last = "", None
        async with self._watch_silence(socket), contextlib.aclosing(self._messages(socket)) as messages:
            async for message in messages:
                if message["type"] == "error":
                    problem = message["error"]
                elif message["type"] == "final":
                    last = message
                else:
                    self._show(message)
        for warning in (last or {}).get("warnings", ()):
            self.display.note(f"stt: warning: {warning}")
        code = socket.close_code or 0
        if last is not None and code == RESTART:
            joint = self.transcript.hand_over(last["duration"])
            if not self.source.is_over(round(joint * SAMPLE_RATE)):
                raise ConnectionLost(problem or "the service restarts", announced=True)
        elif last is None:
            said = problem or socket.close_reason or "the connection was lost"
            raise self._failed(said, code in TRANSIENT)
        elif problem:
            raise ListenFailed(problem)
        elif not start and last.get("segments"):
            self._tell_apart(last)

    def _tell_apart(self, last: dict[str, Any]) -> None:
        """Shows all of it again, with the speakers that were found when all was heard. Not of a part of the sound."""
        self.display.end_line()
        self.display.note("stt: all of it, with speakers told apart anew:")
        for segment in last["segments"]:
            who, said = segment.get("speaker"), segment["words"]
            words = [Word(each["word"], each["start"], each["end"], each["confidence"], who) for each in said]
            self.display.add(words, last["language"])

    async def _messages(self, socket: ClientConnection) -> AsyncGenerator[dict[str, Any], None]:
        """The service's messages to the end. Audio is sent from the moment when it is ready."""
        sending: asyncio.Task[None] | None = None
        try:
            with contextlib.suppress(ConnectionClosed):
                await socket.send(json.dumps(self.request.config))
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] == "ready" and sending is None:
                        self._connected()
                        sending = asyncio.create_task(self._send(socket))
                    yield message
        finally:
            if sending is not None:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending

    def _connected(self) -> None:
        if self.lost:
            self.display.note(f"stt: connected again; the text resumes at {self.transcript.end:.1f} s")
        self.accepted, self.lost = True, ""

    async def _send(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self.source.frames():
                await socket.send(frame)
            await socket.send(STOP)

    def _show(self, message: dict[str, Any]) -> None:
        if message["type"] == "transcript":
            self.display.add(self.transcript.commit(message["words"]), message["language"])
            self.source.forget_before(int(self.transcript.resume * SAMPLE_RATE))
        elif message["type"] == "turn" and message["event"] == "end":
            self.display.end_line()
        elif message["type"] == "partial":
            self.display.preview(self.transcript.preview(message["words"]), message.get("language", ""))

    def _failed(self, reason: str, transient: bool) -> Exception:
        """A stream that was never accepted is not retried."""
        return ConnectionLost(reason) if transient and self.accepted else ListenFailed(reason)

    @asynccontextmanager
    async def _watch_silence(self, socket: MonitoredConnection) -> AsyncIterator[None]:
        """Aborts a connection that receives nothing any more, as when the network is gone."""

        async def watch() -> None:
            socket.received_at = time.monotonic()
            while (left := socket.received_at + self.policy.silence - time.monotonic()) > 0:
                await asyncio.sleep(left)
            socket.transport.abort()

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
