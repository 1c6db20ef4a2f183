"""What the tests of this folder share: a PostgreSQL, an object store, a gateway whose models echo."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.postgres import running_postgres
from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import gateways, recording
from tests.integration.jobs.job_service import JobService, Website
from tests.integration.jobs.object_store import ObjectStoreServer
from tests.integration.outgoing.web_server import serving


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreServer]:
    server = ObjectStoreServer(tmp_path_factory.mktemp("object-store"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def job_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobService]:
    folder = tmp_path_factory.mktemp("job-service")
    store = AccountStore(f"sqlite:///{folder / 'accounts.db'}")
    asyncio.run(store.migrate())
    talk = recording(folder / "talk.flac", 300)
    website = Website()
    with serving(website.answer) as web:
        settings = {
            "STT_JOBS_AT_ONCE": "1",
            "STT_OUTGOING_PORTS": f"80,{web.port}",
            "STT_OUTGOING_PRIVATE_HOSTS": "127.0.0.1",
            "STT_CAPACITY_SPOOL_BYTES": str(32 * 1024**2),
        }
        with gateways(folder, "", [0.5], **settings) as (gateway,):
            yield JobService(gateway, store, web, website, talk)
