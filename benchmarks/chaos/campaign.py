"""A run: clients at work, faults beside them, and what the checkers say of it at the end."""

from __future__ import annotations

import asyncio
import math
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos import checkers
from benchmarks.chaos.clients import Clients
from benchmarks.chaos.faults import LANES, Nemesis, StruckFault, in_lanes
from benchmarks.chaos.history import ClientOperation, Kind, Payer
from benchmarks.chaos.parts import LEASE_SECONDS, RunningPart, SmallDeployment, deployed
from benchmarks.chaos.renewal import check_renewal
from benchmarks.chaos.sounds import Speaker

MIX: dict[Kind, int] = {  # percent of the operations
    "file": 55, "keyed": 10, "twins": 5, "live": 15, "summary": 8, "leaver": 4, "damaged": 3,
}  # fmt: skip
RICH = 4  # accounts with credits for all of it, beside one with few and one whose key is revoked
TALKERS = 3  # accounts of live sessions alone: what a part of one costs may have the length of some file
WORKERS = 16
LATE_FAULTS = 2 * len(LANES)  # behind which no request is begun
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
    folder: Path | None = None  # of what the parts write, which stays there; None: a temporary one


@dataclass
class CampaignResult:
    history: list[ClientOperation] = field(default_factory=list)
    struck: list[StruckFault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # in the gateways' logs
    late: list[str] = field(default_factory=list)  # recoveries that took longer than they may
    seconds: float = 0.0
    processor: float = 0.0  # seconds that the parts took, as far as somebody waited for their end

    @property
    def right(self) -> int:
        """Operations that were answered rightly or refused rightly."""
        return sum(each.outcome in ("ok", "refused", "unknown") for each in self.history)


async def run_campaign(plan: CampaignPlan) -> CampaignResult:
    result = CampaignResult()
    with tempfile.TemporaryDirectory(prefix="stt-chaos-") as temporary:
        folder = plan.folder or Path(temporary)
        async with AsyncExitStack() as stack:
            deployment = await stack.enter_async_context(deployed(folder, plan.mutant, plan.tritons))
            payers = await create_payers(deployment)
            result.history = plan_operations(plan, payers)
            began = time.monotonic()
            await _Course(plan, deployment, payers, result).run()
            result.seconds = time.monotonic() - began
            result.problems += await check_renewal(deployment)
            store = await settled_store(deployment)
            result.problems += checkers.check_answers(result.history)
            result.problems += checkers.check_charges(result.history, store)
            result.problems += checkers.check_ledger(store)
            result.problems += checkers.check_leftovers(deployment, store)
            result.late = checkers.check_recovery(result.struck, os.getloadavg()[1] / (os.cpu_count() or 1))
            result.complaints = checkers.check_logs(deployment.gateways)
        result.problems += checkers.check_processes(deployment.mark)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        result.processor = spent.ru_utime + spent.ru_stime
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
    names = [f"rich-{number}" for number in range(RICH)] + [f"live-{number}" for number in range(TALKERS)]
    credits = dict.fromkeys(names, 100_000) | {"poor": 6, "revoked": 100_000}
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
    talkers = [payer for payer in payers if payer.live]
    others = [payer for payer in payers if not payer.live]
    operations = []
    for number, kind in enumerate(kinds, first):
        anybody = kind in ("file", "leaver", "damaged")
        payer = chance.choice(talkers if kind == "live" else others if anybody else rich)
        lengths = plan.live_seconds if kind == "live" else FILE_SECONDS
        sound = None if kind in ("summary", "damaged") else speaker.speak(chance.uniform(*lengths))
        operations.append(ClientOperation(number, kind, payer, sound))
    return operations


@dataclass
class _Course:
    """Clients and faults beside each other: a fault comes when its share of the requests is done."""

    plan: CampaignPlan
    deployment: SmallDeployment
    payers: Sequence[Payer]
    result: CampaignResult
    done: int = 0

    def __post_init__(self) -> None:
        urls = [gateway.url for gateway in self.deployment.gateways]
        self._clients = Clients(urls, self.plan.patience, chance=random.Random(self.plan.seed))
        chance = random.Random(self.plan.seed + 1)
        self._nemesis = Nemesis(self.deployment, chance, self.plan.hold, self.result.struck, self._answers)
        self._own_key = ""

    async def run(self) -> None:
        waiting = iter(self.result.history)
        self._own_key = await self.deployment.create_key("nemesis", 1_000_000)
        try:
            async with asyncio.TaskGroup() as group:
                for lane in in_lanes(self.plan.faults):
                    group.create_task(self._strike(lane))
                group.create_task(self._revoke())
                for _ in range(self.plan.workers):
                    group.create_task(self._ask(waiting))
        finally:
            await self._clients.close()
        self.result.history = [operation for operation in self.result.history if operation.began]

    async def _answers(self, part: RunningPart) -> bool:
        return await self._clients.hear_word(part.url, self._own_key if part in self.deployment.gateways else "")

    @property
    def _over(self) -> bool:
        return self._clients.now > self.plan.longest

    @property
    def _early(self) -> bool:
        """Whether requests have to wait for faults that are late: none is to strike where nobody works any more."""
        struck = len(self.result.struck) + LATE_FAULTS
        return self.done * len(self.plan.faults) > struck * self.plan.requests

    async def _ask(self, waiting: Iterator[ClientOperation]) -> None:
        for operation in waiting:
            while self._early and not self._over:
                await asyncio.sleep(0.05)
            if self._over:
                return
            await self._clients.run(operation)
            self.done += 1

    async def _strike(self, faults: Sequence[tuple[int, str]]) -> None:
        for number, name in faults:
            await self._until_done((number + 0.5) / len(self.plan.faults))
            if self._over:
                return
            await self._nemesis.strike(name, lambda: self._clients.now)

    async def _revoke(self) -> None:
        await self._until_done(0.5)
        key = next(payer.key for payer in self.payers if payer.revoked)
        while not await self.deployment.revoke_key(key):
            await asyncio.sleep(0.2)

    async def _until_done(self, share: float) -> None:
        while self.done < share * self.plan.requests and not self._over:
            await asyncio.sleep(0.05)
