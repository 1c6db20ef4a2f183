"""WS /v1/realtime: one client's socket. Its sound goes to live sessions, their text comes back as events."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.accounts import Caller, LiveSession
from gateway.concurrency import run_together
from gateway.dialects.credentials import credentials_of, subprotocols
from gateway.dialects.realtime import events
from gateway.dialects.realtime.config import RealtimeConfig, first_config, updated
from gateway.dialects.realtime.events import ConversationItem, Event, EventNames
from gateway.dialects.realtime.input_buffer import InputBuffer
from gateway.draining import Work
from gateway.errors import BadParameter, PaymentRequired, ServiceError, error_response, failure
from gateway.requests.live import admit_live_session, open_session, resolve_model
from gateway.services import Services, services_of
from speech.audio import SAMPLE_RATE

SUBPROTOCOL, BETA_SUBPROTOCOL = "realtime", "openai-beta.realtime-v1"
LONGEST_SECONDS = 3600.0  # of a session, as at OpenAI
MOST_UNFINISHED = 8  # buffers that were committed and whose text has not come
NORMAL, GONE, POLICY, RESTART = 1000, 1001, 1008, 1012
BYTES_A_SECOND = 2 * SAMPLE_RATE
COMMIT_EMPTY = "input_audio_buffer_commit_empty"

_log = logging.getLogger(__name__)


async def serve_realtime(socket: WebSocket) -> None:
    """A refusal answers the handshake with its status, as clients of this protocol expect."""
    services = services_of(socket)
    try:
        caller = await services.accounts.identify(credentials_of(socket))
        async with admit_live_session(services, caller) as account:
            await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in subprotocols(socket) else None)
            with services.draining.track(Work.LIVE_SESSION):
                await RealtimeConnection(socket, services, caller, account).serve()
    except ServiceError as error:
        if socket.application_state is WebSocketState.CONNECTING:
            await socket.send_denial_response(error_response(error, socket.scope))
        else:
            await _close(socket, POLICY)
    except WebSocketDisconnect:
        _log.info("a realtime client left")


class RealtimeConnection:
    """Reads the client's events in order; every buffer's live session runs beside it."""

    def __init__(self, socket: WebSocket, services: Services, caller: Caller, account: LiveSession) -> None:
        self.socket, self.services, self.caller, self.account = socket, services, caller, account
        beta = "realtime=v1" in socket.headers.get("openai-beta", "") or BETA_SUBPROTOCOL in subprotocols(socket)
        self.names = EventNames(beta)
        self.identity = events.new_identity("sess")
        self.config = first_config(socket.query_params)
        self.expires = time.monotonic() + LONGEST_SECONDS
        self.expires_at = int(time.time() + LONGEST_SECONDS)
        self.buffer: InputBuffer | None = None
        self._running: asyncio.Task[None] | None = None  # the session of `buffer`
        self._finishing: set[asyncio.Task[None]] = set()
        self._last_item: str | None = None
        self._seconds = 0.0  # of sound in all

    async def serve(self) -> None:
        """From session.created to the closing frame."""
        code = NORMAL
        try:
            await self._send(self.names.session("created", self.identity, self.expires_at, self.config))
            hand_over = self.services.draining.hand_over
            async with run_together(self._read(), hand_over.wait()) as (reading, waiting):
                await asyncio.wait((reading, waiting), return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    code = reading.result()
            if hand_over.is_set():
                code = RESTART
                await self._finish_all()
            await _close(self.socket, code)
        finally:
            self.services.metrics.count_audio("live", self._seconds)
            tasks = [*self._finishing, *([self._running] if self._running else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> int:
        """The close code. Raises WebSocketDisconnect."""
        while True:
            idle = self.services.settings.stream.idle_seconds
            left = self.expires - time.monotonic()
            try:
                text = await asyncio.wait_for(self._text(), max(0.0, min(idle, left)))
            except TimeoutError:
                expired = left <= idle
                message = "The session is 60 minutes old." if expired else f"Nothing came for {idle:.0f} s."
                code = "session_expired" if expired else "idle_timeout"
                await self._send(events.refused(BadParameter(f"{message} It ends here."), None, code))
                return GONE
            client_event: str | None = None
            try:
                fields = events.read_event(text)
                client_event = str(fields["event_id"]) if isinstance(fields.get("event_id"), str) else None
                await self._handle(fields)
            except CommitIsEmpty as error:
                await self._send(events.refused(error, client_event, COMMIT_EMPTY))
            except ServiceError as error:
                await self._send(events.refused(error, client_event))
                if isinstance(error, PaymentRequired) or error.status == 429:
                    await self._finish_all()
                    return POLICY
            except WebSocketDisconnect:
                raise
            except Exception as error:
                _log.exception("a realtime event could not be handled")
                await self._send(events.refused(failure(error), client_event))

    async def _text(self) -> str:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"]).decode(errors="replace")

    async def _handle(self, fields: Mapping[str, Any]) -> None:
        """raises: BadParameter, and what the account raises"""
        handlers: Mapping[str, Callable[[Mapping[str, Any]], Coroutine[Any, Any, None]]] = {
            "session.update": self._update,
            "transcription_session.update": self._update_beta,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
        }
        kind = str(fields.get("type"))
        if kind not in handlers:
            raise BadParameter(f"The type is {kind[:60]!r}; accepted are {', '.join(handlers)}.", "type")
        await handlers[kind](fields)

    async def _update(self, fields: Mapping[str, Any]) -> None:
        await self._configure(updated(self.config, fields.get("session"), beta=False))

    async def _update_beta(self, fields: Mapping[str, Any]) -> None:
        self.names = EventNames(beta=True)
        await self._configure(updated(self.config, fields.get("session"), beta=True))

    async def _configure(self, config: RealtimeConfig) -> None:
        """For what is said from the next buffer on; an empty buffer is that already."""
        resolve_model(self.services, config.live_options())
        self.config = config
        if self.buffer is not None and self.buffer.live.duration == 0:
            await self._drop()
        await self._send(self.names.session("updated", self.identity, self.expires_at, config))

    async def _append(self, fields: Mapping[str, Any]) -> None:
        try:
            sound = base64.b64decode(fields.get("audio", ""), validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise BadParameter("`audio` is not base64.", "audio") from None
        buffer = self._open_buffer()
        pcm = buffer.convert(sound)
        await self.account.meter(self._seconds + len(pcm) / BYTES_A_SECOND)
        self._seconds += len(pcm) / BYTES_A_SECOND
        await buffer.live.feed(pcm)

    async def _commit(self, fields: Mapping[str, Any]) -> None:
        if self.buffer is None or self.buffer.is_too_short:
            raise CommitIsEmpty("The buffer holds less than 100 ms of sound; append some before a commit.")
        await self._finish_buffer()
        while len(self._finishing) > MOST_UNFINISHED:
            await asyncio.wait(self._finishing, return_when=asyncio.FIRST_COMPLETED)

    async def _clear(self, fields: Mapping[str, Any]) -> None:
        await self._drop()
        await self._send(events.event("input_audio_buffer.cleared"))

    def _open_buffer(self) -> InputBuffer:
        """The buffer of now. Raises what opening a session raises."""
        if self.buffer is None:
            buffer = InputBuffer(self.config, self.names, self._send, self._new_item, self._seconds)
            options = self.config.live_options()
            buffer.session = open_session(self.services, self.caller, options, buffer.emit, buffer)
            self.buffer = buffer
            self._running = asyncio.create_task(self._run(buffer))
        return self.buffer

    async def _run(self, buffer: InputBuffer) -> None:
        """Until all of the buffer is final. A session that breaks costs its turn, not the connection."""
        try:
            await buffer.live.run()
            await buffer.finish()
        except (asyncio.CancelledError, WebSocketDisconnect):
            raise
        except Exception as problem:
            error = problem if isinstance(problem, ServiceError) else failure(problem)
            if error is not problem:
                _log.exception("a realtime session failed")
            if self.buffer is buffer:
                self.buffer = self._running = None
            if not await buffer.fail(error):
                await self._send(events.refused(error, None))

    async def _finish_buffer(self) -> None:
        buffer, running = self.buffer, self._running
        assert buffer is not None and running is not None
        self.buffer = self._running = None
        self._finishing.add(running)
        running.add_done_callback(self._finishing.discard)
        await buffer.commit()

    async def _finish_all(self) -> None:
        """What was heard is finished, before the connection ends."""
        if self.buffer is not None and not self.buffer.is_too_short:
            await self._finish_buffer()
        if self._finishing:
            await asyncio.wait(self._finishing)

    async def _drop(self) -> None:
        running, self.buffer, self._running = self._running, None, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _new_item(self) -> ConversationItem:
        item = ConversationItem(events.new_identity("item"), self._last_item)
        self._last_item = item.id
        return item

    async def _send(self, event: Event) -> None:
        if self.socket.client_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnect
        await self.socket.send_json(event)


class CommitIsEmpty(BadParameter):
    """There is nothing that a commit could hold."""


async def _close(socket: WebSocket, code: int) -> None:
    if socket.client_state is not WebSocketState.DISCONNECTED:
        await socket.close(code)
