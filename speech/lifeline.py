"""When a model's process ends: with the server that started it, however that ended, and when its GPU is lost."""

from __future__ import annotations

import os
import threading
import time

_LOOK_SECONDS = 0.5


def exit_with_parent() -> None:
    """Watches the parent from a thread of its own; when it is gone, this process ends at once.

    Triton's stub notices by itself only while it is idle: threads of the model keep it alive, with the engines
    in memory. The kernel's signal at a parent's death will not do, for it comes when the parent's thread ends.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def end_process() -> None:
    """A lost GPU comes back to a new process only. The gateway has the model loaded again, and asks again elsewhere."""
    os._exit(1)
