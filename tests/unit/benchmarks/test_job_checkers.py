"""The checkers of a run of jobs: each wrong is found, and what is right is let pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks.chaos.history import Payer
from benchmarks.jobs.checkers import check_charges, check_files, check_jobs, check_webhooks
from benchmarks.jobs.history import JobRow, LedgerCharge, SentJob, SentRecording
from benchmarks.jobs.kills import KILLS, schedule
from benchmarks.jobs.receiver import HeardWebhook

RECORDING = SentRecording(b"", "talk.wav", 61_000, "All is well.")
JOB = SentJob(
    1,
    Payer("owner", "stt_key"),
    RECORDING,
    id="a",
    ids={"a"},
    statuses=[0, 202],
    status="completed",
    text="All is well.",
)
ROW = JobRow("a", "completed", 2, "delivered", 1)
CHARGE = LedgerCharge("a", 2, 61_000)
TOLD = HeardWebhook("msg_a", "a", "completed", True)


@pytest.mark.parametrize(
    ("job", "rows", "right"),
    [
        (JOB, [ROW], True),
        (replace(JOB, text="All is"), [ROW], False),
        (replace(JOB, text="All is", undisturbed="All is"), [ROW], True),
        (replace(JOB, status="failed"), [ROW], False),
        (replace(JOB, ids={"a", "b"}), [ROW], False),  # the same request became two jobs
        (replace(JOB, told="not ended within 900 s"), [ROW], False),
        (replace(JOB, statuses=[500, 202]), [ROW], False),
        (JOB, [ROW, replace(ROW, id="b")], False),
    ],
)
def test_each_job_ends_once_with_its_text(job: SentJob, rows: list[JobRow], right: bool) -> None:
    assert (check_jobs([job], rows) == []) == right


@pytest.mark.parametrize(
    ("job", "charges", "right"),
    [
        (JOB, [CHARGE], True),
        (JOB, [], False),
        (JOB, [CHARGE, CHARGE], False),
        (JOB, [replace(CHARGE, credits=1)], False),
        (JOB, [replace(CHARGE, milliseconds=60_000)], False),
        (JOB, [CHARGE, replace(CHARGE, admission="b")], False),
        (replace(JOB, status="failed"), [CHARGE], False),
        (replace(JOB, status="failed"), [], True),
    ],
)
def test_each_completed_job_is_charged_once_for_its_length(
    job: SentJob, charges: list[LedgerCharge], right: bool
) -> None:
    assert (check_charges([job], charges) == []) == right


@pytest.mark.parametrize(
    ("heard", "at_once", "right"),
    [
        ([TOLD], [], True),
        ([TOLD, TOLD], [], True),  # at least once
        ([], [], False),
        ([TOLD, replace(TOLD, identity="msg_b")], [], False),
        ([replace(TOLD, status="failed")], [], False),
        ([replace(TOLD, signed=False)], [], False),
        ([TOLD, TOLD], ["a"], False),
    ],
)
def test_its_end_is_told_at_least_once_under_one_id(heard: list[HeardWebhook], at_once: list[str], right: bool) -> None:
    assert (check_webhooks([JOB], {"a": heard}, at_once) == []) == right


def test_its_recording_is_all_that_is_left(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "recording").touch()
    assert check_files([JOB], tmp_path) == []

    (tmp_path / "a" / "sound.pcm").touch()
    assert check_files([JOB], tmp_path) == ["a/sound.pcm is left in the storage"]
    assert "b/recording is missing" in check_files([JOB, replace(JOB, id="b")], tmp_path)
    (tmp_path / "a" / "sound.pcm").unlink()
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recording").touch()
    assert check_files([replace(JOB, statuses=[503, 0, 202])], tmp_path) == []
    assert check_files([JOB], tmp_path) == ["2 files of no job, 1 were refused"]


def test_every_kind_of_kill_is_planned() -> None:
    assert Counter(schedule(10, Random(1))) == dict.fromkeys(KILLS, 2)
