"""What `stt serve` takes for itself, and what it starts: how many Tritons, and how they share the processors."""

from __future__ import annotations

import argparse
import os
import resource
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import Mock

import pytest

from gateway.cli import serve
from gateway.cli.serve import open_tritons, processor_shares, raise_descriptor_limit
from gateway.settings import Settings
from gateway.triton.client import TritonAccess
from gateway.triton.embedded import TritonOptions


class FakeTriton:
    """Notes how it was started."""

    running = 0

    def __init__(self, repository: Path, names: list[str], options: TritonOptions) -> None:
        self.options = options
        self.access = TritonAccess(options.control_key)

    async def __aenter__(self) -> Self:
        FakeTriton.running += 1
        self.url = self.metrics_url = f"127.0.0.1:{FakeTriton.running}"
        return self

    async def __aexit__(self, *_: object) -> None:
        FakeTriton.running -= 1


@pytest.mark.parametrize(
    ("processors", "asked", "shares"),
    [
        (2, 0, [None]),
        (15, 0, [None]),
        (16, 0, [8, 8]),
        (64, 0, [8] * 8),
        (5, 2, [3, 2]),
        (2, 4, [1, 1]),
        (64, 1, [None]),
    ],
)
def test_processors_are_divided_without_rest(processors: int, asked: int, shares: list[int | None]) -> None:
    assert processor_shares(processors, asked) == shares


async def test_several_tritons_are_one_fleet_with_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "EmbeddedTriton", FakeTriton)
    monkeypatch.setattr(serve, "triton_models", lambda *_: ["whisper-base"])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)))
    settings = Settings.model_validate({"triton": {"processes": 2}})
    models: Any = SimpleNamespace(deployed=())

    async with open_tritons(settings, models) as tritons:
        assert tritons.urls == ["127.0.0.1:1", "127.0.0.1:2"]
        options = [triton.options for triton in tritons.embedded]
        assert [each.parameters["WHISPER_THREADS"] for each in options] == ["3", "2"]
        assert {each.control_key for each in options} == {tritons.access.control_key}

    assert FakeTriton.running == 0


def test_a_service_takes_as_many_descriptors_as_it_may() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert soft == min(65_536, hard) or hard == resource.RLIM_INFINITY
    assert soft > 256
    assert hard == limits[1]


def test_a_start_takes_descriptors_and_limits_arenas_before_there_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = Mock()
    for name in ("configure_logging", "raise_descriptor_limit", "limit_arenas"):
        monkeypatch.setattr(serve, name, getattr(begun, name))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert serve.run(argparse.Namespace(host="127.0.0.1", port=port), Settings()) == 1

    assert begun.raise_descriptor_limit.called
    assert begun.limit_arenas.called
