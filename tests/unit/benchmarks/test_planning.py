"""docs/capacity.md shows what the plan computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.ideal import audio_rate, model_sizes
from benchmarks.planning import A100, Assumptions, streams_of_a_gpu, tables

PAGE = (Path(__file__).parents[3] / "docs" / "capacity.md").read_text(encoding="utf-8")


def test_the_page_holds_the_plans_tables() -> None:
    for table in tables(Assumptions()):
        rows = table.markdown().partition("\n\n")[2]
        assert rows in PAGE, table.title


def test_a_gpu_carries_fewer_streams_that_are_decoded_more_often() -> None:
    seldom, often = (replace(Assumptions(), updates=updates) for updates in (1.0, 2.0))
    many, few = (streams_of_a_gpu(A100, "large-v3-turbo", 64, given) for given in (seldom, often))
    assert many == pytest.approx(2 * few)


def test_live_windows_cost_less_than_the_files_of_as_many_seconds() -> None:
    """An update of 8 s takes half the encoder and a quarter of the tokens of a file's window."""
    sizes, given = model_sizes("large-v3-turbo"), Assumptions()
    whole = 30 / audio_rate(A100, sizes, 64)

    update = given.share / (streams_of_a_gpu(A100, "large-v3-turbo", 64, given) * given.updates * given.talking)

    assert 0.4 * whole < update < 0.5 * whole
