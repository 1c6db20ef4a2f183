"""What a queue costs: a job beside a call, handing over while thousands wait, and calls beside a long queue."""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from benchmarks.chaos.parts import SmallDeployment, deployed
from benchmarks.chaos.sounds import Speaker
from benchmarks.jobs.local_server import SilentHandler, serving
from benchmarks.processes import processor_seconds

WINDOW_SECONDS = 1.0  # that the model takes
CALL_SECONDS, JOB_SECONDS = 10.0, 60.0  # of sound
AT_ONCE = 2  # jobs of a gateway
CLIENTS = 8  # that hand jobs over
SHORT_QUEUE = 60  # jobs; some wait still when the calls beside it are done
POSTED = 150  # jobs that are handed over; the others are copied in the database, which is sooner done
STEP = 1000  # jobs between two lines of the table
RUNS_SECONDS = 30.0  # for which completed jobs are counted
CREDITS = 10_000_000


@dataclass(frozen=True)
class QueuePlan:
    jobs: int
    calls: int


@dataclass
class QueueResult:
    window_seconds: float = WINDOW_SECONDS
    cost_seconds: dict[str, list[float]] = field(default_factory=dict)  # by what is done
    call_seconds: dict[str, list[float]] = field(default_factory=dict)  # by what waits
    post_seconds: dict[str, list[float]] = field(default_factory=dict)  # by how many wait already
    rate: float = 0.0  # jobs a second that were handed over
    queue_facts: dict[str, str] = field(default_factory=dict)


async def run_queue(plan: QueuePlan) -> QueueResult:
    speaker = Speaker(random.Random(1))
    short, long = speaker.speak(CALL_SECONDS).wav, speaker.speak(JOB_SECONDS).wav
    with website(long) as port, tempfile.TemporaryDirectory(prefix="stt-queue-") as place:
        settings = {
            "ECHO_SECONDS": str(WINDOW_SECONDS),
            "STT_JOBS_AT_ONCE": str(AT_ONCE),
            "STT_JOBS_STORAGE": f"file://{place}/recordings",
            "STT_OUTGOING_PORTS": str(port),
            "STT_OUTGOING_PRIVATE_HOSTS": "127.0.0.1",
        }
        address = f"http://127.0.0.1:{port}/talk.wav"
        async with (
            deployed(Path(place), triton_count=1, settings=settings) as deployment,
            QueueRun.open(deployment, plan, short, address) as run,
        ):
            await run.measure()
            return run.result


