"""What a person sees of set-up, and what is left when it is interrupted."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from setup.engines import ExportReports, build_engines
from setup.environment import Environment
from setup.programs import Log
from setup.run import size_of, summarizes_here
from setup.steps import Step, StepFailed, Steps


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log" / "setup.log")


def test_steps_are_numbered_and_timed(log: Log) -> None:
    out = io.StringIO()
    steps = Steps(2, log, out)

    with steps.step("one"):
        pass
    with pytest.raises(StepFailed), steps.step("two"):
        raise StepFailed("no")

    assert out.getvalue().splitlines() == [
        "[1/2] one …",
        "[1/2] one … 0 s",
        "[2/2] two …",
        "[2/2] two: failed after 0 s",
    ]


def test_a_terminal_shows_how_far_a_step_is_on_one_line(log: Log) -> None:
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w", encoding="utf-8") as terminal, Steps(1, log, terminal).step("packages") as step:
        step.progress("3 of 7")
        seen = ""
        while "3 of 7" not in seen:
            seen += os.read(reading, 1000).decode()
    seen += os.read(reading, 1000).decode()
    os.close(reading)

    assert seen.count("\n") == 1
    assert seen.endswith("[1/1] packages … 0 s\r\n")


def test_what_programs_say_is_in_the_log_alone(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    Step("packages", log, None).run(["sh", "-c", "echo chatter; echo noise >&2"])

    assert capsys.readouterr() == ("", "")
    assert log.tail(2) == ["chatter", "noise"]


def test_lines_that_only_tell_how_far_a_step_is_are_not_kept(log: Log) -> None:
    Step("packages", log, None).run(["sh", "-c", "echo 1 %; echo done"], lambda line: "%" not in line)

    assert log.tail(1) == ["done"]
    assert "1 %" not in log.tail(10)


def test_a_program_that_fails_fails_its_step(log: Log) -> None:
    with pytest.raises(StepFailed, match="exit code 3"):
        Step("packages", log, None).run(["sh", "-c", "exit 3"])


def test_an_interrupted_step_leaves_no_process(log: Log, tmp_path: Path) -> None:
    family = tmp_path / "family"
    program = f"sleep 600 & echo $! > {family}; echo begun; wait"

    def interrupt(_line: str) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Step("packages", log, None).run(["sh", "-c", program], interrupt)

    grandchild = Path("/proc") / family.read_text(encoding="ascii").strip()
    while grandchild.exists() and "zombie" not in (grandchild / "status").read_text(encoding="ascii"):
        time.sleep(0.01)


@pytest.mark.parametrize(("summarizer", "flags"), [(True, "--events"), (False, "--events --no-summarizer")])
def test_the_export_is_told_whether_summaries_are_made_here(
    summarizer: bool, flags: str, log: Log, tmp_path: Path
) -> None:
    environment = Environment(tmp_path)
    environment.python.parent.mkdir()
    environment.python.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    environment.python.chmod(0o755)

    build_engines(environment, Step("engines", log, None), print, summarizer=summarizer)

    assert log.tail(1) == [f"-m export setup {flags}"]


def test_what_the_export_reports_is_shown_side_by_side(log: Log) -> None:
    said: list[str] = []
    step = Step("engines", log, None)
    reports = ExportReports(step, said.append)

    assert not reports('{"title": "Qwen", "done": 300, "total": 1200, "unit": "MB"}')
    assert reports('{"title": "kernels"}')
    assert reports("a library's line")
    reports('{"a library": "may print this"}')
    assert step.shown == "Qwen 300 of 1200 MB, 25 % | kernels"

    reports('{"title": "kernels", "seconds": 6.4}')
    assert step.shown == "Qwen 300 of 1200 MB, 25 %"
    assert said == ["      kernels … 6 s"]


@pytest.mark.parametrize(
    ("environment", "here"),
    [
        ({}, True),
        ({"SUMMARIZER": "off"}, False),
        ({"STT_SUMMARIZER_MODE": "off"}, False),
        ({"SUMMARIZER_URL": "http://gpu:8000"}, False),
        ({"STT_SUMMARIZER_URL": "http://gpu:8000"}, False),
        ({"SUMMARIZER_URL": ""}, True),
    ],
)
def test_a_summarizer_that_runs_elsewhere_needs_no_model(environment: dict[str, str], here: bool) -> None:
    assert summarizes_here(environment) is here


def test_a_folder_is_as_large_as_its_files(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(bytes(1000))
    (tmp_path / "link").symlink_to(tmp_path / "inner" / "file")

    assert size_of(tmp_path) == 1000


def test_an_old_python_is_told_what_is_needed() -> None:
    """The module that any Python reads has nothing in it that an old one could not."""
    main = Path(sys.modules["setup"].__path__[0]) / "__main__.py"
    source = main.read_text(encoding="utf-8")
    compile(source, str(main), "exec", dont_inherit=True)
    old = source.replace("sys.version_info < (3, 9)", "True")

    ended = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "Python 3.11 or 3.12 is needed" in ended.stderr
