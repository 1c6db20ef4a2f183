"""A run: clients at work, faults beside them, and what the checkers say of it at the end."""

from __future__ import annotations

import asyncio
import math
import os
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos import checkers
from benchmarks.chaos.clients import Clients
from benchmarks.chaos.faults import Nemesis, StruckFault
from benchmarks.chaos.history import ClientOperation, Kind, Payer
from benchmarks.chaos.parts import LEASE_SECONDS, SmallDeployment, deployed
from benchmarks.chaos.sounds import Speaker

MIX: dict[Kind, int] = {  # percent of the operations
    "file": 55, "keyed": 10, "twins": 5, "live": 15, "summary": 8, "leaver": 4, "damaged": 3,
}  # fmt: skip
RICH = 4  # accounts with credits for all of it, beside one with few and one whose key is revoked
WORKERS = 16
SETTLE_SECONDS = 60.0  # after which a lease that is left is one too many
FILE_SECONDS = (1.0, 28.0)  # one window each: where a window is cut, a word of this sound is lost
LIVE_SECONDS = (5.0, 130.0)


@dataclass(frozen=True)
class CampaignPlan:
    requests: int
    faults: Sequence[str]  # names, in their order
    seed: int
    patience: float = 600.0  # seconds that a client comes again
    hold: float = 3.0  # seconds that a part stands still
    workers: int = WORKERS
    mutant: str = ""
    tritons: int = 2
    live_seconds: tuple[float, float] = LIVE_SECONDS
    longest: float = math.inf  # seconds after which nothing is begun any more, and the report tells how far it came


@dataclass
class CampaignResult:
    history: list[ClientOperation] = field(default_factory=list)
    struck: list[StruckFault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # in the gateways' logs
    late: list[str] = field(default_factory=list)  # recoveries that took longer than they may
    seconds: float = 0.0

    @property
    def right(self) -> int:
        """Operations that were answered rightly or refused rightly."""
        return sum(each.outcome in ("ok", "refused", "unknown") for each in self.history)


async def run_campaign(plan: CampaignPlan) -> CampaignResult:
    result = CampaignResult()
    with tempfile.TemporaryDirectory(prefix="stt-chaos-") as folder:
        async with AsyncExitStack() as stack:
            deployment = await stack.enter_async_context(deployed(Path(folder), plan.mutant, plan.tritons))
            payers = await create_payers(deployment)
            result.history = plan_operations(plan, payers)
            began = time.monotonic()
            await _work(plan, deployment, payers, result)
            result.seconds = time.monotonic() - began
            store = await settled_store(deployment)
            result.problems += checkers.check_answers(result.history)
            result.problems += checkers.check_charges(result.history, store)
            result.problems += checkers.check_ledger(store)
            result.problems += checkers.check_leftovers(deployment, store)
            result.late = checkers.check_recovery(result.struck, os.getloadavg()[1] / (os.cpu_count() or 1))
            result.complaints = checkers.check_logs(deployment.gateways)
        result.problems += checkers.check_processes(deployment.mark)
    return result


async def settled_store(deployment: SmallDeployment) -> checkers.StoreDump:
    """When leases had the time to lapse, and what was outstanding to be charged; longer where all that is slow."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        await asyncio.sleep(2 * LEASE_SECONDS + 1)
        store = await checkers.dump(deployment)
        if time.monotonic() > deadline or not (store.leases or store.unfinished):
            return store


async def create_payers(deployment: SmallDeployment) -> list[Payer]:
    credits = {f"rich-{number}": 100_000 for number in range(RICH)} | {"poor": 6, "revoked": 100_000}
    keys = {name: await deployment.create_key(name, each) for name, each in credits.items()}
    return [Payer("", ""), *(Payer(name, key, name == "poor", name == "revoked") for name, key in keys.items())]


def plan_operations(
    plan: CampaignPlan, payers: Sequence[Payer], speaker: Speaker | None = None, first: int = 0
) -> list[ClientOperation]:
    """speaker: of whom no two sounds may be alike; first: number of the first one"""
    chance = random.Random(plan.seed + first)
    speaker = speaker or Speaker(chance)
    kinds = chance.choices(list(MIX), list(MIX.values()), k=plan.requests)
    rich = [payer for payer in payers if payer.name.startswith("rich")]
    operations = []
    for number, kind in enumerate(kinds, first):
        anybody = kind in ("file", "leaver", "damaged")
        payer = chance.choice(payers if anybody else rich)
        lengths = plan.live_seconds if kind == "live" else FILE_SECONDS
        sound = None if kind in ("summary", "damaged") else speaker.speak(chance.uniform(*lengths))
        operations.append(ClientOperation(number, kind, payer, sound))
    return operations


async def _work(
    plan: CampaignPlan, deployment: SmallDeployment, payers: Sequence[Payer], result: CampaignResult
) -> None:
    clients = Clients([gateway.url for gateway in deployment.gateways], plan.patience, chance=random.Random(plan.seed))
    nemesis = Nemesis(deployment, random.Random(plan.seed + 1), plan.hold, result.struck)
    waiting = iter(result.history)
    done = 0

    async def client() -> None:
        nonlocal done
        for operation in waiting:
            if clients.now > plan.longest:
                break
            await clients.run(operation)
            done += 1

    async def strike() -> None:
        """Each fault when its share of the requests is done, or at once where clients cannot go on."""
        for number, name in enumerate(plan.faults):
            if number == len(plan.faults) // 2:
                await deployment.revoke_key(next(payer.key for payer in payers if payer.revoked))
            due = (number + 0.5) / len(plan.faults) * plan.requests
            while done < min(due, plan.requests) and clients.now < plan.longest:
                await asyncio.sleep(0.05)
            if clients.now >= plan.longest:
                return
            await nemesis.strike(name, lambda: clients.now)

    try:
        striking = asyncio.create_task(strike())
        await asyncio.gather(*(client() for _ in range(plan.workers)))
        await striking
        result.history = [operation for operation in result.history if operation.began]
    finally:
        await clients.close()