@dataclass
class QueueRun:
    deployment: SmallDeployment
    plan: QueuePlan
    short: bytes  # a recording
    address: str  # of another one
    callers: dict[str, httpx.AsyncClient]
    result: QueueResult = field(default_factory=QueueResult)
    posted: int = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, deployment: SmallDeployment, plan: QueuePlan, short: bytes, address: str
    ) -> AsyncIterator[QueueRun]:
        callers = {}
        for name in ("many", "calls", "other"):
            headers = {"Authorization": f"Bearer {await deployment.create_key(name, CREDITS)}"}
            callers[name] = httpx.AsyncClient(
                base_url=deployment.gateways[0].url, headers=headers, timeout=120, trust_env=False
            )
        try:
            yield cls(deployment, plan, short, address, callers)
        finally:
            for caller in callers.values():
                await caller.aclose()

    async def measure(self) -> None:
        await self._costs()
        await self._fill(SHORT_QUEUE)
        self.result.call_seconds[f"{await self._waiting():,} jobs wait"] = await self._calls()
        await self._fill(POSTED)
        async with self.deployment.store() as store:
            await copy_queued(store, self.plan.jobs - await self._waiting())
        self.result.call_seconds[f"{await self._waiting():,} jobs wait"] = await self._calls()
        self.posted = 0
        await self._fill(POSTED // 3)
        await self._facts()

    async def _costs(self) -> None:
        """With nothing else to do."""
        await self._call()
        calls = await self._calls()
        self.result.call_seconds["no jobs"] = calls
        handed, ended = [], []
        for _ in range(max(1, self.plan.calls // 2)):
            began = time.monotonic()
            identity = await self._submit_file("other")
            handed.append(time.monotonic() - began)
            await self._wait("other", identity)
            ended.append(time.monotonic() - began)
        self.result.cost_seconds = {
            "a call until its answer": calls,
            "a job until it is accepted": handed,
            "a job until it is completed": ended,
        }

    async def _call(self) -> float:
        began = time.monotonic()
        answer = await self.callers["calls"].post("/v1/transcribe", files={"file": ("talk.wav", self.short)})
        answer.raise_for_status()
        return time.monotonic() - began

    async def _calls(self) -> list[float]:
        return [await self._call() for _ in range(self.plan.calls)]

    async def _submit_file(self, caller: str) -> str:
        answer = await self.callers[caller].post("/v1/jobs", files={"file": ("talk.wav", self.short)})
        return str(answer.raise_for_status().json()["id"])

    async def _wait(self, caller: str, identity: str) -> None:
        while (await self.callers[caller].get(f"/v1/jobs/{identity}")).json()["status"] != "completed":
            await asyncio.sleep(0.05)

    async def _fill(self, count: int) -> None:
        """Until so many were handed over."""
        numbers, began, waiting = iter(range(self.posted, count)), time.monotonic(), await self._waiting()

        async def client() -> None:
            for _ in numbers:
                asked = time.monotonic()
                (await self.callers["many"].post("/v1/jobs", json={"url": self.address})).raise_for_status()
                line = f"{waiting // STEP * STEP:,} to {(waiting // STEP + 1) * STEP:,}"
                self.result.post_seconds.setdefault(line, []).append(time.monotonic() - asked)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        self.result.rate = (count - self.posted) / (time.monotonic() - began)
        self.posted = count

    async def _waiting(self) -> int:
        return await self._count("queued")

    async def _count(self, status: str) -> int:
        async with self.deployment.store() as store:
            return int(await store.fetchval("SELECT count(*) FROM jobs WHERE status = $1", status))

    async def _facts(self) -> None:
        facts = self.result.queue_facts
        facts["jobs that wait"] = f"{await self._waiting():,}"
        facts["GET /v1/jobs (100 of them)"] = await self._timed(lambda: "/v1/jobs?limit=100")
        began = time.monotonic()
        await self._wait("other", await self._submit_file("other"))
        facts["a short job of somebody else until it is completed"] = f"{time.monotonic() - began:.2f} s"
        pids = [gateway.pid for gateway in self.deployment.gateways] + [self.deployment.postgres.pid]
        used = [processor_seconds(pid) for pid in pids]
        facts["jobs completed a second by two gateways"] = f"{await self._completed():.2f}"
        spent = [(processor_seconds(pid) - before) / RUNS_SECONDS for pid, before in zip(pids, used, strict=True)]
        facts["processors that the gateways take meanwhile"] = ", ".join(f"{each:.2f}" for each in spent[:-1])
        facts["processors that PostgreSQL takes meanwhile"] = f"{spent[-1]:.2f}"
        await asyncio.to_thread(self.deployment.gateways[1].kill)
        await asyncio.sleep(8)  # its lease ends
        facts["jobs completed a second by one gateway"] = f"{await self._completed():.2f}"

    async def _timed(self, path: Callable[[], str]) -> str:
        began = time.monotonic()
        (await self.callers["many"].get(path())).raise_for_status()
        return f"{1000 * (time.monotonic() - began):.0f} ms"

    async def _completed(self) -> float:
        before = await self._count("completed")
        await asyncio.sleep(RUNS_SECONDS)
        return (await self._count("completed") - before) / RUNS_SECONDS


async def copy_queued(store: asyncpg.Connection, count: int) -> None:
    """Another so many jobs like the last one that waits, in the tables of the service and of its engine."""
    job = dict(await store.fetchrow("SELECT * FROM jobs WHERE status = 'queued' ORDER BY tag DESC LIMIT 1"))
    identities = [secrets.token_hex(16) for _ in range(max(0, count))]
    jobs = [job | {"id": each, "tag": job["tag"] + number} for number, each in enumerate(identities)]
    await _copy(store, "public", "jobs", jobs)
    for table in ("workflow_status", "workflow_input"):
        task = await store.fetchrow(f"SELECT * FROM dbos.{table} WHERE workflow_uuid = $1", job["id"])
        tasks = [_renamed(dict(task), job["id"], each, number) for number, each in enumerate(identities)]
        await _copy(store, "dbos", table, tasks)


async def _copy(store: asyncpg.Connection, schema: str, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        records = [tuple(row.values()) for row in rows]
        await store.copy_records_to_table(table, schema_name=schema, records=records, columns=list(rows[0]))


def _renamed(task: dict[str, Any], old: str, new: str, later: int) -> dict[str, Any]:
    """A row of the engine's, of another job. later: places in the queue behind this one"""
    row = task | {"workflow_uuid": new}
    if row.get("priority") is not None:
        row["priority"] += later
    if inputs := row.get("inputs"):  # as the engine writes a task's arguments: text, or pickled in base64
        named = inputs.replace(old, new)
        row["inputs"] = named if named != inputs else _pickled(inputs, old, new)
    return row


def _pickled(inputs: str, old: str, new: str) -> str:
    return base64.b64encode(base64.b64decode(inputs).replace(old.encode(), new.encode())).decode()


@contextmanager
def website(content: bytes) -> Iterator[int]:
    """One that has this recording at every address."""

    class RecordingHandler(SilentHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serving(RecordingHandler) as port:
        yield port
