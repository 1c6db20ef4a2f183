"""Whether a run was right: functions of its history, of the ledger, and of what is left on the machine."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.faults import BUDGETS, StruckFault
from benchmarks.chaos.history import ClientOperation, Payer
from benchmarks.chaos.parts import MARK, RunningPart, SmallDeployment

CHARGES = ("settle", "lapse")
COMPLAINTS = re.compile(r"never retrieved|Traceback|was never awaited|the task to .* ended|\"status\": 500")
ITS_OWN = '"logger": "dbos"'  # of the jobs' engine, which writes a traceback for each try while the store is away


@dataclass(frozen=True)
class LedgerRow:
    subject: str
    bucket: str
    sequence: int
    kind: str
    amount: int
    balance: int
    admission: str | None
    milliseconds: int | None


@dataclass(frozen=True)
class StoreDump:
    ledger: Sequence[LedgerRow]
    leases: int
    unfinished: int  # Idempotency-Keys whose work never ended
    subjects: dict[str, str]  # name of an account → its subject


async def dump(deployment: SmallDeployment) -> StoreDump:
    async with deployment.store() as store:
        columns = ", ".join(LedgerRow.__dataclass_fields__)
        rows = await store.fetch(f"SELECT {columns} FROM ledger ORDER BY subject, bucket, sequence")
        return StoreDump(
            ledger=[LedgerRow(*row) for row in rows],
            leases=await store.fetchval("SELECT count(*) FROM leases"),
            unfinished=await store.fetchval("SELECT count(*) FROM idempotency WHERE status IS NULL"),
            subjects={row["name"]: row["id"] for row in await store.fetch("SELECT id, name FROM accounts")},
        )


def check_answers(history: Iterable[ClientOperation]) -> list[str]:
    """Nothing is lost, and every answer is right to the letter."""
    problems = []
    for each in history:
        if each.outcome == "wrong":
            problems.append(f"{each.name}: {each.told} after {Counter(each.statuses)}")
        if 500 in each.statuses:
            problems.append(f"{each.name}: answered with 500")
        if each.outcome == "ok" and each.sound is not None:
            problems += [
                f"{each.name}: {text!r} for {each.sound.text!r}" for text in _texts(each) if text != each.sound.text
            ]
        if each.kind in ("keyed", "twins") and len(set(each.answers)) > 1:
            problems.append(f"{each.name}: {len(set(each.answers))} different answers under one Idempotency-Key")
    return problems


def check_charges(history: Sequence[ClientOperation], store: StoreDump) -> list[str]:
    """What was answered was charged once, what was refused never, what nobody knows of as often as it may have been."""
    live = {subject for name, subject in store.subjects.items() if Payer(name, "").live}
    files = (row for row in store.ledger if row.subject not in live and row.kind in CHARGES)
    charged = Counter(row.milliseconds for row in files if row.milliseconds)
    problems = []
    for each in history:
        if each.sound is None or each.kind == "live":
            continue
        found = charged.pop(each.sound.milliseconds, 0)
        low, high = expected_charges(each)
        if not low <= found <= high:
            problems.append(f"{each.name}: charged {found} times, {low} to {high} are right ({each.outcome})")
    problems += _check_live(history, store)
    problems += _check_summaries(history, store)
    return problems


def expected_charges(operation: ClientOperation) -> tuple[int, int]:
    """The fewest and the most times that a file may have been charged."""
    answered = len(operation.answers)
    if operation.kind in ("keyed", "twins"):
        return min(answered, 1), 1 if answered or operation.lost else 0
    return answered, answered + operation.lost


def _check_live(history: Sequence[ClientOperation], store: StoreDump) -> list[str]:
    """By payer, as a session has no length of its own: each connection costs its minutes, at most one more."""
    bounds: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for each in history:
        if each.kind == "live":
            bound = bounds[each.payer.name]
            bound[0] += sum(math.ceil(seconds / 60) for seconds in each.heard)
            bound[1] += sum(math.ceil(seconds / 60) + 1 for seconds in each.sent)
    problems = []
    for name, (low, high) in bounds.items():
        own = [row for row in store.ledger if row.subject == store.subjects.get(name) and row.kind in CHARGES]
        paid = -sum(row.amount for row in own if row.bucket == "credits")
        if not low <= paid <= high:
            problems.append(f"live sessions of {name}: charged {paid} minutes, {low} to {high} are right")
    return problems


def _check_summaries(history: Sequence[ClientOperation], store: StoreDump) -> list[str]:
    """Settled with no length, in a bucket of their own."""
    settled = sum(row.kind == "settle" and row.bucket.startswith("summaries") for row in store.ledger)
    own = [each for each in history if each.kind == "summary"]
    low = sum(len(each.answers) for each in own)
    high = low + sum(each.lost for each in own)
    return [] if low <= settled <= high else [f"{settled} summaries were charged, {low} to {high} are right"]


def check_ledger(store: StoreDump) -> list[str]:
    """Each bucket is one unbroken chain that never falls below nothing, and no admission is settled twice."""
    problems, balances = list[str](), dict[tuple[str, str], int]()
    for row in store.ledger:
        place = (row.subject, row.bucket)
        if row.balance != balances.get(place, 0) + row.amount:
            problems.append(f"the chain of {place} breaks at {row.sequence}")
        balances[place] = row.balance
        if row.bucket == "credits" and row.balance < 0:
            problems.append(f"{place} fell to {row.balance}")
    settled = Counter(row.admission for row in store.ledger if row.kind == "settle")
    problems += [
        f"admission {admission} was settled {count} times" for admission, count in settled.items() if count > 1
    ]
    return problems


def check_leftovers(deployment: SmallDeployment, store: StoreDump) -> list[str]:
    """Called when leases had the time to lapse, while the parts still run."""
    problems = []
    if store.leases:
        problems.append(f"{store.leases} leases are left")
    if store.unfinished:
        problems.append(f"{store.unfinished} Idempotency-Keys are left unfinished")
    for gateway in deployment.gateways:
        left = [str(path) for path in gateway.folder.glob("spool/*/*") if path.is_dir() or path.name == "upload"]
        problems += [f"left in the spool: {path}" for path in left]
        deleted = _deleted_files(gateway)
        problems += [f"{gateway.name} still has {deleted} deleted files open"] if deleted else []
    return problems


def check_processes(mark: str) -> list[str]:
    """Called when everything was stopped."""
    left = [str(path) for path in Path("/dev/shm").glob("stt-triton-*") if _owner_is_gone(path.name)]
    problems = [f"left in shared memory: {path}" for path in left]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                problems.append(f"process {folder.name} is left: {command[:100]}")
        except OSError:
            continue
    return problems


def check_recovery(struck: Sequence[StruckFault], crowding: float = 1.0) -> list[str]:
    """crowding: processes that want a processor, for each processor: a start is work of the processor alone"""
    problems = []
    for fault in struck:
        budget = BUDGETS[fault.name.split(" ")[0]] * max(1.0, crowding)
        if fault.recovery > budget:
            problems.append(
                f"{fault.name} at {fault.at:.0f} s: {fault.recovery:.1f} s until it worked, {budget:.0f} may be"
            )
    return problems


def check_logs(parts: Iterable[RunningPart]) -> list[str]:
    problems = []
    for part in parts:
        lines = part.log.read_text(errors="replace").splitlines() if part.log.exists() else []
        problems += [
            f"{part.name} logged: {line[:300]}" for line in lines if COMPLAINTS.search(line) and ITS_OWN not in line
        ]
    return problems


def _texts(operation: ClientOperation) -> list[str]:
    if operation.kind == "live":
        return [answer.decode() for answer in operation.answers]
    return [str(json.loads(answer)["text"]) for answer in operation.answers]


def _deleted_files(part: RunningPart) -> int:
    count = 0
    for link in Path(f"/proc/{part.pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        count += str(part.folder) in target and target.endswith("(deleted)")
    return count


def _owner_is_gone(name: str) -> bool:
    owner = name.removeprefix("stt-triton-").split("-")[0]
    return owner.isdecimal() and not Path(f"/proc/{owner}").exists()
