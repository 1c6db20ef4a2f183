"""A job's recording as a file: where it is stored, or fetched from its address, which is done once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import InternalError
from gateway.jobs.job import Job
from gateway.jobs.store import JobStore
from gateway.outgoing.address_rules import AddressRules
from gateway.outgoing.download import Download
from gateway.requests.jobs import AdmittedRequest, download_limits
from gateway.storage.objects import NotStored, ObjectStorage


@dataclass(frozen=True, slots=True)
class RecordingSource:
    store: JobStore
    storage: ObjectStorage
    rules: AddressRules  # of what is fetched

    @asynccontextmanager
    async def opened(self, admitted: AdmittedRequest, job: Job, path: Path) -> AsyncIterator[Path]:
        """path: of the copy, where one is needed, which counts among the spool's bytes until the block ends

        raises: AttemptEnded, BadParameter, InternalError, TooLarge, RequestTimeout, Unavailable
        """
        share = admitted.caller.tier.share
        if job.source_url and not job.stored:
            with admitted.services.capacity.growing_spool(share) as reserve:
                limits = replace(download_limits(admitted.services.settings, admitted.caller), reserve=reserve)
                await self._download(job, Download(self.rules, limits, path), job.source_url)
                if path.exists():
                    yield path
                    return
        elif not self.storage.is_here:
            with admitted.services.capacity.spool(job.size, share):
                yield await self._stored(job, path)
                return
        yield await self._stored(job, path)

    async def _download(self, job: Job, download: Download, url: str) -> None:
        """From then on it is stored as if it had been sent."""
        file = await download.run(url)
        await self.storage.put(job.recording, file.path)
        await self.store.change(job, stored=1, size=file.size)

    async def _stored(self, job: Job, path: Path) -> Path:
        try:
            return await self.storage.fetch(job.recording, path)
        except NotStored as problem:
            raise InternalError("The recording is no longer stored.") from problem
