"""The GPU as NVML tells it; the driver is played here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from speech.gpu import Gpu, find_gpu

CARD = Gpu("NVIDIA A100-SXM4-80GB", 80 * 2**30)
PART = Gpu("NVIDIA A100-SXM4-80GB MIG 2g.20gb", 20 * 2**30)


class NVMLError(Exception):
    pass


@dataclass
class Driver:
    """Stands for pynvml. parts: by number, None where another process has it; None: the card cannot be parted"""

    cards: list[Gpu] = field(default_factory=lambda: [CARD])
    parts: list[Gpu | None] | None = None
    loaded: bool = True
    asked: list[str] = field(default_factory=list)  # by what else than a number
    NVML_DEVICE_MIG_ENABLE: int = 1
    NVMLError: type[Exception] = NVMLError

    def nvmlInit(self) -> None:
        self._insist(self.loaded)

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:
        self._insist(index < len(self.cards))
        return self.cards[index]

    def nvmlDeviceGetName(self, device: Gpu) -> str | None:
        return device.name

    def nvmlDeviceGetMemoryInfo(self, device: Gpu) -> Any:
        return SimpleNamespace(total=device.memory, used=device.memory // 4)

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.159.04"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Gpu:
        self.asked.append(uuid)
        return self.cards[-1]

    def nvmlDeviceGetHandleByPciBusId(self, bus: str) -> Gpu:
        self.asked.append(bus)
        return self.cards[-1]

    def nvmlDeviceGetMigMode(self, device: Gpu) -> list[int]:
        self._insist(self.parts is not None)
        return [1, 1] if self.parts else [0, 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Gpu) -> int:
        return len(self.parts or [])

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Gpu, number: int) -> Gpu | None:
        self._insist(self.parts is not None and self.parts[number] is not None)
        return (self.parts or [])[number]

    def _insist(self, possible: bool) -> None:
        if not possible:
            raise NVMLError


@pytest.mark.parametrize(
    ("driver", "found"),
    [
        (Driver(), CARD),
        (Driver(parts=[]), CARD),
        (Driver(parts=[None, PART]), PART),
        (Driver(parts=[None]), CARD),
        (Driver(cards=[]), None),
        (Driver(loaded=False), None),
    ],
    ids=["a card", "a card that could be parted", "a part", "no part of ours", "no card", "no driver"],
)
def test_what_the_driver_tells(monkeypatch: pytest.MonkeyPatch, driver: Driver, found: Gpu | None) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver)

    assert find_gpu() == found


@pytest.mark.parametrize(
    ("visible", "bus", "asked"),
    [
        ("GPU-1a2b,GPU-3c4d", "0000:4b:00.0", ["GPU-1a2b"]),
        ("MIG-5e6f", "0000:4b:00.0", ["MIG-5e6f"]),
        ("3", "0000:4b:00.0", ["0000:4b:00.0"]),
        ("1", None, []),
        (None, "0000:4b:00.0", ["0000:4b:00.0"]),
    ],
    ids=["by name", "a part by name", "where CUDA says it is", "by number, without CUDA", "all are visible"],
)
def test_the_card_is_the_first_that_this_process_may_use(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, bus: str | None, asked: list[str]
) -> None:
    driver = Driver(cards=[CARD, Gpu("NVIDIA H200", 141 * 10**9)])
    runtime = SimpleNamespace(
        cudaError_t=SimpleNamespace(cudaSuccess=0), cudaDeviceGetPCIBusId=lambda length, device: (0, str(bus).encode())
    )
    bindings = SimpleNamespace(runtime=runtime)
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.setitem(sys.modules, "cuda", SimpleNamespace(bindings=bindings))
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings if bus else None)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    found = find_gpu()

    assert found is not None
    assert (found.name, found.driver, driver.asked) == ("NVIDIA H200", "580.159.04", asked)


def test_without_the_package_that_asks_the_driver_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert find_gpu() is None
