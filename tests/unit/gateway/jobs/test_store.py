"""Jobs in a real SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.accounts.database import Database
from gateway.jobs.job import Job, JobText
from gateway.jobs.jobs import HISTORY
from gateway.jobs.store import JobStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JobStore]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}", history=HISTORY)
    await database.migrate()
    yield JobStore(database)
    await database.close()


async def test_a_checkpoint_that_seemed_to_fail_is_written_again_with_what_is_new(store: JobStore) -> None:
    await store.add(Job(id="1" * 32, subject="a", caller="a", tier="paid", key_prefix=None))
    job = await store.begin("1" * 32)
    assert job is not None
    said = [JobText(0, 0.0, 1.0, "One.")]
    await store.checkpoint(job, 0.2, {"first": b"1"}, said)

    await store.checkpoint(job, 0.4, {"first": b"1", "second": b"2"}, [*said, JobText(1, 1.0, 2.0, "Two.")])

    assert await store.windows(job.id) == {"first": b"1", "second": b"2"}
    assert [text.text for text in await store.texts(job.id)] == ["One.", "Two."]
