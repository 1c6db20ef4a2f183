"""`python -m benchmarks accounts`: what the limit checks cost, on SQLite and on a real PostgreSQL.

Goals: with 10,000 keys a check takes less than 2 ms (95th percentile, embedded), and PostgreSQL carries
200 a second. Commits are flushed to the disk as PostgreSQL does by default; SQLite runs as the service
runs it. The store is measured from a process of its own, over the same calls that a request makes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import PROJECT
from benchmarks.postgres import running_postgres


@dataclass(frozen=True, slots=True)
class Checks:
    store: str
    keys: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    checks_per_second: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks accounts", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--keys", type=int, nargs="+", default=[10, 10_000], help="keys in the store")
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring the rate")
    parser.add_argument("--postgres", help="URL of an empty database; none: one is started here")
    options = parser.parse_args(arguments)
    results = [*measure_sqlite(options.keys, options.seconds)]
    results += measure_postgres(options.keys, options.seconds, options.postgres)
    print(table(results))
    print(f"\n{os.cpu_count()} cores, {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}")
    return 0


def measure_sqlite(keys: list[int], seconds: float) -> list[Checks]:
    results = []
    for count in keys:
        with tempfile.TemporaryDirectory(prefix="stt-accounts-") as folder:
            results.append(measure("SQLite", f"sqlite:///{Path(folder) / 'accounts.db'}", count, seconds))
    return results


def measure_postgres(keys: list[int], seconds: float, url: str | None) -> list[Checks]:
    if url is not None:
        return [measure("PostgreSQL", url, keys[-1], seconds)]
    results = []
    for count in keys:
        with running_postgres(durable=True) as started:
            results.append(measure("PostgreSQL", started, count, seconds))
    return results


def measure(store: str, url: str, keys: int, seconds: float) -> Checks:
    command = [str(_python()), "-m", "gateway.accounts.measure", "--url", url]
    command += ["--keys", str(keys), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"measuring {store} failed:\n{done.stderr[-2000:]}")
    return Checks(store=store, **json.loads(done.stdout.splitlines()[-1]))


def _python() -> Path:
    """The service's own environment, where there is one beside this one."""
    service = PROJECT / ".venv" / "bin" / "python"
    return service if service.exists() else Path(sys.executable)


def table(results: list[Checks]) -> str:
    lines = ["| store | keys | check p50 | p95 | p99 | checks a second |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {of.store} | {of.keys:,} | {of.p50_ms:.2f} ms | {of.p95_ms:.2f} ms | {of.p99_ms:.2f} ms "
        f"| {of.checks_per_second:.0f} |"
        for of in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
