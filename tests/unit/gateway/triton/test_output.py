"""What Triton prints, and who gets to see it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.triton.output import TritonOutput

FINE, WARNING, ERROR = "I1128 06:45:25 loading", "W1128 06:45:25 no pinned memory", "E1128 06:45:25 failed to load"
HARMLESS = "E1128 06:45:25 HandleCancellation called"


@pytest.fixture
def lines() -> list[str]:
    return [FINE, WARNING, HARMLESS, ERROR, "Traceback of a model"]


def test_with_a_file_only_errors_are_logged_besides(
    tmp_path: Path, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "log" / "triton.log"
    output = TritonOutput(file)
    for line in lines:
        output.take(line)
    output.close()

    assert file.read_text(encoding="utf-8").splitlines() == lines
    assert logged(caplog) == [ERROR]
    assert output.end().splitlines() == [*lines, f"The whole log: {file}"]


def test_without_one_warnings_are_logged_too(lines: list[str], caplog: pytest.LogCaptureFixture) -> None:
    output = TritonOutput(None)
    for line in lines:
        output.take(line)

    assert logged(caplog) == [WARNING, ERROR]
    assert output.end().splitlines() == lines


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "log").write_text("a file where the folder should be", encoding="utf-8")
    output = TritonOutput(tmp_path / "log" / "triton.log")
    output.take(FINE)
    output.take(FINE)

    assert len(logged(caplog)) == 1
    assert output.end().splitlines() == [FINE, FINE]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]
