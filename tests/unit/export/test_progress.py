"""What the export reports, for people and for programs."""

from __future__ import annotations

import json

import pytest

from export.progress import Counter, reports, step


def test_a_person_reads_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with step("encoder graph"):
        Counter("weights", every=-1.0).report(3.0, 12.0, "MB")

    assert capsys.readouterr().out.splitlines() == ["encoder graph …", "  weights: 3 of 12 MB", "encoder graph: 0.0 s"]


def test_a_program_reads_one_object_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "events", True)

    with step("encoder graph"):
        Counter("weights", every=-1.0).report(3.0, 12.0, "MB")
    reports.warned("no summaries", "no network")

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"title": "encoder graph"},
        {"title": "weights", "done": 3.0, "total": 12.0, "unit": "MB"},
        {"title": "encoder graph", "seconds": 0.0},
        {"title": "no summaries", "warning": "no network"},
    ]
