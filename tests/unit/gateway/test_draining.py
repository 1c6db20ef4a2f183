from contextlib import ExitStack

import pytest

from gateway.draining import Draining, Work


@pytest.mark.parametrize(
    ("works", "described"),
    [
        ([], ""),
        ([Work.FILE], "1 file"),
        ([Work.SUMMARY, Work.SUMMARY], "2 summaries"),
        ([Work.LIVE_SESSION, Work.FILE], "1 file and 1 live session"),
        ([Work.FILE, Work.FILE, Work.LIVE_SESSION, Work.SUMMARY], "2 files, 1 live session and 1 summary"),
    ],
)
def test_what_is_in_flight_is_counted_by_its_kind(works: list[Work], described: str) -> None:
    draining = Draining()

    with ExitStack() as stack:
        for work in works:
            stack.enter_context(draining.track(work))
        during = draining.describe()

    assert during == described
    assert draining.describe() == ""
