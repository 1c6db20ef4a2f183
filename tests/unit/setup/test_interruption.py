"""A signal that asks set-up to end is obeyed also where Python drops the exception that it raises."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from setup import steps
from setup.interruption import RAISED, Interruption, Terminated
from setup.programs import Log
from setup.steps import Step


class Finalised:
    """The signal comes while it is finalised: its exception goes nowhere."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self._number)
        time.sleep(0.01)


@pytest.fixture
def interruption(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interruption]:
    before = {number: signal.getsignal(number) for number in RAISED}
    interruption = Interruption()
    monkeypatch.setattr(steps, "INTERRUPTION", interruption)
    interruption.watch()
    yield interruption
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
@pytest.mark.usefixtures("interruption")
def test_a_signal_whose_exception_is_dropped_ends_the_program_and_the_step(
    number: int, raised: type[BaseException], tmp_path: Path
) -> None:
    def drop(_line: str) -> bool:
        Finalised(number)
        return True

    log = Log(tmp_path / "setup.log")
    with pytest.raises(raised):
        Step("packages", log, None).run(["sh", "-c", "echo begun; sleep 600; echo over"], drop)
    assert log.tail(1) == ["begun"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("interruption")
def test_a_signal_that_was_dropped_between_two_programs_starts_no_other(tmp_path: Path) -> None:
    Finalised(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Step("packages", Log(tmp_path / "setup.log"), None).run(["touch", str(tmp_path / "begun")])
    assert not (tmp_path / "begun").exists()


def test_a_signal_is_raised_at_once_where_nothing_runs(interruption: Interruption) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interruption.check()
