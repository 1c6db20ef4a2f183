"""Hours of steady work with a fault now and then: `python -m benchmarks soak --hours 1`.

The parts and clients are those of `benchmarks.chaos` (files, live sessions, summaries) and of `benchmarks.jobs`. What
each gateway takes (memory, descriptors, threads), what lies in the spool and in shared memory and how large the store
is are looked at all the time; after the first quarter, or 15 minutes, each figure's growth is a Theil-Sen slope with
its interval. No gateway is ended, which would give back what it has taken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import report
from benchmarks.chaos import checkers
from benchmarks.chaos.campaign import FILE_SECONDS, CampaignPlan, create_payers, plan_operations
from benchmarks.chaos.clients import Clients
from benchmarks.chaos.faults import FAULTS, Nemesis, StruckFault
from benchmarks.chaos.history import ClientOperation, Payer
from benchmarks.chaos.parts import LEASE_SECONDS, SmallDeployment, deployed
from benchmarks.chaos.renewal import check_renewal
from benchmarks.chaos.sounds import Speaker
from benchmarks.jobs.checkers import check_jobs
from benchmarks.jobs.clients import JobClients
from benchmarks.jobs.history import SentJob, SentRecording
from benchmarks.processes import memory

WARMING = 900.0  # seconds, at most a quarter of the run
BETWEEN_FAULTS = 300.0  # seconds
BETWEEN_LOOKS = 10.0  # seconds
BATCH = 200  # operations that are planned at once
PAUSE = (0.2, 1.4)  # seconds between two operations of a client: about 60 % of what the machine could do
LIVE_SECONDS = (5.0, 65.0)
MOST_MB_AN_HOUR = 1.0  # that a gateway may grow by
PATIENCE = 600.0  # seconds
ENDING = ("gateway killed", "gateway killed at settle", "gateway replaced")
LASTING = sorted(FAULTS.keys() - set(ENDING))


@dataclass(frozen=True)
class SoakSample:
    seconds: float  # of the run
    figures: dict[str, float]


@dataclass(frozen=True)
class Growth:
    """Per hour."""

    slope: float
    low: float  # 95 % of the pairs of samples
    high: float


def growth(samples: Sequence[tuple[float, float]]) -> Growth:
    """Theil-Sen: the median of all slopes. samples: seconds and value, two or more"""
    pairs = itertools.combinations(samples, 2)
    slopes = sorted((later - earlier) / (end - start) * 3600 for (start, earlier), (end, later) in pairs if end > start)
    at = [slopes[round(share * (len(slopes) - 1))] for share in (0.5, 0.025, 0.975)]
    return Growth(*at)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=6, help="clients at once")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    options = parser.parse_args(arguments)
    seconds = options.hours * 3600
    run = asyncio.run(soak(seconds, options.seed, options.workers))
    samples, problems = run.samples, run.problems
    kept = [sample for sample in samples if sample.seconds >= min(WARMING, seconds / 4)]
    rows = []
    for name in kept[-1].figures:
        found = growth([(sample.seconds, sample.figures[name]) for sample in kept])
        rows.append((name, kept[0].figures[name], kept[-1].figures[name], found.slope, found.low, found.high))
        if name.endswith("MB") and name.startswith("gateway") and found.low > MOST_MB_AN_HOUR:
            problems.append(f"{name} grows by {found.slope:.1f} an hour, {found.low:.1f} to {found.high:.1f}")
    done = sum(each.outcome in ("ok", "refused", "unknown") for each in run.history)
    completed = sum(job.status == "completed" for job in run.jobs)
    note = (
        f"{done} of {len(run.history)} requests answered rightly or refused rightly and {completed} of {len(run.jobs)} "
        f"jobs completed in {options.hours:g} hours, beside {len(run.struck)} faults."
    )
    columns = ("figure", "at first", "at last", "an hour", "low", "high")
    tables = [
        report.Table("Growth", columns, rows, note),
        report.Table("Lost, charged wrongly, or left behind", ("what",), [(each,) for each in problems] or [("none",)]),
    ]
    data: dict[str, object] = {"samples": [{"seconds": sample.seconds, **sample.figures} for sample in samples]}
    written = report.Report("soak", report.command("soak", arguments), tables, data=data)
    print(report.write(written, options.results).read_text())
    return 1 if problems else 0


@dataclass
class SoakRun:
    history: list[ClientOperation] = field(default_factory=list)
    jobs: list[SentJob] = field(default_factory=list)
    samples: list[SoakSample] = field(default_factory=list)
    struck: list[StruckFault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def soak(seconds: float, seed: int, workers: int) -> SoakRun:
    run = SoakRun()
    with tempfile.TemporaryDirectory(prefix="stt-soak-") as place:
        folder = Path(place)
        (folder / "recordings").mkdir()
        async with deployed(folder, settings={"STT_JOBS_STORAGE": f"file://{folder / 'recordings'}"}) as deployment:
            await _use(deployment, run, seconds, seed, workers)
            run.problems += await check_renewal(deployment)
            await asyncio.sleep(2 * LEASE_SECONDS + 1)
            store = await checkers.dump(deployment)
            run.problems += [
                *checkers.check_answers(run.history),
                *checkers.check_charges(run.history, store),
                *checkers.check_ledger(store),
                *check_jobs(run.jobs, ()),
                *checkers.check_leftovers(deployment, store),
                *checkers.check_logs(deployment.gateways),
            ]
        run.problems += checkers.check_processes(deployment.mark)
    return run


async def _use(deployment: SmallDeployment, run: SoakRun, seconds: float, seed: int, workers: int) -> None:
    payers = [payer for payer in await create_payers(deployment) if not payer.poor and not payer.revoked]
    urls, speaker = [gateway.url for gateway in deployment.gateways], Speaker(random.Random(seed))
    clients = Clients(urls, PATIENCE, chance=random.Random(seed))
    job_clients = JobClients(urls, "", PATIENCE, random.Random(seed))
    nemesis = Nemesis(deployment, random.Random(seed + 1), struck=run.struck)
    waiting = operations(seed, payers, speaker)
    working = [asyncio.create_task(_work(clients, waiting, run.history, seconds)) for _ in range(workers)]
    working.append(asyncio.create_task(_hand_over(job_clients, payers[1], speaker, run.jobs, seconds)))
    beside = [
        asyncio.create_task(_watch(deployment, clients, run)),
        asyncio.create_task(_strike(nemesis, clients, seconds)),
    ]
    await asyncio.gather(*working)
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    await clients.close()
    await job_clients.close()


def operations(seed: int, payers: Sequence[Payer], speaker: Speaker) -> Iterator[ClientOperation]:
    """Without end."""
    plan = CampaignPlan(BATCH, (), seed, live_seconds=LIVE_SECONDS)
    for batch in itertools.count():
        yield from plan_operations(plan, payers, speaker, first=batch * BATCH)


async def _work(
    clients: Clients, waiting: Iterator[ClientOperation], history: list[ClientOperation], seconds: float
) -> None:
    while clients.now < seconds:
        operation = next(waiting)
        history.append(operation)
        await clients.run(operation)
        await asyncio.sleep(clients.chance.uniform(*PAUSE))


async def _hand_over(clients: JobClients, owner: Payer, speaker: Speaker, jobs: list[SentJob], seconds: float) -> None:
    """One job after the other."""
    while clients.now < seconds:
        sound = speaker.speak(clients.chance.uniform(*FILE_SECONDS))
        job = SentJob(len(jobs), owner, SentRecording(sound.wav, "talk.wav", sound.milliseconds, sound.text))
        jobs.append(job)
        await clients.run(job)
        await asyncio.sleep(clients.chance.uniform(*PAUSE))


async def _strike(nemesis: Nemesis, clients: Clients, seconds: float) -> None:
    while True:
        await asyncio.sleep(min(BETWEEN_FAULTS, seconds / 4))
        await nemesis.strike(nemesis.chance.choice(LASTING), lambda: clients.now)


async def _watch(deployment: SmallDeployment, clients: Clients, run: SoakRun) -> None:
    while True:
        with contextlib.suppress(OSError, StopIteration):  # a part that is just started again
            figures = await _look(deployment, len(run.history) + len(run.jobs))
            run.samples.append(SoakSample(clients.now, figures))
        await asyncio.sleep(BETWEEN_LOOKS)


async def _look(deployment: SmallDeployment, requests: int) -> dict[str, float]:
    figures: dict[str, float] = {"requests": requests}
    for gateway in deployment.gateways:
        process = Path(f"/proc/{gateway.pid}")
        figures[f"{gateway.name} MB"] = memory(gateway.pid).get("stt", 0.0)
        figures[f"{gateway.name} descriptors"] = len(list((process / "fd").iterdir()))
        figures[f"{gateway.name} threads"] = len(list((process / "task").iterdir()))
    spool = [path for gateway in deployment.gateways for path in gateway.folder.glob("spool/*/*/*")]
    figures["spool bytes"] = float(sum(path.stat().st_size for path in spool))
    figures["shared memory regions"] = len(list(Path("/dev/shm").glob("stt-triton-*")))
    async with deployment.store() as store:
        figures["ledger rows"] = await store.fetchval("SELECT count(*) FROM ledger")
    return figures
