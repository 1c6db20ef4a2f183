"""Threads for work that must not stop the event loop, counted for Prometheus: how many work, how many calls wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class ThreadPool(ThreadPoolExecutor):
    def __init__(self, name: str, threads: int) -> None:
        super().__init__(threads, name)
        self.name = name
        self.threads = threads
        self.busy = 0
        self._unfinished = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Calls for which there is no thread yet."""
        return self._unfinished - self.busy

    def submit(
        self, work: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        def counted() -> Result:
            self._count(busy=1)
            try:
                return work(*args, **kwargs)
            finally:
                self._count(busy=-1)

        self._count(unfinished=1)
        try:
            future = super().submit(counted)
        except RuntimeError:  # it is shut down, or no thread can be started
            self._count(unfinished=-1)
            raise
        future.add_done_callback(lambda _: self._count(unfinished=-1))
        return future

    def _count(self, *, busy: int = 0, unfinished: int = 0) -> None:
        with self._lock:
            self.busy += busy
            self._unfinished += unfinished


class ThreadPoolCollector(Collector):
    """For Prometheus."""

    def __init__(self, pools: Sequence[ThreadPool]) -> None:
        self._pools = pools

    def collect(self) -> Iterator[Metric]:
        threads = GaugeMetricFamily("stt_threads", "The most that work at once", labels=["pool"])
        busy = GaugeMetricFamily("stt_threads_busy", "That work now", labels=["pool"])
        waiting = GaugeMetricFamily("stt_threads_waited_for", "Calls without a thread yet", labels=["pool"])
        for pool in self._pools:
            threads.add_metric([pool.name], pool.threads)
            busy.add_metric([pool.name], pool.busy)
            waiting.add_metric([pool.name], pool.waiting)
        yield from (threads, busy, waiting)
