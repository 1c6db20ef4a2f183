from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from tests.unit.gateway.cli.fake_service import FakeService, run_fake, run_on_terminal

EVENTS: list[dict[str, Any]] = [
    {"type": "stage", "stage": "reading", "done": 50, "total": 200},
    {"type": "token", "token": "They greet "},
    {"type": "token", "token": "each othr."},
    {"type": "summary", "summary": "They greet each other."},
]


@pytest.fixture
def service() -> Iterator[FakeService]:
    with run_fake(FakeService(events=EVENTS)) as running:
        yield running


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "talk.txt").write_text("Speaker 1: Good morning. Speaker 2: Hello.")
    return str(tmp_path / "talk.txt")


def test_the_summary_is_printed(service: FakeService, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", "--url", service.url, text]) == 0
    assert capsys.readouterr() == ("They greet each other.\n", "")


def test_on_a_terminal_it_is_shown_while_it_is_written(service: FakeService, text: str) -> None:
    shown = run_on_terminal("summarize", "--url", service.url, text)

    assert shown.code == 0
    assert "They greet" in shown.out.split("They greet each other.")[0]
    assert shown.out.rstrip().endswith("They greet each other.")


def test_an_error_among_the_events_is_told(service: FakeService, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    service.events = [EVENTS[0], {"type": "error", "error": "The summarizer is away.", "status": 503}]

    assert main(["summarize", "--url", service.url, text]) == 1
    assert capsys.readouterr() == ("", "stt: The summarizer is away.\n")


def test_a_recording_is_sent_to_the_other_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "talk.mp3"
    recording.write_bytes(b"\xff\xfb\x90\x00")

    assert main(["summarize", str(recording)]) == 2
    assert f"this is a recording; use `stt transcribe --summary brief {recording}`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nothing.txt", "/"])
def test_a_file_that_is_not_there_is_a_wrong_use(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", name]) == 2
    assert name in capsys.readouterr().err
