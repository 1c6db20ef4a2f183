"""`python -m benchmarks NAME [options]`: each NAME is a module of this package with a `main`.

Without a name: all results on one page (`overview`).
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks import overview
from benchmarks.environments import PEERS_ENVIRONMENT, PEERS_PYTHON

NAMES = (
    "limits", "throughput", "accuracy", "calibration", "perturbations", "memory", "perf_analyzer", "gpu",
    "diarization", "streaming", "accounts", "summaries", "capacity", "planning", "chaos", "soak", "score",
    "keyterms", "page", "profile", "jobs", "overview", "shares", "word_times",
)  # fmt: skip
# Need none but the service's.
OWN_PACKAGES = ("planning", "chaos", "soak", "keyterms", "page", "profile", "jobs", "overview", "limits", "shares")
SCORING_OPTIONAL = ("gpu",)  # measure what they can where nothing scores


def main() -> int:
    name, *arguments = sys.argv[1:] or ["overview"]
    if name not in NAMES or not find_spec(f"benchmarks.{name}"):
        known = [name for name in NAMES if find_spec(f"benchmarks.{name}")]
        print(f"usage: python -m benchmarks NAME [options], NAME one of {', '.join(known)}", file=sys.stderr)
        return 2
    if name not in OWN_PACKAGES:
        _enter_environment(optional=name in SCORING_OPTIONAL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: what was started is stopped
    code = int(importlib.import_module(f"benchmarks.{name}").main(arguments) or 0)
    overview.refresh()  # the pages that are made of results
    return code


def _enter_environment(*, optional: bool) -> None:
    """Goes on in the benchmarks' own environment when this one lacks what they need."""
    if find_spec("jiwer") and find_spec("av"):
        return
    if Path(sys.prefix) == PEERS_ENVIRONMENT or not PEERS_PYTHON.exists():
        if optional:
            return
        sys.exit("the benchmarks need an environment of their own: make benchmarks")
    os.execv(PEERS_PYTHON, [str(PEERS_PYTHON), "-m", "benchmarks", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
