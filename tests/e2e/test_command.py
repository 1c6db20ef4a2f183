"""`stt transcribe` against a running service."""

import subprocess
from pathlib import Path

from tests.e2e.service_process import STT, ServiceProcess


def stt(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [STT, "transcribe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_transcript_goes_to_standard_output(service: ServiceProcess, dashwood: Path) -> None:
    ended = stt("--url", service.url, dashwood)

    assert ended.returncode == 0, ended.stderr
    assert "leisure to consider" in ended.stdout


def test_several_files_go_to_a_folder(service: ServiceProcess, dashwood: Path, tmp_path: Path) -> None:
    young_man = dashwood.with_name("young-man.flac")

    ended = stt("--url", service.url, "--format", "srt", "--output", tmp_path / "out", dashwood, young_man)

    assert ended.returncode == 0, ended.stderr
    assert "leisure" in (tmp_path / "out" / "dashwood.srt").read_text()
    assert "young man" in (tmp_path / "out" / "young-man.srt").read_text()


def test_one_bad_file_costs_its_own_transcript_only(service: ServiceProcess, dashwood: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("no sound at all")

    ended = stt("--url", service.url, tmp_path / "text.mp3", dashwood)

    assert ended.returncode == 1
    assert "text.mp3" in ended.stderr
    assert "leisure" in ended.stdout


def test_a_service_that_is_not_there_is_said_so(dashwood: Path) -> None:
    ended = stt("--url", "http://127.0.0.1:9", dashwood)

    assert ended.returncode == 1
    assert "stt serve" in ended.stderr


def test_a_file_that_is_not_there_is_a_wrong_use(tmp_path: Path) -> None:
    ended = stt(tmp_path / "nothing.mp3")

    assert ended.returncode == 2
    assert "nothing.mp3" in ended.stderr


def test_a_reader_that_has_enough_ends_a_command_quietly(service: ServiceProcess, dashwood: Path) -> None:
    command = [STT, "transcribe", "--url", service.url, str(dashwood)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout and running.stderr
        running.stdout.close()
        assert running.stderr.read() == b""
