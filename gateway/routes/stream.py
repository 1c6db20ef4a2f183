"""WS /v1/stream: speech goes in while it is spoken, text comes out while it settles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.accounts import Caller, LiveSession, Presented
from gateway.errors import (
    BadParameter,
    BadRequest,
    InternalError,
    PaymentRequired,
    RequestTimeout,
    RetryLater,
    ServiceError,
    Unauthorized,
)
from gateway.http.parameters import read_language
from gateway.models import DEFAULT_MODEL, Model
from gateway.recognition.request import RecognitionRequest
from gateway.services import Services, services_of
from gateway.streaming import messages
from gateway.streaming.messages import CONFIG_EXAMPLE, Message, StopCommand, StreamConfig
from gateway.streaming.session import StreamPolicy, StreamSession
from speech.audio import SAMPLE_RATE, Pcm
from speech.tensors import Priority
from speech.transcript import WindowResult

NORMAL, REFUSED, FAILED, RESTART, TRY_LATER = 1000, 1008, 1011, 1012, 1013  # RFC 6455, 7.4.1, and IANA
REASON_BYTES = 123  # RFC 6455, 5.5: a closing frame holds 125, its code takes 2

BYTES_A_SECOND = 2 * SAMPLE_RATE

_log = logging.getLogger(__name__)


async def stream(socket: WebSocket) -> None:
    services = services_of(socket)
    await socket.accept()
    connection = StreamConnection(socket, services)
    try:
        caller = await services.accounts.identify(Presented.by(socket))
        async with services.accounts.admit_session(caller) as account:
            session = await connection.configure(caller)
            await connection.converse(session, account)
            await connection.conclude(session)
        if connection.overdrawn is not None:
            raise connection.overdrawn
        await socket.close(connection.ending)
    except WebSocketDisconnect:
        _log.info("a live client left")
    except ServiceError as error:
        await connection.refuse(error)
    except Exception:
        _log.exception("a live session failed")
        await connection.refuse(InternalError())


@dataclass(slots=True)
class StreamConnection:
    """One client's socket: what it says becomes a session, and what the session says goes back."""

    socket: WebSocket
    services: Services
    model: Model | None = None  # that answers
    caller: str = ""  # with whom the machine is shared fairly
    overdrawn: ServiceError | None = None  # why the account let no more audio in
    ending: int = NORMAL  # close code

    async def configure(self, caller: Caller) -> StreamSession:
        """The session that the address or the first frame asks for. Raises BadParameter, RequestTimeout."""
        self.caller = caller.subject
        config = messages.read_query(dict(self.socket.query_params))
        if config is None:
            config = await self._first_config()
        activity = self.services.activity.stream()
        session = StreamSession(self._recognize, activity.feed, self.send, None, StreamPolicy())
        await self._agree(session, config)
        return session

    async def converse(self, session: StreamSession, account: LiveSession) -> None:
        """Until everything that the client sent is final. Raises what ended it sooner."""
        try:
            async with run_together(session.run(), self._receive_until_drained(session, account)) as (
                transcribing,
                receiving,
            ):
                await asyncio.gather(transcribing, receiving)
        finally:
            self.services.metrics.count_audio("live", session.duration)

    async def conclude(self, session: StreamSession) -> None:
        """The last message; before it, if the gateway drains, from where to resume elsewhere."""
        until = session.duration
        if self.ending == RESTART:
            until = session.resume
            await self.send(messages.failure(f"The service restarts: connect again, and go on at {until:.3f} s."))
        await self.send(messages.complete(session.text, session.language, until))

    async def send(self, message: Message) -> None:
        if self.socket.client_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnect
        await self.socket.send_json(message)

    async def refuse(self, error: ServiceError) -> None:
        """Says what was wrong and closes, if somebody still listens."""
        try:
            await self.send(messages.failure(error.message))
            await self.socket.close(close_code(error), close_reason(error))
        except (WebSocketDisconnect, RuntimeError):
            _log.info("a live client left before its error: %s", error.message)

    async def _first_config(self) -> StreamConfig:
        limit = self.services.settings.stream.config_seconds
        try:
            frame = await asyncio.wait_for(self._frame(), limit)
        except TimeoutError:
            raise RequestTimeout(f"No config came within {limit:.0f} s; send {CONFIG_EXAMPLE} first.") from None
        if isinstance(frame, bytes):
            raise BadParameter(f"Audio came before the config; send {CONFIG_EXAMPLE} first and wait for ready.")
        config = messages.read_text(frame)
        if isinstance(config, StopCommand):
            raise BadParameter(f"The stream was stopped before it began; send {CONFIG_EXAMPLE} first, then audio.")
        return config

    async def _agree(self, session: StreamSession, config: StreamConfig) -> None:
        """Takes over a config and says that the stream is ready. Raises BadParameter, Unavailable."""
        self.model = self.services.models.resolve(config.model or DEFAULT_MODEL)
        language = read_language(config.language)
        session.expect(language)
        await self.send(messages.ready(self.model.id, language or "auto"))

    async def _recognize(self, pcm: Pcm, language: str | None) -> WindowResult:
        assert self.model is not None  # a session hears nothing before it is configured
        request = RecognitionRequest(model=self.model.id, language=language, priority=Priority.LIVE, caller=self.caller)
        return await self.services.whisper.recognize(pcm, request)

    async def _receive_until_drained(self, session: StreamSession, account: LiveSession) -> None:
        """Until the client stops, or the gateway drains: then what is not final is handed over to another one."""
        hand_over = self.services.draining.hand_over
        async with run_together(self._receive(session, account), hand_over.wait()) as (receiving, waiting):
            await asyncio.wait((receiving, waiting), return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                await receiving
                return
        self.ending = RESTART
        await session.hand_over()

    async def _receive(self, session: StreamSession, account: LiveSession) -> None:
        """Feeds the session until the client stops. Raises BadParameter on what is not audio."""
        limits = self.services.settings.stream
        while session.duration < limits.longest_seconds:
            try:
                frame = await asyncio.wait_for(self._frame(), limits.idle_seconds)
            except TimeoutError:
                await self.send(messages.failure(f"No audio came for {limits.idle_seconds:.0f} s: the stream ends."))
                break
            if isinstance(frame, str):
                command = messages.read_text(frame)
                if isinstance(command, StopCommand):
                    break
                await self._reconfigure(session, command)
            elif frame:
                if not await self._paid(account, session.duration + len(frame) / BYTES_A_SECOND):
                    break
                await session.feed(frame)
            else:  # an empty frame is the end of a published client's stream
                break
        else:
            await self.send(messages.failure(f"The longest stream is {limits.longest_seconds:.0f} s: it ends here."))
        await session.stop()

    async def _paid(self, account: LiveSession, seconds: float) -> bool:
        """Whether the account covers so much audio. If not, what was heard is still finished."""
        try:
            await account.meter(seconds)
        except ServiceError as error:
            self.overdrawn = error
        return self.overdrawn is None

    async def _reconfigure(self, session: StreamSession, config: StreamConfig) -> None:
        """A config frame of a client that had named something in its address already."""
        if session.duration:
            raise BadParameter("A config came after the audio; it is sent once, before the audio.")
        await self._agree(session, config)

    async def _frame(self) -> str | bytes:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])


@asynccontextmanager
async def run_together(*work: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Tasks that have all ended when the block has."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def close_code(error: ServiceError) -> int:
    if isinstance(error, BadRequest | Unauthorized | PaymentRequired | RequestTimeout):
        return REFUSED
    return TRY_LATER if isinstance(error, RetryLater) else FAILED


def close_reason(error: ServiceError) -> str:
    """As much of the message as a closing frame holds; one that is longer would not be sent at all."""
    return error.message.encode()[:REASON_BYTES].decode(errors="ignore")
