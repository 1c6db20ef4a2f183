"""What one gateway takes on at once, whoever asks: recordings, live sessions, bytes of uploads on its disk.

A caller's limits do not bound the machine: addresses cost nothing. Whatever does not fit is refused before its
body is read, with 503 and a time to come back, and leaves nothing in the account store. A tier with a share below
1 is refused sooner, so that what is left of the machine stays for the others.
"""

from __future__ import annotations

import math
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.errors import Unavailable

RETRY_SECONDS = (2.0, 15.0)  # between which clients are told to come back, so that they do not all come at once
LEAST_BACKLOG = 10.0  # seconds of live audio that any session may keep waiting
BYTES_A_SECOND = 32_000  # of live audio

Resource = Literal["recordings", "live_sessions", "spool_bytes"]
RESOURCES: tuple[Resource, ...] = get_args(Resource)


@dataclass(frozen=True, slots=True)
class CapacityLimits:
    recordings: float = math.inf  # from the first byte of an upload to the answer
    live_sessions: float = math.inf
    spool_bytes: float = math.inf  # of uploads, as they were declared
    backlog_bytes: float = math.inf  # of live audio that waits, of all sessions together
    free_bytes: int = 0  # of the spool's disk, that are left free: decoded sound, the account store, the log

    def of(self, resource: Resource) -> float:
        return float(getattr(self, resource))


class MachineCapacity:
    def __init__(self, limits: CapacityLimits | None = None, spool: Path | None = None) -> None:
        """spool: the folder of uploads; None: its disk is not looked at"""
        self.limits = limits or CapacityLimits()
        self.used: Counter[Resource] = Counter(dict.fromkeys(RESOURCES, 0))
        self.refused: Counter[Resource] = Counter(dict.fromkeys(RESOURCES, 0))
        self._spool = spool

    @property
    def full(self) -> bool:
        """Whether a bound is reached: more is refused."""
        return any(self.used[resource] >= self.limits.of(resource) for resource in RESOURCES) or not self._disk_left()

    @contextmanager
    def recording(self, upload_bytes: int, share: float = 1.0) -> Iterator[None]:
        """One recording, until the block ends. share: of the machine, that its tier may fill. raises: Unavailable"""
        with self._hold("recordings", 1, share), self.spool(upload_bytes, share):
            yield

    @contextmanager
    def spool(self, upload_bytes: int, share: float = 1.0) -> Iterator[None]:
        """Room for so much more of a recording that is in work, until the block ends. raises: Unavailable"""
        with self._hold("spool_bytes", upload_bytes, share):
            if not self._disk_left():
                raise self._refusal("spool_bytes")
            yield

    @contextmanager
    def growing_spool(self, share: float = 1.0) -> Iterator[Callable[[int], None]]:
        """For a file whose length nobody knows: what is called with it as it grows. That raises Unavailable."""
        with ExitStack() as stack:
            held = 0

            def reserve(size: int) -> None:
                nonlocal held
                if size > held:
                    stack.enter_context(self.spool(size - held, share))
                    held = size

            yield reserve

    @contextmanager
    def live_session(self, share: float = 1.0) -> Iterator[None]:
        """raises: Unavailable"""
        with self._hold("live_sessions", 1, share):
            yield

    def backlog_seconds(self) -> float:
        """Of audio that one live session may keep waiting now: the more there are, the less each of them."""
        share = self.limits.backlog_bytes / max(1, self.used["live_sessions"])
        return max(LEAST_BACKLOG, share / BYTES_A_SECOND)

    @contextmanager
    def _hold(self, resource: Resource, amount: int, share: float) -> Iterator[None]:
        if self.used[resource] + amount > share * self.limits.of(resource):
            raise self._refusal(resource)
        self.used[resource] += amount
        try:
            yield
        finally:
            self.used[resource] -= amount

    @property
    def free_bytes(self) -> float:
        """Of the spool's disk. Uploads that still arrive will take what they declared, so that much counts as gone."""
        if self._spool is None:
            return math.inf
        return shutil.disk_usage(self._spool).free - self.used["spool_bytes"]

    def _disk_left(self) -> bool:
        return self.free_bytes >= self.limits.free_bytes

    def _refusal(self, resource: Resource) -> Unavailable:
        self.refused[resource] += 1
        what = "room for the upload" if resource == "spool_bytes" else f"more {resource.replace('_', ' ')}"
        return Unavailable(f"The service cannot take {what} at the moment.", random.uniform(*RETRY_SECONDS))


class CapacityCollector(Collector):
    """For Prometheus."""

    def __init__(self, capacity: MachineCapacity) -> None:
        self._capacity = capacity

    def collect(self) -> Iterator[Metric]:
        used = GaugeMetricFamily("stt_capacity_used", "Taken at once now", labels=["resource"])
        limits = GaugeMetricFamily("stt_capacity_limit", "The most of it; +Inf: no bound", labels=["resource"])
        refused = CounterMetricFamily("stt_capacity_refused", "Requests for which it did not do", labels=["resource"])
        for resource, amount in self._capacity.used.items():
            used.add_metric([resource], amount)
            limits.add_metric([resource], self._capacity.limits.of(resource))
            refused.add_metric([resource], self._capacity.refused[resource])
        yield from (used, limits, refused)
        yield GaugeMetricFamily(
            "stt_live_backlog_limit_seconds",
            "Of audio that one live session may keep waiting now",
            value=self._capacity.backlog_seconds(),
        )
        yield GaugeMetricFamily(
            "stt_spool_free_bytes", "Of the uploads' disk, less what they will take", value=self._capacity.free_bytes
        )
        yield GaugeMetricFamily(
            "stt_spool_free_bytes_kept", "Below which uploads are refused", value=self._capacity.limits.free_bytes
        )
