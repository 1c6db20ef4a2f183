"""Metrics for Prometheus: requests, their latency, how many are in flight, seconds of audio transcribed.

They are exposed on a port of their own, which is never the API's: nothing here is for callers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server

CLIENT_GONE = "499"  # the status of a request whose client did not wait for one
SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)

Kind = Literal["file", "live"]


class Metrics:
    """One gateway's figures, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "stt_requests",
            "Requests by route and status; a live session's status is its close code",
            ("route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "stt_request_seconds", "Time to a whole answer", ("route",), buckets=SECONDS, registry=self.registry
        )
        self._in_flight = Gauge(
            "stt_requests_in_hand", "Requests and live sessions now", ("route",), registry=self.registry
        )
        self._audio = Counter(
            "stt_audio_seconds", "Seconds of audio transcribed, in files or live", ("kind",), registry=self.registry
        )

    def count_audio(self, kind: Kind, seconds: float) -> None:
        self._audio.labels(kind).inc(seconds)

    @contextmanager
    def request(self, route: str) -> Iterator[list[str]]:
        """Counts one request; the block leaves its status in the list."""
        status: list[str] = []
        began = time.monotonic()
        try:
            with self._in_flight.labels(route).track_inprogress():
                yield status
        finally:
            self._requests.labels(route, status[-1] if status else CLIENT_GONE).inc()
            self._seconds.labels(route).observe(time.monotonic() - began)


@contextmanager
def expose(metrics: Metrics, host: str, port: int | None) -> Iterator[str | None]:
    """The address where Prometheus reads the metrics while the block runs; None without a port.

    raises: OSError if the port cannot be had
    """
    if port is None:
        yield None
        return
    server, thread = start_http_server(port, host, metrics.registry)
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
