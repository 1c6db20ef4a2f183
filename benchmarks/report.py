"""Results as Markdown for people and JSON for programs, with the machine, the date and the versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
CPU_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")  # what changes the speed of GEMM


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row([_cell(value) for value in row]) for row in self.rows]
        return "\n".join(lines + (["", self.note] if self.note else []))


@dataclass(frozen=True)
class Report:
    name: str
    command: str
    tables: Sequence[Table]
    versions: dict[str, str] = field(default_factory=dict)
    data: dict[str, object] = field(default_factory=dict)  # every single measurement, for the JSON


def write(report: Report, folder: Path = RESULTS) -> Path:
    """Writes <name>.md and <name>.json, and returns the Markdown's path.

    Each is replaced whole: what is ended while it writes again leaves the report before it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = machine()
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    head = [f"# {report.name}", "", f"`{report.command}`", "", f"{when}, commit {commit()}."]
    head += [f"Machine: {', '.join(f'{key} {value}' for key, value in where.items())}."]
    if report.versions:
        head.append(f"Versions: {', '.join(f'{key} {value}' for key, value in sorted(report.versions.items()))}.")
    text = "\n".join(head) + "\n\n" + "\n\n".join(table.markdown() for table in report.tables) + "\n"
    page = folder / f"{report.name}.md"
    _replace(page, text)
    record = {
        "name": report.name, "command": report.command, "date": when, "commit": commit(),
        "machine": where, "versions": report.versions, "tables": [_plain(table) for table in report.tables],
        "data": report.data,
    }  # fmt: skip
    _replace(folder / f"{report.name}.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return page


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(text)
    fresh.replace(path)


def command(name: str, arguments: Sequence[str]) -> str:
    """What was typed, without the folder of the report: it does not change a figure."""
    kept = list(arguments)
    if "--results" in kept:
        at = kept.index("--results")
        del kept[at : at + 2]
    return " ".join(["python -m benchmarks", name, *kept])


def machine() -> dict[str, str]:
    """What the figures depend on: processor, cores, memory, vector instructions, load by others."""
    described = {"processor": platform.machine(), "cores": str(len(os.sched_getaffinity(0)))}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            described["processor"] = value.strip()
        if key.strip() == "flags":
            described["instructions"] = " ".join(flag for flag in CPU_FLAGS if flag in value.split())
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024**2
    return described | {"memory": f"{memory} GB", "load": f"{os.getloadavg()[0]:.1f}"}


def commit() -> str:
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # a machine that has the files alone
        return "unknown"
    return asked.stdout.strip() or "unknown"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _plain(table: Table) -> dict[str, object]:
    rows = [[value if isinstance(value, int | float) else str(value) for value in row] for row in table.rows]
    return {"title": table.title, "columns": list(table.columns), "rows": rows, "note": table.note}
