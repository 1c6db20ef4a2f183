"""`python -m benchmarks jobs kills`, `… queue` and `… takeover`: a run each, and its report."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.chaos.command import percentile
from benchmarks.environments import PROJECT
from benchmarks.jobs.kills import KillsPlan, KillsResult, run_kills
from benchmarks.jobs.queueing import QueuePlan, QueueResult, run_queue
from benchmarks.jobs.real_recordings import real_recordings
from benchmarks.jobs.takeover import TakeoverResult, run_takeover

SHOWN = 40  # problems in the report


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks jobs", description=__doc__)
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    parts = parser.add_subparsers(dest="part", required=True)
    kills = parts.add_parser("kills", help="is any job lost, or charged twice, when processes are killed")
    kills.add_argument("--jobs", type=int, default=200)
    kills.add_argument("--kills", type=int, default=20)
    kills.add_argument("--seed", type=int, default=1)
    kills.add_argument("--longest", type=float, default=100.0, help="seconds of a recording of the echo model")
    kills.add_argument("--real", action="store_true", help="recordings of people and Whisper base, not the echo model")
    queue = parts.add_parser("queue", help="what queueing costs, and what a long queue does to others")
    queue.add_argument("--jobs", type=int, default=10_000)
    queue.add_argument("--calls", type=int, default=40, help="of /v1/transcribe that are timed in each state")
    takeover = parts.add_parser("takeover", help="what a gateway costs that is killed near the end of a long recording")
    takeover.add_argument("--hours", type=float, default=3.0)
    options = parser.parse_args(arguments)
    if options.part == "queue":
        return _queue(options, arguments)
    if options.part == "takeover":
        return _takeover(options, arguments)
    return _kills(options, arguments)


def _kills(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    plan = KillsPlan(options.jobs, options.kills, options.seed, longest=options.longest)
    if options.real:
        models = PROJECT / "model_repository"
        plan = KillsPlan(
            options.jobs, options.kills, options.seed, recordings=asyncio.run(real_recordings()), repository=models
        )
    result = asyncio.run(run_kills(plan))
    for problem in result.problems:
        print(problem)
    name = "jobs-kills-real" if options.real else "jobs-kills"
    written = report.Report(name, report.command("jobs", arguments), kills_tables(plan, result))
    print(report.write(written, options.results).read_text())
    return 1 if result.problems else 0


def kills_tables(plan: KillsPlan, result: KillsResult) -> list[report.Table]:
    statuses = Counter(job.status or "not accepted" for job in result.jobs)
    attempts = Counter(row.attempt for row in result.rows)
    waited = [job.ended - job.accepted for job in result.jobs if job.ended]
    sound = sum(job.recording.milliseconds for job in result.jobs) / 1000
    note = (
        f"{len(result.jobs)} jobs with {sound / 60:.0f} min of sound, {len(result.struck)} of {plan.kills} kills, in "
        f"{result.seconds:.0f} s, seed {plan.seed}; {result.webhooks} webhooks came. From acceptance to the end "
        f"{percentile(waited, 50):.1f} s (p50), {max(waited):.1f} s (longest)."
    )
    kills = Counter(fault.name for fault in result.struck)
    return [
        report.Table("Jobs", ("status", "jobs"), statuses.most_common(), note),
        report.Table("Begun", ("times", "jobs"), sorted(attempts.items()), "By how many gateways in turn, or lives."),
        report.Table("Kills", ("what", "times"), kills.most_common()),
        report.Table(
            "Lost, charged wrongly, or left behind",
            ("what",),
            [(problem,) for problem in result.problems[:SHOWN]] or [("none",)],
        ),
    ]


def _queue(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    result = asyncio.run(run_queue(QueuePlan(options.jobs, options.calls)))
    written = report.Report("jobs-queue", report.command("jobs", arguments), queue_tables(result))
    print(report.write(written, options.results).read_text())
    return 0


def queue_tables(result: QueueResult) -> list[report.Table]:
    calls = [
        (state, len(each), percentile(each, 50), percentile(each, 95)) for state, each in result.call_seconds.items()
    ]
    depths = [
        (depth, 1000 * percentile(each, 50), 1000 * percentile(each, 95)) for depth, each in result.post_seconds.items()
    ]
    costs = [(name, percentile(each, 50), percentile(each, 95)) for name, each in result.cost_seconds.items()]
    return [
        report.Table(
            "A recording of 10 s, as a call and as a job",
            ("", "p50 s", "p95 s"),
            costs,
            f"The model takes {result.window_seconds} s of each. A job is looked at every 50 ms.",
        ),
        report.Table(
            "POST /v1/transcribe while jobs wait",
            ("state", "calls", "p50 s", "p95 s"),
            calls,
            "A recording of 10 s, one call after the other; in work are as many jobs as the gateways take, but for the "
            "first line.",
        ),
        report.Table(
            "POST /v1/jobs by how many wait already",
            ("jobs that wait", "p50 ms", "p95 ms"),
            depths,
            f"8 clients at once, all jobs of one caller, at one gateway; {result.rate:.0f} a second with the longest "
            "queue, most of which was written straight into the database.",
        ),
        report.Table("With the longest queue", ("what", "value"), list(result.queue_facts.items())),
    ]


def _takeover(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    result = asyncio.run(run_takeover(options.hours))
    written = report.Report("jobs-takeover", report.command("jobs", arguments), [takeover_table(result)])
    print(report.write(written, options.results).read_text())
    return 0 if result.charges == 1 else 1


def takeover_table(result: TakeoverResult) -> report.Table:
    columns = (
        "who goes on", "at", "stood still, s", "its processor seconds meanwhile", "windows kept", "windows asked again",
    )  # fmt: skip
    rows = [
        (each.who, f"{each.progress:.0%}", round(each.stood_still, 1), round(each.processor, 1), each.kept,
         each.asked_again)
        for each in result.takeovers
    ]  # fmt: skip
    note = (
        f"One job of {result.hours:g} h of English speech, Whisper base, two gateways and PostgreSQL on one machine. "
        f"Completed after {result.seconds:.0f} s ({result.processor:.0f} s of processor time, all parts together), "
        f"begun {result.attempts} times, charged {result.charges} time{'s' * (result.charges != 1)}, "
        f"{result.words} words."
    )
    return report.Table("A gateway killed (kill -9)", columns, rows, note)
