"""What the durable engine logs, in lines: while its database is away, its threads write a page each second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

FIRST_SECONDS, LONGEST_SECONDS = 2.0, 60.0  # between two entries of one kind; doubles
AWAY = "OperationalError"  # in what any of the engine's threads tells while the database is away
QUIET = 2.0  # waits after which an entry of a kind counts as the first one again


class RepeatedEntries(logging.Filter):
    """Lets the first entry of a kind through, then fewer and fewer of them, each as one line."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._told: dict[str, tuple[float, float]] = {}  # by kind: when it was told, seconds until it is again

    def filter(self, record: logging.LogRecord) -> bool:
        whole = record.getMessage()
        line = whole.partition("\n")[0]
        if record.exc_info and record.exc_info[1] is not None:
            line = f"{line}: {type(record.exc_info[1]).__name__}"
        record.msg, record.args, record.exc_info, record.exc_text = line, None, None, None
        kind, now = AWAY if AWAY in whole else line.partition(":")[0], self._now()
        told, wait = self._told.get(kind, (now, 0.0))
        if now < told + wait:
            return False
        is_new = wait == 0.0 or now >= told + QUIET * wait + LONGEST_SECONDS
        self._told[kind] = (now, FIRST_SECONDS if is_new else min(2 * wait, LONGEST_SECONDS))
        return True
