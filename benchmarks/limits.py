"""How far each part of the engine is from what this machine can do: `python -m benchmarks limits`.

The machine's peaks (matrix products, reads from memory) and the engine's parts are measured one after
another in the same run. A part's limit is the larger of two times: its arithmetic at the peak of int8
products, and its memory traffic at the bandwidth of plain reads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.environments import PROJECT, SERVICE_PYTHON, WHISPER
from benchmarks.older_cpu import haswell
from benchmarks.recordings import CACHE, english_files

ENGINE = WHISPER / "1"
CORES = 2
SPEECH = "speech.pcm"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks limits", description=__doc__)
    parser.add_argument("--avx2", action="store_true", help="kernels for a CPU with AVX2 and nothing newer")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    measured = measure(haswell() if options.avx2 else {})
    name = "limits-avx2" if options.avx2 else "limits"
    command = report.command("limits", arguments)
    result = report.Report(name, command, measured.tables, measured.versions, measured.data)
    print(report.write(result, options.results).read_text())
    return 0


@dataclass(frozen=True, slots=True)
class MachineLimits:
    machine: tuple[dict[str, Any], dict[str, Any]]  # two passes, one before the parts and one behind them
    parts: list[dict[str, Any]]
    alone: list[dict[str, Any]]  # the parts on one thread

    @property
    def tables(self) -> list[report.Table]:
        peaks, bandwidth = best_of(*self.machine)
        return [
            _peaks(*self.machine),
            _parts(self.parts, peaks["int8"] * 1e9, bandwidth),
            scaling(self.alone, self.parts),
        ]

    @property
    def versions(self) -> dict[str, str]:
        versions: dict[str, str] = self.machine[0]["versions"]
        return versions

    @property
    def data(self) -> dict[str, object]:
        return {
            "machine": self.machine[0],
            "machine again": self.machine[1],
            "parts": self.parts,
            "one thread": self.alone,
        }

    def reached(self, part: str) -> str:
        """How near the first part whose name begins so is to the machine's limit; "" for an unknown one."""
        return next((str(row[6]) for row in self.tables[1].rows if str(row[0]).startswith(part)), "")


def measure(settings: dict[str, str]) -> MachineLimits:
    """settings: of numba, to compile for another processor"""
    speech = CACHE / SPEECH
    speech.parent.mkdir(parents=True, exist_ok=True)
    english_files()[-1].pcm[: 5 * 30 * 16_000].tofile(speech)
    machine = _measure("benchmarks.machine", settings)
    parts, alone = (
        _measure("benchmarks.engine_parts", settings, ENGINE, speech, "--threads", threads) for threads in (CORES, 1)
    )
    # The limits of a shared machine move: the better of both passes counts.
    return MachineLimits((machine, _measure("benchmarks.machine", settings)), parts, alone)


def _measure(module: str, settings: dict[str, str], *arguments: object) -> Any:
    command = [str(SERVICE_PYTHON), "-m", module, *map(str, arguments)]
    environment = os.environ | settings | {"OMP_NUM_THREADS": str(CORES), "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def best_of(*runs: dict[str, Any]) -> tuple[dict[str, float], float]:
    """The highest rate of each precision in 10⁹ operations a second, and of reads in bytes a second."""
    peaks: dict[str, float] = {}
    for peak in (peak for run in runs for peak in run["peaks"]):
        peaks[peak["precision"]] = max(peaks.get(peak["precision"], 0.0), peak["gops"])
    return peaks, max(run["read_bandwidth"] for run in runs)


def _peaks(*runs: dict[str, Any]) -> report.Table:
    best: dict[tuple[str, str, str], float] = {}
    for peak in (peak for run in runs for peak in run["peaks"]):
        key = peak["precision"], peak["library"], peak["shape"]
        best[key] = max(best.get(key, 0.0), peak["gops"])
    rows: list[tuple[object, ...]] = [(*key, gops) for key, gops in sorted(best.items())]
    read, copy = (max(run[name] for run in runs) / 1e9 for name in ("read_bandwidth", "copy_bandwidth"))
    note = f"Memory: {read:.1f} GB/s read, {copy:.1f} GB/s copied. {CORES} threads, best of two passes."
    return report.Table("What the machine can do", ("precision", "library", "shape", "Gop/s"), rows, note)


def _parts(parts: Sequence[dict[str, Any]], operations: float, bandwidth: float) -> report.Table:
    """operations, bandwidth: the machine's, a second."""
    rows = []
    for part in parts:
        limit = max(part["operations"] / operations, part["bytes"] / bandwidth)
        by = "arithmetic" if part["operations"] / operations >= part["bytes"] / bandwidth else "memory"
        shown = (limit * 1000, by, f"{limit / part['seconds']:.0%}") if limit else ("", "", "")
        rate = part["operations"] / part["seconds"] / 1e9
        rows.append((part["name"], part["seconds"] * 1000, rate, part["bytes"] / part["seconds"] / 1e9, *shown))
    columns = ("part", "ms", "Gop/s", "GB/s", "limit ms", "set by", "reached")
    note = "Limit: all arithmetic at the best int8 rate, or all traffic at the read bandwidth, whichever takes longer."
    return report.Table("How far the engine's parts are from it", columns, rows, note)


def scaling(alone: Sequence[dict[str, Any]], together: Sequence[dict[str, Any]]) -> report.Table:
    """alone, together: the same parts in the same order, on one thread and on CORES, which encode as many windows"""
    rows = []
    for one, all_ in zip(alone, together, strict=True):
        work = all_["operations"] / one["operations"] if one["operations"] else 1.0  # windows for each of the one
        per_window = all_["seconds"] / work
        if one["operations"]:
            rows.append((one["name"], one["seconds"] * 1000, per_window * 1000, one["seconds"] / per_window))
    columns = ("part", "ms, 1 thread", f"ms, {CORES} threads, of the same work", "times as fast")
    return report.Table(f"What {CORES} threads gain", columns, rows)
