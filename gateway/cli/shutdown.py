"""What Ctrl-C and SIGTERM do to a running service."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from enum import Enum, auto
from types import FrameType

from gateway.http.server import HttpServer
from gateway.log import announce
from gateway.settings import ServerSettings

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Phase(Enum):
    STARTING = auto()
    SERVING = auto()  # until all requests are finished or dropped
    CLOSING = auto()  # children end


class GracefulShutdown:
    """The first signal drains the service (or ends its start), the second one drops what is still in flight.

    To be made in the task that runs the service. Its handlers stay for the rest of the process: a signal that comes
    while Python shuts down has nothing more to stop, and would print a traceback.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.requested = False
        self._dropped = False
        self._phase = Phase.STARTING
        self._settings = settings
        self._http: HttpServer | None = None
        self._on_drain: Callable[[], None] = lambda: None
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def serving(self, http: HttpServer, on_drain: Callable[[], None]) -> None:
        """on_drain: called when the drain begins"""
        self._phase, self._http, self._on_drain = Phase.SERVING, http, on_drain

    def closing(self) -> None:
        self._phase = Phase.CLOSING

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """May interrupt any line of the main thread, so the loop does what there is to do."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._react)

    def _react(self) -> None:
        if not self.requested:
            self.requested = True
            self._begin()
        elif not self._dropped:
            self._dropped = True
            self._drop()

    def _begin(self) -> None:
        announce(self._plan())
        if self._http is None:
            self._cancel()
        else:
            self._on_drain()
            self._http.should_exit = True

    def _drop(self) -> None:
        if self._phase is Phase.SERVING and self._http is not None:
            in_flight = self._http.describe_in_flight()
            announce(f"Dropping {in_flight}" if in_flight else "Stopping at once")
            self._http.force_exit = True
        elif self._phase is Phase.CLOSING:
            announce("Stopping at once")
            self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _plan(self) -> str:
        """What is going to happen, and how long it may take."""
        in_flight = self._http.describe_in_flight() if self._http else ""
        announced, limit = self._settings.drain_seconds, self._settings.shutdown_seconds
        if announced and self._phase is Phase.SERVING:
            then = f"taking requests for {announced:g} s more, then finishing what is in flight, {limit:g} s at most"
            return f"Stopping: {then}; Ctrl-C again ends it at once"
        if not in_flight:
            return "Stopping"
        them = "it" if in_flight.startswith("1 ") and " and " not in in_flight else "them"
        return f"Stopping: finishing {in_flight}, {limit:g} s at most; Ctrl-C again drops {them}"
