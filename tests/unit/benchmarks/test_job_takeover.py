"""The table of a gateway that is killed near the end of a long recording."""

from __future__ import annotations

from benchmarks.jobs.command import takeover_table
from benchmarks.jobs.takeover import Takeover, TakeoverResult


def test_each_kill_is_a_row_and_the_job_is_told_beneath() -> None:
    killed = [Takeover("another gateway", 0.9, 3.25, 1.04, 320, 4)]
    result = TakeoverResult(3.0, killed, 150.0, 260.0, attempts=2, charges=1, words=28_000)

    table = takeover_table(result)

    assert table.rows == [("another gateway", "90%", 3.2, 1.0, 320, 4)]
    assert "begun 2 times, charged 1 time, 28000 words" in table.note
