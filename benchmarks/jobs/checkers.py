"""Whether a run of jobs was right: each completed once, with its text, charged once, told of under one id."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.jobs.history import JobRow, LedgerCharge, SentJob
from benchmarks.jobs.receiver import HeardWebhook

ACCEPTED = 202


def check_jobs(jobs: Sequence[SentJob], rows: Sequence[JobRow]) -> list[str]:
    problems = []
    for job in jobs:
        if job.told:
            problems.append(f"{job.name}: {job.told}")
        elif len(job.ids) != 1:
            problems.append(f"{job.name}: {len(job.ids)} jobs under one Idempotency-Key")
        elif job.status != "completed":
            problems.append(f"{job.name} is {job.status}")
        elif job.text not in (job.recording.text, job.undisturbed):
            problems.append(f"{job.name}: {job.text!r} for {job.recording.text!r}")
        if 500 in job.statuses:
            problems.append(f"{job.name}: answered with 500")
    sent = {job.id for job in jobs}
    problems += [f"job {row.id} is in the database, and nobody has heard of it" for row in rows if row.id not in sent]
    return problems


def check_charges(jobs: Sequence[SentJob], settlements: Sequence[LedgerCharge]) -> list[str]:
    """Each completed job has one settlement, of its own admission and for its length; no other has any."""
    found = defaultdict[str, list[LedgerCharge]](list)
    for each in settlements:
        found[each.admission].append(each)
    problems = []
    for job in jobs:
        own, milliseconds = found.pop(job.id, []), job.recording.milliseconds
        wanted = int(job.status == "completed")
        if len(own) != wanted:
            problems.append(f"{job.name} was charged {len(own)} times, {wanted} is right")
        for each in own:
            if abs((each.milliseconds or 0) - milliseconds) > 1 or each.credits != math.ceil(milliseconds / 60_000):
                problems.append(f"{job.name}: {each.credits} credits for {each.milliseconds} of {milliseconds} ms")
    problems += [f"admission {admission} was charged, and is no job's" for admission in found]
    return problems


def check_webhooks(
    jobs: Sequence[SentJob], heard: Mapping[str, Sequence[HeardWebhook]], at_once: Sequence[str]
) -> list[str]:
    problems = [f"two webhooks of job {job} came at once" for job in at_once]
    for job in jobs:
        own = heard.get(job.id, [])
        if job.status == "completed" and not own:
            problems.append(f"{job.name}: nobody was told of its end")
        if len({each.identity for each in own}) > 1:
            problems.append(f"{job.name}: webhooks of {len({each.identity for each in own})} ids")
        if {each.status for each in own} - {job.status} or not all(each.signed for each in own):
            problems.append(f"{job.name}: told as {Counter(each.status for each in own)}, signed or not")
    return problems


def check_files(jobs: Sequence[SentJob], storage: Path) -> list[str]:
    """Of an ended job its recording is left, and nothing else; of no job as many as were not accepted at first.

    Those are removed after a day: until then nobody can know that the database has not taken them.
    """
    wanted = {f"{job.id}/recording" for job in jobs if job.id}
    found = {str(path.relative_to(storage)) for path in storage.rglob("*") if path.is_file()}
    own = {job.id for job in jobs}
    problems = [f"{name} is missing" for name in sorted(wanted - found)]
    problems += [f"{name} is left in the storage" for name in sorted(found - wanted) if name.split("/")[0] in own]
    orphans = sum(name.split("/")[0] not in own for name in found)
    refused = sum(status != ACCEPTED for job in jobs for status in job.statuses)
    return [*problems, f"{orphans} files of no job, {refused} were refused"] if orphans > refused else problems
