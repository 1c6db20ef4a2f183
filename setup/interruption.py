"""Signals that ask set-up to end: raised where it is, and kept in case that is nowhere.

Python drops an exception that a signal raises while an object is finalised. Set-up would then wait for the program that
it runs, for minutes: so the program is told to end too, and the step ends when it has.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn


class Terminated(BaseException):
    """SIGTERM came, or the terminal was closed: what was begun is stopped in order."""


RAISED: Mapping[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
    signal.SIGHUP: Terminated,
}


class Interruption:
    """What set-up was asked by a signal, and the program that waits to be told."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._end: Callable[[], None] | None = None

    def watch(self) -> None:
        """Takes the signals over."""
        for number in RAISED:
            signal.signal(number, self._receive)

    def ends(self, end: Callable[[], None] | None) -> None:
        """end: tells the program that runs now to end; None where none runs"""
        self._end = end

    def check(self) -> None:
        """raises: KeyboardInterrupt or Terminated, where a signal asked for it before"""
        if self._signal is not None:
            raise RAISED[self._signal]

    def _receive(self, number: int, _frame: FrameType | None) -> NoReturn:
        self._signal = number
        if self._end is not None:
            self._end()
        raise RAISED[number]


INTERRUPTION = Interruption()  # one, as a process has one set of signal handlers
