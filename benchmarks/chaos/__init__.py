"""Chaos: parts of the service are killed, stopped and cut off while clients work, and every answer is checked.

`python -m benchmarks chaos --requests 10000 --kills 200 --seed N`
"""

from __future__ import annotations

from benchmarks.chaos.command import main

__all__ = ["main"]
