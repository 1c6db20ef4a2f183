"""The gateway with models that answer at once, for tests that ask it over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.gateway.dialects.dialect_service import DialectService, run_dialects


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialectService]:
    with run_dialects(tmp_path_factory.mktemp("dialects")) as service:
        yield service


@pytest.fixture
def service(running: DialectService) -> DialectService:
    running.models.reset()
    return running
