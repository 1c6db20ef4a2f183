"""The NVIDIA GPU of this machine, as its driver reports it (NVML)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str | None  # None: unknown
    memory: int  # bytes


def find_gpu(index: int = 0) -> Gpu | None:
    """None where there is no NVIDIA GPU, no driver, or no NVML.

    A partitioned GPU (MIG) is reported as the first partition that this process may use.
    """
    try:
        import pynvml as nvml
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    try:
        device = _partition(nvml, nvml.nvmlDeviceGetHandleByIndex(index))
        name = nvml.nvmlDeviceGetName(device)
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        return Gpu(name if isinstance(name, str) else name.decode(), int(memory.total))
    except nvml.NVMLError:
        return None
    finally:
        nvml.nvmlShutdown()


def _partition(nvml: Any, device: Any) -> Any:
    """The device itself, or of a partitioned one the first partition."""
    try:
        mode, _ = nvml.nvmlDeviceGetMigMode(device)
    except nvml.NVMLError:  # it cannot be partitioned
        return device
    if mode != nvml.NVML_DEVICE_MIG_ENABLE:
        return device
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device)):
        try:
            return nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, number)
        except nvml.NVMLError:  # no partition of this number, or not ours
            continue
    return device
