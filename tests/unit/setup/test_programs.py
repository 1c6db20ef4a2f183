"""Programs beside the steps of set-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from setup.programs import Background, Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "setup.log")


def test_what_runs_beside_the_steps_is_waited_for(log: Log, tmp_path: Path) -> None:
    seen: list[str] = []

    def see(line: str) -> bool:
        seen.append(line)
        return True

    with Background() as background:
        background.start(["sh", "-c", "echo fetched; exit 3"], log, see, tmp_path)
        code = background.wait()

    assert (code, seen) == (3, ["fetched"])
    assert log.tail(1) == ["fetched"]


def test_it_is_stopped_where_the_steps_end_before_it(log: Log, tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(KeyboardInterrupt), Background() as background:
        program = f"sleep 600 & echo $! > {child}; mv {child} {child}.pid; wait"
        background.start(["sh", "-c", program], log, lambda _line: True, tmp_path)
        while not child.with_name("child.pid").exists():
            pass
        raise KeyboardInterrupt

    status = Path("/proc") / child.with_name("child.pid").read_text(encoding="ascii").strip() / "status"
    assert background.wait() != 0
    assert not status.exists() or "zombie" in status.read_text(encoding="ascii")


def test_what_was_never_started_has_not_failed() -> None:
    with Background() as background:
        assert not background.started
        assert background.wait() == 0
