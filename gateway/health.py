"""The GPU behind the service: on this machine, or where the Tritons run.

Triton's metrics tell the memory of its GPUs and no names; our Whisper model adds its own GPU's name and memory, also
where the GPU is parted (MIG), of which Triton tells nothing.
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

METRICS_SECONDS = 2.0  # for Triton to tell its metrics
KEPT_SECONDS = 30.0  # for which an answer holds: cards do not change often, and /health is asked often

_OWN = re.compile(GPU_METRIC + r'\{[^}]*gpu="([^"]*)"[^}]*\} (\S+)')
_TRITONS = re.compile(r"nv_gpu_memory_total_bytes\{[^}]*\} (\S+)")
_log = logging.getLogger(__name__)


class GpuFinder:
    def __init__(self, fleet: Fleet, metrics_port: int) -> None:
        self._fleet = fleet
        self._port = metrics_port
        self._gpu: Gpu | None = None
        self._until = 0.0  # monotonic seconds: so long the answer holds

    async def find(self) -> Gpu | None:
        """This machine's GPU, else one that a Triton tells of, else None."""
        if time.monotonic() > self._until:
            self._gpu = await asyncio.to_thread(find_gpu) or await self._ask_tritons()
            self._until = time.monotonic() + KEPT_SECONDS
        return self._gpu

    async def _ask_tritons(self) -> Gpu | None:
        if not self._port:
            return None
        hosts = {server.url.rpartition(":")[0] for server in self._fleet.servers}
        async with httpx.AsyncClient(timeout=METRICS_SECONDS, trust_env=False) as client:
            told = await asyncio.gather(*(_read(client, f"http://{host}:{self._port}/metrics") for host in hosts))
        gpus = [gpu for gpu in told if gpu is not None]
        return max(gpus, key=lambda gpu: gpu.name is not None, default=None)


async def _read(client: httpx.AsyncClient, url: str) -> Gpu | None:
    try:
        return read_metrics((await client.get(url)).raise_for_status().text)
    except httpx.HTTPError as problem:
        _log.debug("no metrics at %s: %s", url, problem)
        return None


def read_metrics(text: str) -> Gpu | None:
    """The first GPU in Triton's metrics (Prometheus text)."""
    if named := _OWN.search(text):
        return Gpu(named[1], int(float(named[2])))
    if unnamed := _TRITONS.search(text):
        return Gpu(None, int(float(unnamed[1])))
    return None
