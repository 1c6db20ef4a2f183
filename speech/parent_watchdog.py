"""Ends a model's process with the server that started it, however that ended, and when its GPU is lost."""

from __future__ import annotations

import os
import signal
import threading
import time

_POLL_SECONDS = 0.5
STUCK_SECONDS = 300  # longer than any call that opens a model


def exit_with_parent(stuck_seconds: int = STUCK_SECONDS) -> None:
    """Watches the parent from a thread of its own; when it has ended, this process ends at once.

    Triton's stub notices by itself only while it is idle: threads of the model keep it alive, with the engines
    in memory. The kernel's signal at a parent's death will not do, for it comes when the parent's thread ends.
    A call into a server that died may never return, and holds Python's lock, so that no thread runs any more:
    then the kernel's alarm, which nobody resets any more, ends the process.
    """
    parent = os.getppid()
    signal.alarm(stuck_seconds)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
            signal.alarm(stuck_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watchdog", daemon=True).start()


def end_process() -> None:
    """Only a new process can use a lost GPU again. The gateway has the model reloaded, and retries elsewhere."""
    os._exit(1)
