"""The NVIDIA GPU of this machine, as its driver reports it (NVML)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str | None  # None: unknown
    memory: int  # bytes
    used: int = field(default=0, compare=False)  # bytes, by everybody
    driver: str = field(default="", compare=False)


def find_gpu() -> Gpu | None:
    """None where there is no NVIDIA GPU, no driver, or no NVML.

    It is the first that this process may use (CUDA_VISIBLE_DEVICES); of a partitioned one (MIG), the partition.
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
        device = _first_visible(nvml)
        name = nvml.nvmlDeviceGetName(device)
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        driver = nvml.nvmlSystemGetDriverVersion()
        return Gpu(_text(name), int(memory.total), int(memory.used), _text(driver) or "")
    except nvml.NVMLError:
        return None
    finally:
        nvml.nvmlShutdown()


def _text(told: str | bytes | None) -> str | None:
    return told.decode() if isinstance(told, bytes) else told


def _first_visible(nvml: Any) -> Any:
    """NVML knows nothing of CUDA_VISIBLE_DEVICES, and counts by bus; CUDA counts by speed unless it is told."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return nvml.nvmlDeviceGetHandleByUUID(first)
    bus = _bus_of_first()
    if bus:
        return _partition(nvml, nvml.nvmlDeviceGetHandleByPciBusId(bus))
    return _partition(nvml, nvml.nvmlDeviceGetHandleByIndex(int(first) if first.isdigit() else 0))


def _bus_of_first() -> str:
    """PCI address of CUDA's first device; "" where CUDA's bindings are missing or find none."""
    try:
        from cuda.bindings import runtime as cudart
    except ImportError:
        return ""
    error, bus = cudart.cudaDeviceGetPCIBusId(16, 0)
    if error != cudart.cudaError_t.cudaSuccess:
        return ""
    return (bus.decode() if isinstance(bus, bytes) else str(bus)).rstrip("\0")


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
