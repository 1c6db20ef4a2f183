from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.runtime_file import RunningService, find_services, publish

PUBLISH = """
import sys, time
from gateway.runtime_file import RunningService, publish
with publish(RunningService("http://127.0.0.1:1", "secret", sys.argv[1], "", 2.0)):
    print(flush=True)
    time.sleep(600)
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningService:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return RunningService("http://127.0.0.1:8080", "secret", str(tmp_path), str(tmp_path / "accounts.db"), 1.0)


def test_a_service_is_found_while_it_runs(service: RunningService, tmp_path: Path) -> None:
    with publish(service):
        during = find_services(tmp_path)

    assert during == [service]
    assert find_services(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_only_its_user_may_read_the_file(service: RunningService) -> None:
    with publish(service) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text())["key"] == "secret"
    assert "secret" not in repr(service)


@pytest.mark.parametrize("mode", [0o644, 0o620])
def test_a_file_that_others_may_touch_is_not_believed(service: RunningService, tmp_path: Path, mode: int) -> None:
    with publish(service) as path:
        path.chmod(mode)

        assert find_services(tmp_path) == []


def test_a_link_is_not_followed(service: RunningService, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with publish(replace(service, data=str(elsewhere))) as path:
        (tmp_path / "service-1.json").symlink_to(path)

        assert find_services(tmp_path) == []


def test_a_service_that_was_killed_is_not_found(service: RunningService, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PUBLISH, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        alive = find_services(tmp_path)
        process.send_signal(signal.SIGKILL)

    assert [each.url for each in alive] == ["http://127.0.0.1:1"]
    assert find_services(tmp_path) == []


def test_the_runtime_folder_of_the_user_comes_first(
    service: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()

    with publish(service) as path:
        assert path == tmp_path / "run" / "stt" / f"service-{os.getpid()}.json"
        assert find_services(tmp_path / "any") == [service]


def test_of_several_services_that_with_the_same_data_is_meant(
    service: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    command = [sys.executable, "-c", PUBLISH, str(tmp_path / "other")]
    with publish(service), subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        same = [each.started for each in find_services(tmp_path)]
        neither = [each.started for each in find_services(tmp_path / "third")]
        process.kill()

    assert same == [1.0, 2.0]
    assert neither == [2.0, 1.0]
