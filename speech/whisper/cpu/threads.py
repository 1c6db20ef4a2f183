"""Threads for work that releases the interpreter: compiled kernels, ONNX Runtime, numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class ThreadTeam:
    """The calling thread and as many more as make `threads`."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(max(1, threads - 1), "whisper")

    def run(self, work: Callable[..., None], *arguments: Any) -> None:
        """work(thread, threads, *arguments) on every thread at once."""
        others = [self._pool.submit(work, index, self.threads, *arguments) for index in range(1, self.threads)]
        work(0, self.threads, *arguments)
        for other in others:
            other.result()

    def map(self, work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> list[Any]:
        """[work(*job) for job in jobs], as many at once as there are threads."""
        threads = self.threads
        others = {index: self._pool.submit(work, *job) for index, job in enumerate(jobs) if index % threads}
        own = {index: work(*jobs[index]) for index in range(0, len(jobs), threads)}
        return [own[index] if index in own else others[index].result() for index in range(len(jobs))]

    def close(self) -> None:
        self._pool.shutdown()
