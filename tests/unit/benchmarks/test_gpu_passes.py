"""Timings are known batch by batch, and end with the time that is given."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Self

import pytest

from benchmarks import gpu_passes
from benchmarks.gpu_passes import Passes, TimeLimit, time_passes
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.timed import Timing

OPTIONS = argparse.Namespace(
    provider="gpu", batches=[64, 1, 8], rounds=2, tokens=5, python=Path(), peer_python=Path(), without_peer=True
)


class ScriptedTimer:
    """Stands for a process that times; the torch model fails at the largest batch."""

    def __init__(self, title: str, *_: object) -> None:
        self.title = title
        self.description: dict[str, Any] = {"slots": 64, "versions": {title: "1"}, "dimensions": {}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def measure(self, batch: int, tokens: int) -> Timing:
        if batch == 64 and self.title == "plain torch":
            raise PeerFailed("out of memory")
        return Timing(1.0, batch / 1000, 2.0)


@pytest.fixture(autouse=True)
def timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_passes, "Timer", ScriptedTimer)


def test_every_batch_is_known_as_soon_as_it_is_timed(tmp_path: Path) -> None:
    known: list[list[int]] = []

    time_passes(tmp_path, OPTIONS, TimeLimit(0), lambda passes: known.append(list(passes.ours)))

    assert known == [[64], [64, 1], [64, 1, 8], [64, 1, 8], [64, 1, 8], [64, 1, 8]]


def test_a_limit_ends_between_two_timings_with_what_is_known(tmp_path: Path) -> None:
    known: list[Passes] = []

    class AfterOne(TimeLimit):
        @property
        def passed(self) -> bool:
            return bool(known)

    passes = time_passes(tmp_path, OPTIONS, AfterOne(0), known.append)

    assert list(passes.ours) == [64]
    assert len(known) == 1


def test_a_batch_that_torch_cannot_do_costs_torch_that_batch(tmp_path: Path) -> None:
    passes = time_passes(tmp_path, argparse.Namespace(**{**vars(OPTIONS), "without_peer": False}), TimeLimit(0), print)

    assert set(passes.ours) == {64, 1, 8}
    assert set(passes.torch) == {1, 8}
    assert "largest batches" in passes.skipped
