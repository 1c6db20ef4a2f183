from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.service_address import find_service
from gateway.runtime_file import RunningService, publish
from gateway.settings import Settings

HERE = "http://127.0.0.1:9001"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_RUNTIME_DIR", "STT_CLIENT_URL", "STT_CLIENT_KEY", "STT_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STT_SERVER_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def running(data: Path) -> Iterator[None]:
    with publish(RunningService(HERE, "local", str(data), "", 1.0)):
        yield


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("option", "variables", "url", "key"),
    [
        (None, {}, HERE, "local"),
        (f"{HERE}/", {}, HERE, "local"),
        ("http://gpu1:8080", {}, "http://gpu1:8080", ""),
        ("http://gpu1:8080", {"STT_CLIENT_URL": "http://gpu2"}, "http://gpu1:8080", ""),
        (None, {"STT_CLIENT_URL": "http://gpu2"}, "http://gpu2", ""),
        (None, {"STT_CLIENT_URL": "http://gpu2", "STT_SERVER_PORT": "9001"}, "http://gpu2", ""),
        (None, {"STT_SERVER_PORT": "9002"}, "http://127.0.0.1:9002", ""),
        (None, {"STT_SERVER_PORT": "9001"}, HERE, "local"),
        (None, {"STT_SERVER_PORT": "0"}, HERE, "local"),
        (None, {"STT_CLIENT_KEY": "mine"}, HERE, "mine"),
    ],
)
def test_the_service_is_the_nearest_that_was_named(
    option: str | None, variables: dict[str, str], url: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    found = find_service(option, Settings())

    assert (found.url, found.key) == (url, key)


@pytest.mark.usefixtures("data")
def test_where_none_runs_it_is_the_default_address() -> None:
    assert find_service(None, Settings()).url == "http://127.0.0.1:8080"


@pytest.mark.usefixtures("running")
def test_a_key_is_not_shown() -> None:
    assert "local" not in repr(find_service(None, Settings()))
