"""What is wired together for the routes; each part has tests of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from gateway.models import Models
from gateway.services import Services, open_services
from gateway.settings import ServerSettings, Settings, SummarizerSettings
from gateway.thread_pools import ThreadPool
from gateway.triton.client import NO_ACCESS_CONTROL


@pytest.fixture
async def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    """Without a Triton."""
    monkeypatch.setattr("gateway.triton.fleet.FIRST_PROBES_SECONDS", 0.0)
    settings = Settings(server=ServerSettings(data=tmp_path), summarizer=SummarizerSettings(mode="off"))
    async with open_services(settings, Models(["base"], "base"), [], NO_ACCESS_CONTROL) as services:
        yield services


async def test_decoding_writing_and_listening_have_threads_of_their_own(services: Services) -> None:
    pools = (services.media.executor, services.file_writers, services.activity_threads)

    assert [pool.name for pool in pools if isinstance(pool, ThreadPool)] == ["decode", "write", "activity"]


async def test_health_waits_for_no_thread_that_decodes_or_writes(services: Services) -> None:
    free = threading.Event()
    with ExitStack() as stack:
        stack.callback(free.set)
        for pool in (services.media.executor, services.file_writers):
            assert isinstance(pool, ThreadPool)
            for _ in range(2 * pool.threads):
                pool.submit(free.wait)
        transport = httpx.ASGITransport(create_app(services))
        async with asyncio.timeout(60), httpx.AsyncClient(transport=transport, base_url="http://stt") as client:
            assert (await client.get("/health")).json()["state"] == "starting"
