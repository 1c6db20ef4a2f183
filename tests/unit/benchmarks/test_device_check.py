"""The comparison of a card with the processor, rehearsed: the processor with itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.device.check import STEPS, check
from export.random_weights import random_weights
from export.sources import NO_FILE
from export.targets import UNCHECKED_CUDA
from export.whisper import build
from speech.whisper.manifest import RANDOM, Source
from tests.unit.export.small_whispers import dimensions, opened


def test_a_processor_says_what_it_says_by_steps_by_drafts_and_in_another_thread(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    weights = opened(random_weights(dimensions(64, (1, 1)), ((0, 0),)), tmp_path)
    build("base", replace(weights, source=Source("noise", RANDOM, "none", NO_FILE)), folder, UNCHECKED_CUDA)

    found = check(folder, "cpu")

    for where in ("this thread", "another thread"):
        compared = found[where]
        assert isinstance(compared, dict)
        assert compared["steps with the same tokens"] == f"{STEPS} of {STEPS}, the first {STEPS}"
        assert compared["a short window says the same"] is True
        assert compared["and so do drafts of it"] is True
