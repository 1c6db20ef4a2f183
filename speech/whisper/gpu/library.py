"""What the runner needs of a library that runs the exported graphs: passes, and steps that are replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class GraphPass(Protocol):
    """A graph with the shape and address of every input and output."""

    def bind_input(self, name: str, shape: tuple[int, ...], address: int) -> None:
        """Raises EngineError."""

    def bind_output(self, name: str, shape: tuple[int, ...], address: int) -> None:
        """Raises EngineError."""

    def enqueue(self) -> None:
        """Enqueues it behind everything before; may return before it is done. Raises EngineError, DeviceLost."""


class Launch(Protocol):
    """Work that is enqueued again and again."""

    def launch(self) -> None:
        """Enqueues it. Raises EngineError, DeviceLost."""

    def close(self) -> None:
        """Gives back what it holds."""


class GraphLibrary(Protocol):
    contexts: tuple[int, ...]  # frames that an encoder pass may have, the fewest first
    encode_batch: int  # largest passes
    step_rows: int
    prefill_rows: int
    draft_rows: int
    languages: int  # language tokens in the decoder's vocabulary; English-only weights have them too

    @property
    def captured(self) -> bool:
        """Whether steps are replayed as CUDA graphs."""

    @property
    def thread_bound(self) -> bool:
        """Whether a thread can replay only what it captured itself."""

    def open_encoder(self, windows: int, context: int) -> GraphPass:
        """A pass of at most so many windows, of so many frames each."""

    def open_prefill(self) -> GraphPass: ...

    def open_draft(self) -> GraphPass:
        """A pass of one row, after many of whose tokens one is chosen."""

    def open_step(self, rows: int) -> GraphPass:
        """A pass of one token of so many rows."""

    def capture(self, step: GraphPass, after: Callable[[], None]) -> Launch:
        """A step with everything bound, and what is enqueued after it, as one launch.

        It runs without a CUDA graph where there can be none, and `captured` is false from then on.
        """

    def close(self) -> None: ...


class DirectLaunch:
    """Work that is enqueued anew each time."""

    def __init__(self, *work: Callable[[], None]) -> None:
        self._work = work

    def launch(self) -> None:
        for each in self._work:
            each()

    def close(self) -> None:
        pass
