"""The NVIDIA GPU of this machine, as its driver tells (NVML)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str | None  # None: not told
    memory: int  # bytes


def find_gpu(index: int = 0) -> Gpu | None:
    """None where there is no NVIDIA GPU, no driver, or no way to ask it.

    A GPU that is parted (MIG) is told by the first part that this process may use.
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
        device = _part(nvml, nvml.nvmlDeviceGetHandleByIndex(index))
        name = nvml.nvmlDeviceGetName(device)
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        return Gpu(name if isinstance(name, str) else name.decode(), int(memory.total))
    except nvml.NVMLError:
        return None
    finally:
        nvml.nvmlShutdown()


def _part(nvml: Any, device: Any) -> Any:
    """The device itself, or where it is parted the first part."""
    try:
        parted, _ = nvml.nvmlDeviceGetMigMode(device)
    except nvml.NVMLError:  # a card that cannot be parted
        return device
    if parted != nvml.NVML_DEVICE_MIG_ENABLE:
        return device
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device)):
        try:
            return nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, number)
        except nvml.NVMLError:  # no part of this number, or not ours
            continue
    return device
