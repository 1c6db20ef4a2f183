"""In which threads a service's work is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class NotedThreads:
    """By name of the work, the last thread that did it."""

    threads: dict[str, threading.Thread] = field(default_factory=dict)

    def noted(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            self.threads[name] = threading.current_thread()
            return work(*given, **named)

        return run
