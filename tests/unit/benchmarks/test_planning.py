"""docs/capacity.md shows what the plan computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.planning import Assumptions, streams_of_a_gpu, tables

PAGE = (Path(__file__).parents[3] / "docs" / "capacity.md").read_text(encoding="utf-8")


def test_the_page_holds_the_plans_tables() -> None:
    for table in tables(Assumptions()):
        rows = table.markdown().partition("\n\n")[2]
        assert rows in PAGE, table.title


def test_a_gpu_carries_fewer_streams_that_are_decoded_more_often() -> None:
    seldom, often = (replace(Assumptions(), updates=updates) for updates in (1.0, 2.0))
    assert streams_of_a_gpu(2780, seldom) == 2 * streams_of_a_gpu(2780, often)
