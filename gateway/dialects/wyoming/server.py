"""The TCP server: one task a connection, and limits on what each may send."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers

from gateway.accounts import Caller, Credentials
from gateway.concurrency import run_together
from gateway.dialects.wyoming.discovery import announced
from gateway.dialects.wyoming.framing import LONGEST_LINE, BrokenFraming, WyomingEvent, read_event, written
from gateway.dialects.wyoming.information import information
from gateway.dialects.wyoming.utterance import Utterance
from gateway.draining import Work
from gateway.errors import InternalError, ServiceError
from gateway.services import Services

LINGER_SECONDS = 2.0
CLOSE_SECONDS = 10.0  # for utterances in hand, when the service stops

_log = logging.getLogger(__name__)


class CannotListen(Exception):
    """The address of STT_WYOMING_ADDRESS cannot be had; the text says why."""


@asynccontextmanager
async def serve_wyoming(services: Services) -> AsyncIterator[str | None]:
    """The address where it listens while the block runs; None where no address is set. Raises CannotListen."""
    settings = services.settings.wyoming
    if not settings.address:
        yield None
        return
    host, _, port = settings.address.rpartition(":")
    connections = WyomingConnections(services)
    try:
        server = await asyncio.start_server(connections.accept, host.strip("[]"), int(port), limit=LONGEST_LINE)
    except (OSError, ValueError) as problem:
        raise CannotListen(
            f"cannot listen on {settings.address} ({problem}); STT_WYOMING_ADDRESS names another"
        ) from problem
    bound = server.sockets[0].getsockname()
    try:
        async with announced(bound[0], bound[1], on=settings.zeroconf):
            yield f"tcp://{host}:{bound[1]}"
    finally:
        server.close()
        await connections.close()


class WyomingConnections:
    """All connections of this gateway."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            connection = WyomingConnection(self._services, reader, writer)
            if len(self._tasks) > self._services.settings.wyoming.connections:
                await connection.send(WyomingEvent("error", {"text": "Too many connections.", "code": "busy"}))
                await connection.linger()
            else:
                await connection.serve()
        except (ConnectionError, BrokenFraming) as problem:
            _log.info("a Wyoming client is gone: %s", problem)
        except asyncio.CancelledError:
            _log.info("a Wyoming connection ends with the service")
        except Exception:
            _log.exception("a Wyoming connection failed")
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class WyomingConnection:
    """One client: any number of requests, one after the other."""

    def __init__(self, services: Services, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.services, self.reader, self.writer = services, reader, writer
        self._asked = WyomingEvent("transcribe")
        self._utterance: Utterance | None = None

    async def serve(self) -> None:
        """Until the client leaves, says nothing for a while, or the service stops. Raises BrokenFraming."""
        try:
            with self.services.draining.track(Work.LIVE_SESSION):
                while (event := await self._next()) is not None:
                    await self._handle(event)
        except ServiceError as error:
            await self._refuse(error)
        except (ConnectionError, BrokenFraming):
            raise
        except Exception:
            _log.exception("a Wyoming request failed")
            await self._refuse(InternalError())
        finally:
            await self._close_utterance()

    async def send(self, event: WyomingEvent) -> None:
        self.writer.write(written(event))
        await self.writer.drain()

    async def _next(self) -> WyomingEvent | None:
        """The next event; before it, the transcript of an utterance whose speaker has stopped."""
        idle = self.services.settings.wyoming.idle_seconds
        hand_over = self.services.draining.hand_over
        async with run_together(read_event(self.reader), hand_over.wait()) as (reading, stopping):
            waiting = {reading, stopping}
            if self._utterance is not None:
                ended = asyncio.create_task(self._utterance.ended.wait())
                try:
                    await asyncio.wait({*waiting, ended}, timeout=idle, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    ended.cancel()
                if self._utterance.ended.is_set() and not reading.done():
                    await self._finish()
            if not reading.done():
                await asyncio.wait(waiting, timeout=idle, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                event: WyomingEvent | None = reading.result()
                return event
        if self._utterance is not None:
            await self._finish()
        return None

    async def _handle(self, event: WyomingEvent) -> None:
        match event.type:
            case "describe":
                await self.send(information(self.services.models))
            case "ping":
                await self.send(WyomingEvent("pong", event.data))
            case "transcribe":
                self._asked = event
            case "audio-start":
                await self._close_utterance()
                caller = await self._identify()
                self._utterance = Utterance(self.services, caller, self.send, self._asked)
            case "audio-chunk" if self._utterance is not None:
                await self._utterance.feed(event)
            case "audio-stop" if self._utterance is not None:
                await self._finish()

    async def _identify(self) -> Caller:
        """The protocol has no keys: the operator's for all of it, or the network that the client is in."""
        key = self.services.settings.wyoming.key.get_secret_value()
        peer = self.writer.get_extra_info("peername")
        authorization = (f"Bearer {key}",) if key else ()
        headers = Headers({"host": "localhost"})
        credentials = Credentials(peer[0] if peer else "", authorization, headers=headers)
        return await self.services.accounts.identify(credentials)

    async def _finish(self) -> None:
        if self._utterance is not None:
            await self._utterance.finish()
        await self._close_utterance()

    async def _close_utterance(self) -> None:
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            await utterance.close()

    async def _refuse(self, error: ServiceError) -> None:
        with contextlib.suppress(ConnectionError):
            await self.send(WyomingEvent("error", {"text": error.message, "code": str(error.status)}))
            await self.linger()

    async def linger(self) -> None:
        """Reads what is still on its way: a connection that is closed before loses its last event."""
        self.writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while await self.reader.read(LONGEST_LINE):
                    pass
