"""How long files and rows are kept, in a folder and in an object store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.accounts.database import Database
from gateway.jobs.job import ENDED, Job
from gateway.jobs.jobs import HISTORY, Jobs
from gateway.jobs.store import JobStore
from gateway.outgoing.address_rules import AddressRules
from gateway.settings import JobSettings
from gateway.storage.objects import ObjectStorage
from gateway.uploads.store import UploadStore
from gateway.uploads.uploads import ResumableUploads
from tests.integration.jobs.object_store import ObjectStoreServer

HOUR = 3600.0
SETTINGS = JobSettings(recording_hours=24, transcript_hours=168)
NAMES = ("recording", "sound.pcm", "speech.npz")


@dataclass
class QueueOfNone:
    """In the engine's place: no work is done here."""

    forgotten: set[str] = field(default_factory=set)

    async def forget(self, identities: list[str]) -> None:
        self.forgotten |= set(identities)

    async def cancel(self, identities: list[str]) -> None:
        """Nothing waits."""


@dataclass
class KeptJobs:
    jobs: Jobs
    queue: QueueOfNone
    hours: float = 0.0  # since the beginning

    async def add(self, name: str, status: str) -> Job:
        """A job with all of its files, which were stored in the same hour."""
        job = Job(id=name * 32, subject="ann", caller="ann", tier="paid", key_prefix=None, stored=1)
        job = await self.jobs.store.add(
            replace(job, status=cast(Any, status), finished_at=self.now if status in ENDED else None)
        )
        for each in NAMES:
            await self.jobs.storage.put(f"{job.id}/{each}", b"sound")
        return job

    @property
    def now(self) -> int:
        return round(self.hours * HOUR * 1000)

    async def files(self) -> list[str]:
        """Of jobs, by the first letter of their ids."""
        names = [name async for name in self.jobs.storage.older(-HOUR)]
        return sorted(f"{name[0]} {name.partition('/')[2]}" for name in names)


@pytest.fixture(params=["folder", "object store"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeptJobs]:
    url = ""
    if request.param == "object store":
        server: ObjectStoreServer = request.getfixturevalue("object_store")
        settings = server.settings
        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        url = settings["STT_JOBS_STORAGE"]
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}", history=HISTORY)
    await database.migrate()
    queue, none = QueueOfNone(), cast(Any, None)
    clock: Callable[[], float] = lambda: found.hours * HOUR  # noqa: E731
    store, storage = JobStore(database, clock), ObjectStorage(url, tmp_path / "files")
    uploads = ResumableUploads(UploadStore(database, 1000, store.now), storage, 10**9)
    jobs = Jobs(SETTINGS, store, storage, cast(Any, queue), none, none, uploads, AddressRules())
    found = KeptJobs(jobs, queue)
    yield found
    await database.close()


async def test_recordings_go_first_and_then_the_jobs(kept: KeptJobs) -> None:
    ended, waiting = await kept.add("e", "completed"), await kept.add("w", "queued")

    kept.hours = 23
    await kept.jobs.retain()
    after_23 = await kept.files()
    kept.hours = 25
    await kept.jobs.retain()
    after_25 = await kept.files()
    stored = await kept.jobs.store.find(ended.id)
    kept.hours = 169
    await kept.jobs.retain()

    assert after_23 == [f"{name} {each}" for name in "ew" for each in NAMES]
    assert after_25 == [f"w {each}" for each in NAMES]
    assert stored is not None
    assert not stored.stored
    assert await kept.jobs.store.find(ended.id) is None
    assert kept.queue.forgotten == {ended.id}
    assert await kept.jobs.store.find(waiting.id) == waiting


async def test_what_is_deleted_on_request_leaves_nothing(kept: KeptJobs) -> None:
    ended, other = await kept.add("e", "completed"), await kept.add("o", "completed")
    await kept.jobs.storage.put(f"{ended.id}/recording.partial", b"left by a gateway that was killed")

    await kept.jobs.remove([ended.id])

    assert await kept.files() == [f"o {each}" for each in NAMES]
    assert await kept.jobs.store.find(ended.id) is None
    assert await kept.jobs.store.find(other.id) == other


async def test_a_recording_that_could_not_be_deleted_when_its_job_was_cancelled_is_later(kept: KeptJobs) -> None:
    await kept.add("c", "cancelled")

    await kept.jobs.retain()

    assert await kept.files() == []


async def test_files_of_no_job_and_no_upload_are_removed_after_a_day(kept: KeptJobs) -> None:
    await kept.add("w", "queued")
    upload = await kept.jobs.uploads.create("ann", 9, "talk.wav", "")
    await kept.jobs.storage.put(f"{upload.id}/000-1", b"abc")
    await kept.jobs.storage.put(f"{'x' * 32}/recording", b"its gateway was killed before it answered")

    await kept.jobs.remove_orphans()
    young = await kept.files()
    await kept.jobs.remove_orphans(-HOUR)

    assert "x recording" in young
    assert await kept.files() == sorted([f"{upload.id[0]} 000-1", *(f"w {each}" for each in NAMES)])


async def test_an_upload_that_nobody_goes_on_with_is_removed(kept: KeptJobs) -> None:
    upload = await kept.jobs.uploads.create("ann", 9, "talk.wav", "")
    await kept.jobs.storage.put(f"{upload.id}/000-1", b"abc")

    kept.hours = 1
    await kept.jobs.retain()

    assert await kept.files() == []
