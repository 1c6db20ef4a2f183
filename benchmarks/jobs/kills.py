"""A run: jobs are handed over and worked on while gateways, Tritons and the database are killed."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos import checkers as chaos_checkers
from benchmarks.chaos.campaign import settled_store
from benchmarks.chaos.faults import Nemesis, StruckFault
from benchmarks.chaos.history import Payer
from benchmarks.chaos.parts import SmallDeployment, deployed
from benchmarks.chaos.sounds import Speaker
from benchmarks.jobs import checkers
from benchmarks.jobs.clients import JobClients
from benchmarks.jobs.history import JobRow, LedgerCharge, SentJob, SentRecording
from benchmarks.jobs.receiver import WebhookReceiver, receiving

KILLS = ("gateway killed", "triton killed", "gateway killed at settle", "store killed", "model killed")
OWNERS = 4
CREDITS = 100_000
WEBHOOK_SECONDS = 200.0  # one whose gateway was killed is sent again after a minute


@dataclass(frozen=True)
class KillsPlan:
    jobs: int
    kills: int
    seed: int
    workers: int = 24  # clients at once
    longest: float = 100.0  # seconds of a recording
    window_seconds: float = 0.4  # that the model takes
    patience: float = 900.0  # seconds that a client waits
    recordings: Sequence[SentRecording] = ()  # real ones, instead of those that the echo model hears
    repository: Path | None = None  # of models that hear them


@dataclass
class KillsResult:
    jobs: list[SentJob] = field(default_factory=list)
    rows: list[JobRow] = field(default_factory=list)
    struck: list[StruckFault] = field(default_factory=list)
    webhooks: int = 0  # that came, of all jobs
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


def schedule(kills: int, chance: random.Random) -> list[str]:
    """Every kind about as often as the others, in a random order."""
    names = [KILLS[number % len(KILLS)] for number in range(kills)]
    chance.shuffle(names)
    return names


async def run_kills(plan: KillsPlan) -> KillsResult:
    result = KillsResult()
    with receiving() as receiver, tempfile.TemporaryDirectory(prefix="stt-jobs-") as place:
        storage = Path(place) / "recordings"
        settings = _settings(plan, receiver, storage)
        async with deployed(Path(place), settings=settings, repository=plan.repository) as deployment:
            owners = [
                Payer(f"owner-{number}", await deployment.create_key(f"owner-{number}", CREDITS))
                for number in range(OWNERS)
            ]
            result.jobs = plan_jobs(plan, owners)
            began = time.monotonic()
            await _work(plan, deployment, receiver, result)
            result.seconds = time.monotonic() - began
            await _wait_for_webhooks(result.jobs, receiver)
            reference = Payer("reference", await deployment.create_key("reference", CREDITS))
            await _hear_again(result.jobs, deployment, reference)
            store = await settled_store(deployment)
            result.rows = await _rows(deployment)
            result.webhooks = sum(map(len, receiver.heard.values()))
            settlements = [
                LedgerCharge(str(row.admission), -row.amount, row.milliseconds)
                for row in store.ledger
                if row.kind in chaos_checkers.CHARGES and row.subject != store.subjects["reference"]
            ]
            result.problems += checkers.check_jobs(result.jobs, result.rows)
            result.problems += checkers.check_charges(result.jobs, settlements)
            result.problems += checkers.check_webhooks(result.jobs, receiver.heard, receiver.at_once)
            result.problems += checkers.check_files(result.jobs, storage)
            result.problems += chaos_checkers.check_ledger(store)
            result.problems += chaos_checkers.check_leftovers(deployment, store)
            result.problems += chaos_checkers.check_logs(deployment.gateways)
        result.problems += chaos_checkers.check_processes(deployment.mark)
    return result


def _settings(plan: KillsPlan, receiver: WebhookReceiver, storage: Path) -> Mapping[str, str]:
    storage.mkdir()
    return {
        "ECHO_SECONDS": str(plan.window_seconds),
        "STT_JOBS_STORAGE": f"file://{storage}",
        "STT_OUTGOING_PORTS": str(receiver.port),
        "STT_OUTGOING_PRIVATE_HOSTS": "127.0.0.1",
    }


def plan_jobs(plan: KillsPlan, owners: Sequence[Payer]) -> list[SentJob]:
    chance = random.Random(plan.seed)
    if plan.recordings:
        recordings = [plan.recordings[number % len(plan.recordings)] for number in range(plan.jobs)]
    else:
        speaker = Speaker(chance)
        sounds = [speaker.speak(chance.uniform(2.0, plan.longest)) for _ in range(plan.jobs)]
        recordings = [SentRecording(sound.wav, "talk.wav", sound.milliseconds, sound.text) for sound in sounds]
    return [SentJob(number, chance.choice(owners), recording) for number, recording in enumerate(recordings)]


async def _work(plan: KillsPlan, deployment: SmallDeployment, receiver: WebhookReceiver, result: KillsResult) -> None:
    chance = random.Random(plan.seed + 1)
    clients = JobClients([each.url for each in deployment.gateways], receiver.url, plan.patience, chance)
    nemesis = Nemesis(deployment, chance, struck=result.struck)
    waiting, done = iter(result.jobs), 0

    async def client() -> None:
        nonlocal done
        for job in waiting:
            await clients.run(job)
            done += 1

    async def strike() -> None:
        """Each kill when its share of the jobs has ended, and some moment later."""
        for number, name in enumerate(schedule(plan.kills, chance)):
            while done < number / plan.kills * plan.jobs:
                await asyncio.sleep(0.05)
            await asyncio.sleep(chance.uniform(0, 2))
            if done == plan.jobs:
                return
            await nemesis.strike(name, lambda: clients.now)

    striking = asyncio.create_task(strike())
    try:
        await asyncio.gather(*(client() for _ in range(plan.workers)))
        await striking
    finally:
        striking.cancel()
        await clients.close()


async def _hear_again(jobs: Sequence[SentJob], deployment: SmallDeployment, reference: Payer) -> None:
    """What is heard in recordings whose jobs tell something else than was said, now that nothing is killed."""
    clients = JobClients([deployment.gateways[0].url], "", 60.0)
    try:
        for job in jobs:
            if job.status == "completed" and job.text != job.recording.text:
                job.undisturbed = await clients.call(job, reference)
    finally:
        await clients.close()


async def _wait_for_webhooks(jobs: Sequence[SentJob], receiver: WebhookReceiver) -> None:
    deadline = time.monotonic() + WEBHOOK_SECONDS
    completed = {job.id for job in jobs if job.status == "completed"}
    while time.monotonic() < deadline and completed - set(receiver.heard):
        await asyncio.sleep(0.5)


async def _rows(deployment: SmallDeployment) -> list[JobRow]:
    columns = ", ".join(JobRow.__dataclass_fields__)
    async with deployment.store() as store:
        return [JobRow(*row) for row in await store.fetch(f"SELECT {columns} FROM jobs")]
