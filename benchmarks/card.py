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
    """The first card that this process may use; None where there is none."""
    gpu = find_gpu()
    return None if gpu is None else Device(gpu.name or "unknown", gpu.driver, gpu.memory, gpu.used)
