"""The GPU behind the service: on this machine, or where the Tritons run.

Triton's metrics hold the memory of its GPUs without their names; our Whisper model adds the name and memory of its own
GPU, also of a MIG partition, for which Triton reports nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time

import httpx

from gateway.triton.fleet import Fleet
from speech.gpu import Gpu, find_gpu
from speech.tensors import GPU_METRIC

METRICS_SECONDS = 2.0  # timeout of a request for Triton's metrics
CACHE_SECONDS = 30.0  # that a result is cached: GPUs change seldom, and /health is polled often

_WHISPER_GPU = re.compile(GPU_METRIC + r'\{[^}]*gpu="([^"]*)"[^}]*\} (\S+)')
_TRITON_GPU = re.compile(r"nv_gpu_memory_total_bytes\{[^}]*\} (\S+)")
_log = logging.getLogger(__name__)


class GpuFinder:
    def __init__(self, fleet: Fleet, metrics_port: int) -> None:
        self._fleet = fleet
        self._port = metrics_port
        self._gpu: Gpu | None = None
        self._looking = asyncio.Lock()
        self._expires = 0.0  # monotonic seconds: expiry of the cached result

    async def find(self) -> Gpu | None:
        """This machine's GPU, else one in the metrics of a Triton, else None."""
        async with self._looking:  # those who ask meanwhile hear of what the first one finds
            if time.monotonic() > self._expires:
                self._gpu = await asyncio.to_thread(find_gpu) or await self._read_tritons()
                self._expires = time.monotonic() + CACHE_SECONDS
        return self._gpu

    async def _read_tritons(self) -> Gpu | None:
        if not self._port:
            return None
        hosts = {client.url.rpartition(":")[0] for client in self._fleet.clients}
        async with httpx.AsyncClient(timeout=METRICS_SECONDS, trust_env=False) as client:
            found = await asyncio.gather(*(_read(client, f"http://{host}:{self._port}/metrics") for host in hosts))
        gpus = [gpu for gpu in found if gpu is not None]
        return max(gpus, key=lambda gpu: gpu.name is not None, default=None)


async def _read(client: httpx.AsyncClient, url: str) -> Gpu | None:
    try:
        return read_metrics((await client.get(url)).raise_for_status().text)
    except httpx.HTTPError as problem:
        _log.debug("no metrics at %s: %s", url, problem)
        return None


def read_metrics(text: str) -> Gpu | None:
    """The first GPU in Triton's metrics (Prometheus text)."""
    if named := _WHISPER_GPU.search(text):
        return Gpu(named[1], int(float(named[2])))
    if unnamed := _TRITON_GPU.search(text):
        return Gpu(None, int(float(unnamed[1])))
    return None
