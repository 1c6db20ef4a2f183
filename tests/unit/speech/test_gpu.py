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
        return SimpleNamespace(total=device.memory)

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


def test_without_the_package_that_asks_the_driver_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert find_gpu() is None
