"""What the machine and the engines behind the service are able to do now."""

from __future__ import annotations

from dataclasses import dataclass

import pynvml


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    memory_mb: int


def find_gpu() -> Gpu | None:
    """The first NVIDIA GPU of this machine; None where there is none, or no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        name = pynvml.nvmlDeviceGetName(handle)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        return Gpu(name if isinstance(name, str) else name.decode(), int(memory.total) // 2**20)
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()
