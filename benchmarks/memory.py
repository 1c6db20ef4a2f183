"""Memory over a long recording: `python -m benchmarks memory` posts two hours joined from clips."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.processes import MemoryWatch, memory
from benchmarks.recordings import CorpusRecording, join, load
from benchmarks.scoring import count_errors
from benchmarks.service import Service


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    options = parser.parse_args(arguments)
    recording = long_recording(options.hours * 3600)
    with Service() as service:
        idle = memory(service.process.pid)
        with MemoryWatch(service.process.pid) as watch:
            outcome = service.transcribe(recording, language="en")
        after = memory(service.process.pid)
    errors = count_errors(recording.text or "", outcome.text)
    names = sorted({*idle, *watch.parts, *after})
    rows = [(name, idle.get(name, 0.0), watch.parts.get(name, 0.0), after.get(name, 0.0)) for name in names]
    rows.append(("all", sum(idle.values()), watch.peak, sum(after.values())))
    note = (
        f"{recording.duration / 3600:.2f} hours in {outcome.seconds:.0f} s "
        f"({recording.duration / outcome.seconds:.1f} × real time, {outcome.processor_seconds:.0f} s of processor), "
        f"WER {errors.edits / errors.words:.2%}. PSS in MB."
    )
    table = report.Table("One long file", ("process", "ready", "at the peak", "afterwards"), rows, note)
    command = report.command("memory", arguments)
    print(report.write(report.Report("memory", command, [table]), options.results).read_text())
    return 0


def long_recording(seconds: float) -> CorpusRecording:
    """Clips of read English one after another, again from the first until it is long enough."""
    clips = load(["A-read"])
    chosen: list[CorpusRecording] = []
    total = 0.0
    while total < seconds:
        clip = clips[len(chosen) % len(clips)]
        chosen.append(clip)
        total += clip.duration + 0.6  # the pause that `join` puts between
    return join(chosen, f"read-{seconds / 3600:g}-hours")
