"""Clients that hand recordings over and come back for them, at whichever gateway answers."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.chaos.history import Payer
from benchmarks.jobs.history import SentJob

TRANSIENT = (409, 429, 503)
LOOK_SECONDS = 1.0  # between two looks at a job
LONGEST_PAUSE = 5.0


@dataclass
class JobClients:
    urls: Sequence[str]  # of gateways, asked in turn
    webhook: str  # address that is told of the end
    patience: float  # seconds until a client gives up
    chance: random.Random = field(default_factory=random.Random)
    clock_start: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(60, connect=5), limits=limits, trust_env=False)
        self._turns = itertools.count()

    @property
    def now(self) -> float:
        return time.monotonic() - self.clock_start

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, job: SentJob) -> None:
        job.began = self.now
        answer = await self._hand_over(job)
        if answer is None:
            return
        job.accepted = self.now
        deadline = self.now + self.patience
        while job.status in ("", "queued", "processing"):
            if self.now > deadline:
                job.told = f"not ended within {self.patience:.0f} s, but {job.status}"
                return
            await asyncio.sleep(LOOK_SECONDS)
            if (report := await self._ask(job, f"/v1/jobs/{job.id}")) is not None:
                job.status = report["status"]
                job.told = f"failed: {report['error']['message']}" if report["error"] else ""
        job.ended = self.now
        while job.status == "completed" and self.now < deadline:
            if (transcript := await self._ask(job, f"/v1/jobs/{job.id}/transcript")) is not None:
                job.text = transcript["text"]
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def call(self, job: SentJob, owner: Payer) -> str:
        """What /v1/transcribe hears in its recording."""
        answer = await self._http.post(
            f"{self.urls[0]}/v1/transcribe",
            headers={"Authorization": f"Bearer {owner.key}"},
            files={"file": (job.recording.name, job.recording.content)},
            data={"language": "en"},
        )
        return str(answer.raise_for_status().json()["text"])

    async def _hand_over(self, job: SentJob) -> dict[str, Any] | None:
        """Under one Idempotency-Key, until it is accepted."""
        deadline = self.now + self.patience
        while self.now < deadline:
            answer = await self._send(
                "POST",
                "/v1/jobs",
                headers=_headers(job) | {"Idempotency-Key": f"job-{job.number}"},
                files={"file": (job.recording.name, job.recording.content)},
                data={"language": "en", "webhook_url": self.webhook},
            )
            job.statuses.append(0 if answer is None else answer.status_code)
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                accepted: dict[str, Any] = answer.json()
                job.id = accepted["id"]
                job.ids.add(job.id)
                return accepted
            if answer is not None and answer.status_code not in TRANSIENT:
                job.told = f"refused: {answer.status_code} {answer.text[:200]}"
                return None
            after = 0.3 if answer is None else float(answer.headers.get("Retry-After", "0.3"))
            await asyncio.sleep(min(after, LONGEST_PAUSE) * self.chance.uniform(0.5, 1))
        job.told = f"not accepted within {self.patience:.0f} s"
        return None

    async def _ask(self, job: SentJob, path: str) -> dict[str, Any] | None:
        """None where nobody answers for now."""
        answer = await self._send("GET", path, headers=_headers(job))
        if answer is None or answer.status_code in TRANSIENT:
            return None
        if answer.status_code != httpx.codes.OK:
            job.told = f"{path} answered {answer.status_code} {answer.text[:200]}"
            job.status = "lost"
            return None
        found: dict[str, Any] = answer.json()
        return found

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response | None:
        url = self.urls[next(self._turns) % len(self.urls)]
        try:
            return await self._http.request(method, f"{url}{path}", **content)
        except httpx.HTTPError:
            return None


def _headers(job: SentJob) -> dict[str, str]:
    return {"Authorization": f"Bearer {job.owner.key}"}
