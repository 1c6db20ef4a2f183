"""Jobs: what queueing costs, how far it scales, and whether any is lost or charged twice when processes are killed.

`python -m benchmarks jobs kills --jobs 200 --kills 20 --seed N`, `python -m benchmarks jobs queue --jobs 10000`
"""

from __future__ import annotations

from benchmarks.jobs.command import main

__all__ = ["main"]
