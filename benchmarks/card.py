"""The card that is measured, as the driver tells (NVML)."""

from __future__ import annotations

from dataclasses import dataclass

from speech.gpu import find_gpu


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    driver: str
    memory: int  # bytes
    used: int  # bytes, by everybody


def find_device() -> Device | None:
    """The first card of this machine; None where there is none."""
    gpu = find_gpu()
    if gpu is None:
        return None
    import pynvml as nvml

    nvml.nvmlInit()
    try:
        used = int(nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(0)).used)
        driver = nvml.nvmlSystemGetDriverVersion()
    finally:
        nvml.nvmlShutdown()
    return Device(gpu.name or "unknown", driver if isinstance(driver, str) else driver.decode(), gpu.memory, used)
