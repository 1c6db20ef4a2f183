"""`stt transcribe` against a running service."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.service_process import STT, ServiceProcess, run_service


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


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service as its user starts it: no settings of accounts."""
    with run_service(tmp_path_factory.mktemp("own"), STT_ACCOUNTS_ANONYMOUS="auto") as running:
        yield running


@pytest.fixture
def elsewhere(own: ServiceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder, and no settings; the runtime folder is the user's."""
    for name in [name for name in os.environ if name.startswith("STT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own.data))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("elsewhere")
def test_commands_find_the_running_service_without_settings(own: ServiceProcess, dashwood: Path) -> None:
    ended = stt(dashwood)
    status = subprocess.run([STT, "status"], capture_output=True, text=True, check=True).stdout

    assert ended.returncode == 0, ended.stderr
    assert "leisure to consider" in ended.stdout
    assert f"{own.url} (the service that runs here)" in status


def test_keys_are_made_in_the_store_of_the_service(own: ServiceProcess, elsewhere: Path) -> None:
    made = subprocess.run([STT, "keys", "create"], capture_output=True, text=True, check=True)

    answer = httpx.get(f"{own.url}/v1/usage", headers={"Authorization": f"Bearer {made.stdout.strip()}"})

    assert answer.json()["tier"] == "free"
    assert made.stderr == ""
    assert list(elsewhere.iterdir()) == []


def test_on_loopback_its_user_has_no_limit_and_a_strangers_page_has(own: ServiceProcess, dashwood: Path) -> None:
    def transcribe(headers: dict[str, str]) -> int:
        with dashwood.open("rb") as file:
            fields = {"diarize": "false"}
            return httpx.post(
                f"{own.url}/v1/transcribe", data=fields, files={"file": file}, headers=headers, timeout=300
            ).status_code

    assert [transcribe({}) for _ in range(4)] == [200] * 4
    assert [transcribe({"Origin": "https://evil.example"}) for _ in range(4)] == [200] * 3 + [429]
    assert transcribe({"Host": "evil.example"}) == 403
