"""The jobs of a gateway: what is handed in, what happens to it, and how long it is kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.accounts import lease_owner
from gateway.accounts.database import Database, SchemaHistory
from gateway.accounts.store_errors import unavailability
from gateway.concurrency import run_together
from gateway.errors import Unavailable
from gateway.jobs.engine import JOBS, WEBHOOKS, JobEngine, QueuedTask, QueueLimits, engine_url
from gateway.jobs.job import Job
from gateway.jobs.liveness import GatewayLeases
from gateway.jobs.report import job_report
from gateway.jobs.store import JobStore
from gateway.jobs.webhook_store import WebhookStore
from gateway.jobs.webhooks import WebhookSender, pending_webhook, webhook_tasks
from gateway.jobs.worker import JobWorker
from gateway.outgoing.address_rules import AddressRules
from gateway.services import Services
from gateway.settings import JobSettings, Settings
from gateway.storage.objects import ObjectStorage
from gateway.uploads.store import UploadStore
from gateway.uploads.uploads import ResumableUploads

HISTORY = SchemaHistory("gateway.jobs:migrations", "jobs_version")
UNQUEUED_SECONDS = 10.0  # after which a job that never reached the engine is queued by whoever sees it
WEBHOOKS_AT_ONCE, WEBHOOKS_OF_ONE_CALLER = 32, 4  # of a gateway
RETENTION_SECONDS = 60.0  # between two looks at what is kept too long
ORPHAN_SECONDS = 86_400.0  # after which a file of no job is removed
ORPHANS_SECONDS = 3600.0  # between two looks at all that is stored, which an object store charges for
IDS_AT_ONCE = 500  # in a query

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Jobs:
    settings: JobSettings
    store: JobStore
    storage: ObjectStorage
    engine: JobEngine
    leases: GatewayLeases
    webhooks: WebhookSender
    uploads: ResumableUploads
    rules: AddressRules  # of what callers may have this service connect to

    async def submit(self, job: Job) -> Job:
        """Its recording is stored already. returns: the one that is there under its Idempotency-Key already, if any"""
        added = await self.store.add(job)
        if added.id == job.id:
            await self._enqueue(added)
        return added

    async def cancel(self, job: Job) -> bool:
        """Its recording is deleted, or once its storage answers again. False where it has ended already."""
        cancelled = await self.store.cancel(job, **pending_webhook(job, self.store.now()))
        if cancelled is None:
            return False
        with suppress(Unavailable):
            await self._remove_files([job.id])
        await self.engine.cancel([job.id])
        if cancelled.webhook_url:
            await self.webhooks.begin(cancelled)
        return True

    async def remove(self, identities: Sequence[str]) -> None:
        """Ended jobs, with all that is stored of them."""
        await self._remove_files(identities)
        found = [job for identity in identities if (job := await self.store.find(identity)) is not None]
        tasks = [task for job in found if job.webhook_url for task in webhook_tasks(job)]
        await self.store.remove(identities)
        await self.engine.forget([*identities, *tasks])

    async def requeue(self) -> None:
        """What another gateway took on and could not queue before it died."""
        before = self.store.now() - round(UNQUEUED_SECONDS * 1000)
        for job in await self.store.unqueued(before):
            await self._enqueue(job)
        await self.webhooks.resume()

    async def take_over(self) -> None:
        """The work of dead gateways waits for whoever has room."""
        await self.leases.renew()
        if dead := await self.leases.dead(await self.engine.executors()):
            _log.warning("going on with the jobs of gateways that are no more: %s", ", ".join(dead))
            await self.engine.give_back(dead)

    async def retain(self) -> None:
        """Delete what was kept as long as the settings say."""
        now = self.store.now()
        while old := await self.store.ended_before(now - round(self.settings.transcript_hours * 3_600_000)):
            await self.remove(old)
        while old := await self.store.with_old_recordings(now - round(self.settings.recording_hours * 3_600_000)):
            await self._remove_files(old)
        await self.uploads.expire()

    async def remove_orphans(self, seconds: float = ORPHAN_SECONDS) -> None:
        """Files that belong to no job and no upload, so long after they were stored."""
        names = [name async for name in self.storage.older(seconds)]
        folders = sorted({name.partition("/")[0] for name in names})
        owned: set[str] = set()
        for start in range(0, len(folders), IDS_AT_ONCE):
            some = folders[start : start + IDS_AT_ONCE]
            owned |= await self.store.with_files(some) | await self.uploads.store.existing(some)
        await self.storage.remove([name for name in names if name.partition("/")[0] not in owned])

    async def _enqueue(self, job: Job) -> None:
        await self.engine.enqueue(job.id, QueuedTask(queue=JOBS, name=job.id, priority=job.tag))
        await self.store.queued(job.id)

    async def _remove_files(self, identities: Sequence[str]) -> None:
        for identity in identities:
            await self.storage.clear(identity)
        await self.store.forgotten(identities)


@asynccontextmanager
async def open_jobs(services: Services) -> AsyncIterator[Jobs | None]:
    """None where the settings turn jobs off. Raises ValueError, Unavailable."""
    settings = services.settings
    if not settings.jobs.enabled:
        yield None
        return
    database = open_job_database(settings)
    await database.migrate()
    store = JobStore(database)
    executor = lease_owner.this_process()
    lease = settings.accounts.lease_seconds
    accounts = settings.accounts.database.get_secret_value()
    engine = JobEngine(
        engine_url(accounts, settings.server.data / "engine.db"),
        executor,
        {JOBS: QueueLimits(settings.jobs.at_once), WEBHOOKS: QueueLimits(WEBHOOKS_AT_ONCE, WEBHOOKS_OF_ONE_CALLER)},
    )
    storage = ObjectStorage(settings.jobs.storage, settings.server.data / "jobs")
    rules = AddressRules.of(settings.outgoing)
    webhooks = WebhookSender(WebhookStore(store), engine, rules, lambda job: dict(job_report(job, settings.jobs)))
    gateways = GatewayLeases(database, executor, lease, store.now)
    upload_store = UploadStore(database, round(settings.jobs.upload_hours * 3_600_000), store.now)
    uploads = ResumableUploads(upload_store, storage, settings.jobs.upload_bytes)
    jobs = Jobs(settings.jobs, store, storage, engine, gateways, webhooks, uploads, rules)
    worker = JobWorker(services, store, storage, rules, webhooks.begin)
    await jobs.leases.renew()
    running: set[asyncio.Task[None]] = set()
    await engine.start({JOBS: _tracked(worker.run, running), WEBHOOKS: _tracked(webhooks.run, running)})
    turns = (
        _repeat("look for dead gateways", lease / 3, jobs.take_over),
        _repeat("queue jobs", UNQUEUED_SECONDS, jobs.requeue),
        _repeat("delete old jobs", RETENTION_SECONDS, jobs.retain),
        _repeat("delete files of no job", ORPHANS_SECONDS, jobs.remove_orphans),
    )
    try:
        async with run_together(*turns):
            yield jobs
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await engine.close()
        await _end_lease(jobs)
        await database.close()


def open_job_database(settings: Settings) -> Database:
    """Beside the account store. Raises ValueError."""
    accounts = settings.accounts.database.get_secret_value()
    file = f"sqlite:///{settings.server.data / 'jobs.db'}"
    return Database(file if accounts.startswith("sqlite") else accounts or file, durable=True, history=HISTORY)


def _tracked(
    run: Callable[[str], Awaitable[None]], running: set[asyncio.Task[None]]
) -> Callable[[str], Awaitable[None]]:
    async def tracked(identity: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await run(identity)
        finally:
            running.discard(task)

    return tracked


async def _repeat(name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    failures = 0
    while True:
        try:
            await work()
            failures = 0
        except Exception as problem:
            failures += 1
            if not isinstance(problem, Unavailable) and unavailability(problem) is None:
                _log.exception("could not %s; next try in %.0f s", name, seconds)
            elif failures.bit_count() == 1:  # the first time, the second, the fourth, …
                _log.warning("could not %s: the store is away; tried %d times", name, failures)
        await asyncio.sleep(seconds)


async def _end_lease(jobs: Jobs) -> None:
    """From now on others may go on with what was in hand."""
    try:
        await jobs.leases.end()
    except Unavailable:
        _log.warning("the store is unavailable; this gateway's jobs wait until its lease ends")
