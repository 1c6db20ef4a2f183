"""Scheduler, words and engine of a GPU together: what files get, and what live sessions beside them wait."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from benchmarks import report
from benchmarks.environments import PROJECT
from benchmarks.peers.process import PeerProcess

COLUMNS = ("live sessions", "files: s of audio per s", "live windows", "live median, ms", "live 95 %, ms")
SESSIONS = (0, 8)  # beside the files
TURNS = 4  # windows of files for every slot


def time_service(folder: Path, options: argparse.Namespace) -> tuple[report.Table, list[dict[str, object]]]:
    """folder: the model's, with its export in 1/; raises: PeerFailed"""
    arguments = [folder / "1", "--provider", options.provider, "--slots", max(options.batches)]
    arguments += ["--tokens", options.tokens]
    path = f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}"
    rows, data = [], list[dict[str, object]]()
    with PeerProcess("the service", "gpu_service", arguments, options.python, {"PYTHONPATH": path}) as service:
        slots = service.description["slots"]
        for sessions in SESSIONS:
            run = service.ask([TURNS * slots, sessions])
            waits = [f"{run[name] * 1e3:.0f}" if run[name] else "" for name in ("live_median", "live_p95")]
            rows.append((sessions, f"{run['audio'] / run['seconds']:.0f}", run["live"], *waits))
            data.append({"sessions": sessions, **run})
    note = (
        f"{TURNS * slots} windows of 30 s at once, {options.tokens} tokens each, {slots} slots; live windows of 8 s, "
        "1.2 a second and session. Scheduler, engine and words in one process; no Triton, no network."
    )
    print(json.dumps(data), flush=True)
    return report.Table(f"{folder.name.removeprefix('whisper-')}: the service", COLUMNS, rows, note), data
