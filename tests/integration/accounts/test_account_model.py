"""Whatever happens to two gateways and their store, every caller pays what it got, once.

A state machine drives real gateways on a real store: requests open, hold, settle, stream, fail and are
cancelled at any step; gateways are killed or stand still; their clocks disagree by up to three minutes; the
store fails before a commit and after one, with every class of SQLSTATE. After every step the ledger is
compared with what each request may have cost.

The histories are the same in every run; STT_TEST_MODEL=long runs many more and longer ones, drawn anew.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select

from gateway.accounts import (
    AccountPolicy,
    Accounts,
    Admission,
    Caller,
    Credentials,
    IdempotentResult,
    LiveSession,
    StoredResponse,
    TimeSource,
)
from gateway.accounts.database import Database, Store
from gateway.accounts.registry import Registry
from gateway.accounts.schema import leases, ledger
from gateway.accounts.tiers import Allowance, load_tiers
from gateway.errors import ServiceError
from tests.integration.accounts.account_stores import NOON, AccountStore
from tests.integration.accounts.faulty_store import ERRORS, Fault, FaultyStore, GatewayTime, World

LONG = os.environ.get("STT_TEST_MODEL") == "long"
EXAMPLES, LENGTH = (2000, 80) if LONG else (30, 40)
POSTGRES_EXAMPLES = EXAMPLES if LONG else 10  # the first of the same histories: each takes three times as long there
LEASE = 60.0  # seconds
TURN = LEASE / 3  # seconds between two turns of the keeper
MINUTE = 60
SKEWS = (0.0, 0.0, 0.0, 5.0, 61.0, 90.0, -90.0)  # seconds
IDEMPOTENCY_KEYS = (None, None, "once", "twice")
WEIGHTS = {
    "speak": 6, "wait": 4, "open": 3, "work": 3, "disturb": 2, "fail": 2, "come back": 2,
    "send again": 1, "end": 1, "cancel": 1, "revoke": 1,
}  # fmt: skip
NAMES = [name for name, weight in WEIGHTS.items() for _ in range(weight)]
MOST_AT_ONCE = 5  # requests of one history
ROOMY = 3600  # minor units that are enough, whatever the other requests of a history hold
FINGERPRINT = "f" * 64

Result = TypeVar("Result")


@dataclass
class GatewayUnderTest:
    time: GatewayTime
    store: FaultyStore
    accounts: Accounts


@dataclass
class Payer:
    credentials: Credentials
    key: str | None
    revoked_at: float | None = None  # seconds since 1970


@dataclass
class WorkItem:
    """One request: what its client saw of it, from which follows what it may have cost."""

    number: int
    kind: Literal["file", "live"]
    payer: Payer
    gateway: GatewayUnderTest
    idempotency_key: str | None = None
    commands: asyncio.Queue[tuple[str, float]] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    busy: bool = True
    killed: bool = False  # with its gateway
    caller: Caller | None = None
    admission: str | None = None
    tried: int = 0  # minor units that a settle was tried for
    outcome: Literal["nothing", "unknown", "charged", "replayed"] = "nothing"
    response: bytes | None = None  # that the client got
    heard: float = 0.0  # seconds that a live session was let have
    before: float = 0.0  # of them, seconds before the last piece
    asked: float = 0.0  # seconds that it asked for
    disturbed: bool = False  # its last minute and piece may be lost: killed, lapsed, or ended while the store was away

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done() and not self.killed

    @property
    def allowance(self) -> Allowance:
        assert self.caller is not None
        return self.caller.tier.transcription

    def costs(self) -> range | tuple[int, ...]:
        """What it may have cost in all, now that it has ended."""
        if self.kind == "file":
            return {"unknown": (0, self.tried), "charged": (self.tried,)}.get(self.outcome, (0,))
        full = self.allowance.cost(self.heard)
        if not self.disturbed:
            return (full,)
        least = self.allowance.cost(self.before) - self.allowance.cost(MINUTE)
        return range(max(0, least), self.allowance.cost(max(self.heard, self.asked)) + 1)


@dataclass(frozen=True)
class Drawn:
    """What Hypothesis chose for a step; each kind of step takes what it needs of it."""

    which: int  # gateway
    payer: int
    pick: int  # of the requests that may be meant
    kind: Literal["file", "live"]
    key: str | None
    action: str  # of a file
    ending: str
    seconds: int
    piece: int  # seconds of live audio
    turns: int
    what: str  # disturbance
    error: str
    committed: bool
    lasts: str


DRAWN: dict[str, st.SearchStrategy[Any]] = {
    "which": st.integers(0, 1),
    "payer": st.integers(0, 2),
    "pick": st.integers(0, 99),
    "kind": st.sampled_from(["file", "live"]),
    "key": st.sampled_from(IDEMPOTENCY_KEYS),
    "action": st.sampled_from(["hold", "settle", "settle"]),
    "ending": st.sampled_from(["fail", "leave"]),
    "seconds": st.integers(1, 400),
    "piece": st.sampled_from([5, 30, 55, 61, 125]),
    "turns": st.integers(0, 12),
    "what": st.sampled_from(["stand still", "stand still", "all stand still", "kill", "end of month"]),
    "error": st.sampled_from(sorted(ERRORS)),
    "committed": st.booleans(),
    "lasts": st.sampled_from(["once", "once", "until healed", "silent until healed"]),
}


def _end_of_month(now: float) -> float:
    today = datetime.fromtimestamp(now, UTC)
    return datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=UTC).timestamp()


class AccountModel(RuleBasedStateMachine):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.runner = asyncio.Runner()
        self.world = World(NOON)
        self.gateways: list[GatewayUnderTest] = []
        self.killed: list[GatewayUnderTest] = []
        self.payers: list[Payer] = []
        self.items: list[WorkItem] = []
        self.truth = self._wait(self._open_truth())
        self.undisturbed_since = NOON

    def teardown(self) -> None:
        try:
            self._wait(self._close())
            if self.gateways:
                entries, _ = self._wait(self._look())
                self._check_sessions(entries)
        finally:
            self._wait(self.truth.close())
            self.runner.close()

    @initialize(first=st.sampled_from(SKEWS), second=st.sampled_from(SKEWS), credits=st.integers(1, 12))
    def start(self, first: float, second: float, credits: int) -> None:
        for skew in (first, second):
            self.gateways.append(self._wait(self._start_gateway(skew)))
        self.payers = self._wait(self._make_payers(credits))
        self._open(0, self.payers[0], "live", None)
        self._open(1, self.payers[1], "file", "once")

    @rule(name=st.sampled_from(NAMES), drawn=st.builds(Drawn, **DRAWN))
    def step(self, name: str, drawn: Drawn) -> None:
        """One rule for all steps, as Hypothesis leaves rules out of most histories: few would have what it takes."""
        STEPS[name](self, drawn)

    def open(self, drawn: Drawn) -> None:
        self._open(drawn.which, self.payers[drawn.payer], drawn.kind, drawn.key)

    def send_again(self, drawn: Drawn) -> None:
        """A client that heard nothing repeats its request, perhaps to the other gateway."""
        items = [item for item in self.items if item.idempotency_key is not None]
        if items:
            item = items[drawn.pick % len(items)]
            self._open(drawn.which, item.payer, "file", item.idempotency_key)

    def work(self, drawn: Drawn) -> None:
        self._command(self._idle("file"), drawn.pick, drawn.action, drawn.seconds)

    def speak(self, drawn: Drawn) -> None:
        self._command(self._idle("live"), drawn.pick, "meter", drawn.piece)

    def end(self, drawn: Drawn) -> None:
        self._command(self._idle(), drawn.pick, drawn.ending, 0)

    def cancel(self, drawn: Drawn) -> None:
        """The client leaves in the middle of something."""
        items = self._idle()
        if not items:
            return
        item = items[drawn.pick % len(items)]
        action = {"hold": "meter", "settle": "leave"}[drawn.action] if item.kind == "live" else drawn.action
        self._wait(self._cancel(item, action, drawn.seconds, drawn.turns))

    def wait(self, drawn: Drawn) -> None:
        for _ in range(1 + drawn.turns % 4):
            self._pass(TURN)

    def disturb(self, drawn: Drawn) -> None:
        self._disturb()
        if drawn.what == "stand still":
            self._stand_still(drawn.which)
        elif drawn.what == "kill":
            self._wait(self._kill(drawn.which))
        elif drawn.what == "all stand still":
            self._pass(LEASE + 1)
        else:
            for item in self.items:  # keys are forgotten after a day
                item.idempotency_key = None
            self._pass(_end_of_month(self.world.now) - self.world.now)

    def revoke(self, drawn: Drawn) -> None:
        payer = drawn.payer % 2
        self.payers[payer] = self._wait(self._revoke(self.payers[payer]))

    def fail(self, drawn: Drawn) -> None:
        self._disturb()
        fault = Fault(drawn.error, drawn.committed, drawn.lasts.startswith("silent"))
        store = self.gateways[drawn.which].store
        if drawn.lasts == "once":
            store.once.append(fault)
        else:
            store.outage = fault

    def come_back(self, drawn: Drawn) -> None:
        failing = [gateway for gateway in self.gateways if gateway.store.outage]
        if not failing:
            return
        self._disturb()
        for _ in range(drawn.turns % 4):
            self._pass(TURN)
        failing[drawn.which % len(failing)].store.heal()
        self._pass(0)

    @invariant()
    def the_store_is_right(self) -> None:
        if not self.gateways:
            return
        entries, leases = self._wait(self._look())
        self._check_chains(entries, leases)
        self._check_charges(entries, leases)
        self._check_renewals(leases)

    def _check_charges(self, entries: Sequence[Any], leases: Sequence[Any]) -> None:
        """Every caller paid what it got."""
        taken: dict[str, int] = {}
        for entry in entries:
            if entry.admission is not None:
                taken[entry.admission] = taken.get(entry.admission, 0) - entry.amount
        alive = {lease.id for lease in leases}
        known = {item.admission: item for item in self.items if item.admission is not None}
        for admission in taken.keys() - known.keys() - alive:
            assert taken[admission] == 0, "a request that never began was charged"
        for admission, item in known.items():
            paid = taken.get(admission, 0)
            if item.running and admission not in alive:
                assert item.disturbed or not self._calm, f"the lease of {item} lapsed, and nothing happened"
                item.disturbed = True  # its lease lapsed
                assert paid <= self._most(item), f"{item} was charged {paid} while it ran"
            elif not item.running and admission not in alive:
                assert paid in item.costs(), f"{item} was charged {paid}, not one of {item.costs()}"
        self._check_idempotency(taken)

    def _check_renewals(self, leases: Sequence[Any]) -> None:
        if not self._calm:
            return
        ends = {lease.id: lease.expires_at / 1000 for lease in leases}
        for item in self.items:
            if item.running and item.admission in ends:
                assert ends[item.admission] > item.gateway.time.clock(), f"nobody renews the lease of {item}"

    @invariant()
    def revoked_keys_have_no_work(self) -> None:
        for item in self.items:
            revoked, skew = item.payer.revoked_at, item.gateway.time.skew
            if revoked is None or not item.running:
                continue
            since = max(revoked - min(0.0, skew), self.undisturbed_since)
            assert self.world.now - since < MINUTE, f"{item} goes on"

    @property
    def _calm(self) -> bool:
        """Nothing happened for so long that every lease was renewed since, and no clock ends those of others."""
        skews = [gateway.time.skew for gateway in self.gateways]
        return self.world.now - self.undisturbed_since >= 2 * TURN + 1 and max(skews) - min(skews) < TURN

    def _most(self, item: WorkItem) -> int:
        return item.tried if item.kind == "file" else item.allowance.cost(max(item.heard, item.asked))

    def _check_chains(self, entries: Sequence[Any], leases: Sequence[Any]) -> None:
        ends: dict[tuple[str, str], tuple[int, int]] = {}
        for entry in entries:
            bucket = (entry.subject, entry.bucket)
            number, balance = ends.get(bucket, (0, 0))
            ends[bucket] = (entry.sequence, entry.balance)
            assert (entry.sequence, entry.balance) == (number + 1, balance + entry.amount), "the chain is broken"
        for (subject, name), (_, balance) in ends.items():
            allowance = {"credits": 0, "transcriptions": 3}.get(name.partition("/")[0], 600 * MINUTE)
            held = sum(lease.held for lease in leases if (lease.subject, lease.bucket) == (subject, name))
            assert balance + allowance - held >= 0, f"{name} is overdrawn: {balance}, {held} of it held"

    def _check_sessions(self, entries: Sequence[Any]) -> None:
        """Where the store came back and enough was left all the time, every minute of every session was paid."""
        allowances = {item.caller.subject: item.allowance for item in self.items if item.caller is not None}
        left = {subject: allowance.minor_units for subject, allowance in allowances.items()}
        for entry in entries:
            room = allowances[entry.subject].minor_units + entry.balance
            left[entry.subject] = min(left[entry.subject], room)
        for item in self.items:
            if item.kind != "live" or item.killed or item.admission is None or item.caller is None:
                continue
            if left[item.caller.subject] >= ROOMY:
                paid = -sum(entry.amount for entry in entries if entry.admission == item.admission)
                assert paid == item.allowance.cost(item.heard), f"{item} was charged {paid} in the end"

    def _check_idempotency(self, taken: dict[str, int]) -> None:
        for payer in self.payers:
            for key in ("once", "twice"):
                same = [item for item in self.items if item.payer is payer and item.idempotency_key == key]
                paid = [item for item in same if not item.running and taken.get(item.admission or "", 0) > 0]
                assert len(paid) <= 1, f"one Idempotency-Key was charged {len(paid)} times"
                assert len({item.response for item in same if item.response is not None}) <= 1

    def _idle(self, kind: str | None = None) -> list[WorkItem]:
        return [
            item
            for item in self.items
            if item.running and not item.busy and not item.gateway.time.frozen and kind in (None, item.kind)
        ]

    def _open(self, which: int, payer: Payer, kind: Literal["file", "live"], key: str | None) -> None:
        if sum(item.running for item in self.items) > MOST_AT_ONCE:
            return
        item = WorkItem(len(self.items), kind, payer, self.gateways[which])
        item.idempotency_key = key if kind == "file" else None
        self.items.append(item)
        self._wait(self._begin(item))

    def _stand_still(self, which: int) -> None:
        """For a minute and a second one gateway does nothing, while the other one works."""
        self.gateways[which].time.frozen = True
        for _ in range(3):
            self._pass((LEASE + 1) / 3)
        self.gateways[which].time.frozen = False
        self._pass(0)

    def _command(self, items: list[WorkItem], pick: int, action: str, seconds: float) -> None:
        if items:
            self._wait(self._order(items[pick % len(items)], action, seconds))

    def _disturb(self) -> None:
        self.undisturbed_since = self.world.now

    def _pass(self, seconds: float) -> None:
        self.world.now += seconds
        if seconds > TURN or any(gateway.store.outage or gateway.store.once for gateway in self.gateways):
            self._disturb()
        self._wait(self._fire())

    async def _fire(self) -> None:
        for gateway in self.gateways:
            gateway.time.fire()
        await self.world.quiesce()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    async def _order(self, item: WorkItem, action: str, seconds: float) -> None:
        item.busy = True
        item.commands.put_nowait((action, seconds))
        await self.world.quiesce()

    async def _cancel(self, item: WorkItem, action: str, seconds: float, turns: int) -> None:
        assert item.task is not None
        item.busy = True
        item.commands.put_nowait((action, seconds))
        for _ in range(turns):
            await asyncio.sleep(0)
        item.task.cancel()
        await self.world.quiesce()

    async def _kill(self, which: int) -> None:
        gateway = self.gateways[which]
        gateway.store.dead = True
        for item in self.items:
            if item.gateway is gateway and item.running:
                assert item.task is not None
                item.disturbed = item.killed = True
                item.task.cancel()
        self.killed.append(gateway)
        self.gateways[which] = await self._start_gateway(gateway.time.skew)

    async def _begin(self, item: WorkItem) -> None:
        item.task = asyncio.create_task(self._run(item))
        await self.world.quiesce()

    async def _run(self, item: WorkItem) -> None:
        accounts = item.gateway.accounts
        with suppress(ServiceError, RuntimeError):
            item.caller = await accounts.identify(item.payer.credentials)
            if item.kind == "live":
                async with accounts.admit_session(item.caller) as session:
                    item.admission = session.id
                    await self._stream(item, session)
            else:
                async with accounts.admit(item.caller, item.idempotency_key) as admission:
                    item.admission = admission.id
                    await self._answer(item, admission)

    async def _answer(self, item: WorkItem, admission: Admission) -> None:
        if item.idempotency_key is not None and (stored := admission.recall(FINGERPRINT)) is not None:
            item.outcome, item.response = "replayed", stored.body
            return
        while True:
            action, seconds = await self._next(item)
            if action == "hold":
                await admission.hold(seconds)
            elif action == "settle":
                await self._settle(item, admission, seconds)
                return
            else:
                raise RuntimeError("the engine failed")

    async def _settle(self, item: WorkItem, admission: Admission, seconds: float) -> None:
        item.tried, item.outcome = item.allowance.cost(seconds), "unknown"
        own = StoredResponse(200, f"{item.number}".encode(), {})
        try:
            earlier = await admission.settle(seconds, IdempotentResult(FINGERPRINT, own))
        except ServiceError as error:
            if error.status != 503:
                item.outcome = "nothing"
            raise
        item.outcome, item.response = ("replayed", earlier.body) if earlier else ("charged", own.body)

    async def _stream(self, item: WorkItem, session: LiveSession) -> None:
        try:
            while True:
                action, seconds = await self._next(item)
                if action != "meter":
                    break
                item.asked = item.heard + seconds
                try:
                    await session.meter(item.asked)
                except ServiceError:
                    break
                item.before, item.heard = item.heard, item.asked
        finally:
            # Where its last transaction fails, the last minute is lost, also where the client left: nobody pays for it.
            item.disturbed = item.disturbed or item.gateway.store.outage is not None or bool(item.gateway.store.once)

    async def _next(self, item: WorkItem) -> tuple[str, float]:
        item.busy = False
        return await item.commands.get()

    async def _open_truth(self) -> Database:
        return Database(self.url)

    async def _start_gateway(self, skew: float) -> GatewayUnderTest:
        time = GatewayTime(self.world, skew)
        placed: list[FaultyStore] = []

        def through(store: Store) -> Store:
            placed.append(FaultyStore(store))
            return placed[0]

        database = Database(self.url, through=through)
        accounts = Accounts(
            database, AccountPolicy(load_tiers(), lease_seconds=LEASE), TimeSource(time.clock, time.pause)
        )
        await accounts.__aenter__()
        self.world.stores.append(placed[0])
        return GatewayUnderTest(time, placed[0], accounts)

    async def _make_payers(self, credits: int) -> list[Payer]:
        registry = Registry(self.truth, load_tiers(), lambda: self.world.now)
        paid = (await registry.create("paid", "paid", credits)).text
        free = (await registry.create("free", "free")).text
        network = f"2001:db8:{secrets.randbelow(2**16):x}:{secrets.randbelow(2**16):x}::1"
        return [
            Payer(Credentials("203.0.113.7", [f"Bearer {paid}"]), paid),
            Payer(Credentials("203.0.113.7", [f"Bearer {free}"]), free),
            Payer(Credentials(network), None),
        ]

    async def _revoke(self, payer: Payer) -> Payer:
        assert payer.key is not None
        registry = Registry(self.truth, load_tiers(), lambda: self.world.now)
        payer.revoked_at = self.world.now
        key = (await registry.rotate(payer.key)).text
        return Payer(Credentials("203.0.113.7", [f"Bearer {key}"]), key)

    async def _look(self) -> tuple[list[Any], list[Any]]:
        subjects = {item.caller.subject for item in self.items if item.caller is not None}
        entries = select(ledger).where(ledger.c.subject.in_(subjects))
        entries = entries.order_by(ledger.c.subject, ledger.c.bucket, ledger.c.sequence)
        alive = select(leases).where(leases.c.subject.in_(subjects))

        def work(connection: Connection) -> tuple[list[Any], list[Any]]:
            return list(connection.execute(entries).all()), list(connection.execute(alive).all())

        return await self.truth.read(work)

    async def _close(self) -> None:
        for item in self.items:
            if item.task is not None:
                item.task.cancel()
        every = self.killed + self.gateways
        closing = asyncio.gather(*(gateway.accounts.__aexit__(None, None, None) for gateway in every))
        while not closing.done():
            self.world.now += 1
            for gateway in every:
                gateway.time.frozen = False
                gateway.store.heal()
                gateway.time.fire()
            await asyncio.sleep(0.001)


STEPS: dict[str, Callable[[AccountModel, Drawn], None]] = {
    "open": AccountModel.open,
    "send again": AccountModel.send_again,
    "work": AccountModel.work,
    "speak": AccountModel.speak,
    "end": AccountModel.end,
    "cancel": AccountModel.cancel,
    "wait": AccountModel.wait,
    "disturb": AccountModel.disturb,
    "revoke": AccountModel.revoke,
    "fail": AccountModel.fail,
    "come back": AccountModel.come_back,
}


def test_every_history_leaves_every_caller_charged_what_it_got(store: AccountStore) -> None:
    class OnThisStore(AccountModel):
        def __init__(self) -> None:
            super().__init__(store.url)

    run_state_machine_as_test(
        OnThisStore,
        settings=settings(
            max_examples=EXAMPLES if store.url.startswith("sqlite") else POSTGRES_EXAMPLES,
            stateful_step_count=LENGTH,
            deadline=None,
            derandomize=not LONG,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
