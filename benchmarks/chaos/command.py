"""`python -m benchmarks chaos`: one run, and its report."""

from __future__ import annotations

import argparse
import asyncio
import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.chaos.campaign import CampaignPlan, CampaignResult, run_campaign
from benchmarks.chaos.faults import schedule
from benchmarks.chaos.mutated_gateway import MUTANTS

SHOWN = 40  # problems in the report
MUTANT_REQUESTS = 80


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200, help="faults of all kinds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default="", help="names of the faults instead of a random order, with commas")
    parser.add_argument("--workers", type=int, default=16, help="clients at once")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which nothing is begun any more")
    parser.add_argument("--mutant", default="", help="a fault in the gateways that the checkers have to find")
    parser.add_argument("--mutants", action="store_true", help="all of them, each in a run of its own without kills")
    parser.add_argument("--folder", type=Path, help="where the parts write; it is kept")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    options = parser.parse_args(arguments)
    if options.mutants:
        return try_mutants(arguments, options.seed, options.results)
    names = options.faults.split(",") if options.faults else schedule(options.kills, random.Random(options.seed))
    plan = CampaignPlan(
        options.requests,
        names,
        options.seed,
        workers=options.workers,
        mutant=options.mutant,
        longest=options.minutes * 60,
        folder=options.folder,
    )
    result = asyncio.run(run_campaign(plan))
    result.problems += [*result.late, *result.complaints]
    for problem in result.problems:
        print(problem)
    name = f"chaos-{options.mutant}" if options.mutant else "chaos"
    written = report.Report(name, report.command("chaos", arguments), tables(plan, result), data={"seed": plan.seed})
    print(report.write(written, options.results).read_text())
    return 1 if result.problems else 0


def try_mutants(arguments: Sequence[str], seed: int, results: Path) -> int:
    """Each fault that can be built in, and what the checkers say of it. Fails where they say nothing."""
    rows: list[tuple[object, ...]] = []
    for name in MUTANTS:
        result = asyncio.run(run_campaign(CampaignPlan(MUTANT_REQUESTS, (), seed, mutant=name)))
        rows.append((name, len(result.problems), result.problems[0] if result.problems else "nothing"))
        print(*rows[-1])
    note = f"{MUTANT_REQUESTS} requests each, nothing killed, seed {seed}."
    table = report.Table("Faults that were built in", ("fault", "complaints", "the first"), rows, note)
    written = report.Report("chaos-mutants", report.command("chaos", arguments), [table], data={"seed": seed})
    print(report.write(written, results).read_text())
    return 0 if all(complaints for _, complaints, _ in rows) else 1


def tables(plan: CampaignPlan, result: CampaignResult) -> list[report.Table]:
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in result.history:
        kinds[each.kind][each.outcome] += 1
    outcomes = ("ok", "refused", "unknown", "wrong")
    rows: list[tuple[object, ...]] = [
        (kind, count.total(), *(count[each] for each in outcomes)) for kind, count in sorted(kinds.items())
    ]
    attempts = sum(len(each.statuses) for each in result.history)
    note = (
        f"{result.right} of {len(result.history)} answered rightly or refused rightly, of {plan.requests} planned; "
        f"over {attempts} attempts, "
        f"{len(result.struck)} faults in {result.seconds:.0f} s, seed {plan.seed}. The parts took "
        f"{result.processor:.0f} s of processor. unknown: clients that left."
    )
    recovery: defaultdict[str, list[float]] = defaultdict(list)
    for fault in result.struck:
        recovery[fault.name].append(fault.recovery)
    times = [
        (name, len(each), percentile(each, 50), percentile(each, 95), max(each))
        for name, each in sorted(recovery.items())
    ]
    found = [(problem,) for problem in result.problems[:SHOWN]] or [("none",)]
    return [
        report.Table("Requests", ("kind", "all", *outcomes), rows, note),
        report.Table(
            "Recovery", ("fault", "times", "p50 s", "p95 s", "longest s"), times, "From its end to an answer."
        ),
        report.Table("Lost, charged wrongly, or left behind", ("what",), found),
    ]


def percentile(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share / 100 * (len(ordered) - 1)))]
