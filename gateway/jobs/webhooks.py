"""What becomes of a job is told to the address that its sender named, by the Standard Webhooks specification.

An attempt is a task of the engine's, in a queue of its own that bounds what each caller has in it: a receiver that
hangs keeps nobody else waiting. The job's row says which attempt is next and until when one may be under way, so that
there are never two at once. The message's id is the job's, however often it is sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpcore
from standardwebhooks import Webhook

from gateway.errors import BadParameter, Unavailable
from gateway.jobs.engine import WEBHOOKS, JobEngine, QueuedTask
from gateway.jobs.job import Job
from gateway.jobs.webhook_store import WebhookStore
from gateway.outgoing.address_rules import AddressRules
from gateway.outgoing.checked_connections import AddressRefused, checked_pool

DELAYS = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 21_600.0)  # seconds between attempts: a day in all
ANSWER_SECONDS = 15.0  # for which a receiver may take
UNDER_WAY_SECONDS = 60.0  # after which an attempt of a gateway that died is made again
GONE = 410  # the receiver wants no more of them

_log = logging.getLogger(__name__)


class NotDelivered(Exception):
    """The message says why, for the job's owner."""


class ReceiverGone(NotDelivered):
    """There is no use in trying again."""


@dataclass(frozen=True, slots=True)
class WebhookSender:
    store: WebhookStore
    engine: JobEngine
    rules: AddressRules
    payload: Callable[[Job], dict[str, Any]]  # the job as its owner reads it

    async def begin(self, job: Job) -> None:
        """The next attempt waits for its turn. Once for each, however often this is called."""
        await self._enqueue(job, 0.0)

    async def resume(self) -> None:
        """Attempts that a gateway took on and could not queue before it died."""
        for job in await self.store.overdue(UNDER_WAY_SECONDS):
            await self.begin(job)

    async def run(self, task: str) -> None:
        """One attempt, and the next one queued where it fails. task: as `_enqueue` writes it"""
        while True:
            try:
                job = await self._claim(task)
                if job is not None:
                    await self._attempt(job)
                return
            except Unavailable:
                _log.warning("the store is unavailable; webhook %s waits", task)
            except Exception:
                _log.exception("webhook %s failed unexpectedly", task)
            await asyncio.sleep(ANSWER_SECONDS)

    async def _claim(self, task: str) -> Job | None:
        """None where this attempt is over already."""
        identity, sending, attempt = task.split("/")
        while True:
            claimed = await self.store.claim(identity, int(sending), int(attempt), UNDER_WAY_SECONDS)
            if isinstance(claimed, Job) or claimed is None:
                return claimed
            await asyncio.sleep(claimed)

    async def _attempt(self, job: Job) -> None:
        made = job.webhook_attempts + 1
        try:
            await self._send(job)
        except NotDelivered as problem:
            left = made <= len(DELAYS) and not isinstance(problem, ReceiverGone)
            delay = DELAYS[made - 1] * random.uniform(0.9, 1.1) if left else None
            tried = await self.store.failed(job, str(problem), delay)
            if tried is not None and delay is not None:
                await self._enqueue(tried, delay)
        else:
            await self.store.delivered(job)

    async def _send(self, job: Job) -> None:
        """raises: NotDelivered"""
        assert job.webhook_url is not None
        url = job.webhook_url
        now = datetime.now(UTC)
        kind = f"job.{job.status}"
        message = {"type": kind, "timestamp": now.isoformat(), "data": self.payload(job)}
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        identity = f"msg_{job.id}"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "stt",
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(await self.store.secret(job.subject)).sign(identity, now, body),
        }
        status = await self._post(url, headers, body.encode())
        if status == GONE:
            raise ReceiverGone("the receiver answered 410: it wants no more of them")
        if not 200 <= status < 300:
            raise NotDelivered(f"the receiver answered {status}")

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer, whose body nobody reads. Raises NotDelivered."""
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        try:
            self.rules.check(url, "webhook_url")
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                checked_pool(self.rules) as pool,
                pool.stream("POST", url, headers=sent, content=body) as answer,
            ):
                return answer.status
        except AddressRefused as problem:
            raise NotDelivered("it leads to a private address, which this service does not ask") from problem
        except BadParameter as problem:
            raise NotDelivered(problem.message) from problem
        except (TimeoutError, httpcore.TimeoutException) as problem:
            raise NotDelivered(f"the receiver did not answer within {ANSWER_SECONDS:.0f} s") from problem
        except (httpcore.NetworkError, httpcore.ProtocolError) as problem:
            raise NotDelivered(f"the connection failed: {type(problem).__name__}") from problem

    async def _enqueue(self, job: Job, delay: float) -> None:
        name = f"{job.id}/{job.webhook_round}/{job.webhook_attempts + 1}"
        await self.engine.enqueue(
            f"webhook/{name}", QueuedTask(queue=WEBHOOKS, name=name, caller=job.subject, delay=delay)
        )


def pending_webhook(job: Job, now: int) -> dict[str, Any]:
    """What a job that ends has in the database, for its webhook to be sent by whoever sees it."""
    return {"webhook_state": "pending", "webhook_next_at": now} if job.webhook_url else {}


def webhook_tasks(job: Job) -> list[str]:
    """The engine's names of all attempts that there may have been."""
    attempts = range(1, len(DELAYS) + 2)
    return [f"webhook/{job.id}/{sending}/{attempt}" for sending in range(job.webhook_round + 1) for attempt in attempts]
