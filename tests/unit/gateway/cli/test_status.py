from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from starlette.responses import JSONResponse

from gateway.cli.main import main
from tests.unit.gateway.cli.fake_service import FakeService, run_fake


@pytest.fixture
def service() -> Iterator[FakeService]:
    with run_fake(FakeService()) as running:
        yield running


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("status", ["service  URL (--url)", "state    works"]),
        ("models", ["base            Small."]),
        ("usage", ["tier           free", "5 of 600 minutes left until 2026-12-01 00:00 UTC; 0 of 2 running"]),
    ],
)
def test_what_the_service_says_is_shown(
    service: FakeService, command: str, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--url", service.url]) == 0

    shown = capsys.readouterr().out
    assert all(line.replace("URL", service.url) in shown for line in lines)


@pytest.mark.parametrize("command", ["status", "models", "usage"])
def test_its_own_answer_can_be_had(service: FakeService, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--json", "--url", service.url]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_a_service_in_trouble_says_so_and_fails(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.refusal = JSONResponse({"status": "unavailable", "error": "Triton does not serve base."}, 503)

    assert main(["status", "--url", service.url]) == 1
    assert "Triton does not serve base." in capsys.readouterr().out


def test_the_key_of_the_settings_is_sent(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_CLIENT_KEY", "stt_mine")

    main(["usage", "--url", service.url])

    assert service.keys == ["Bearer stt_mine"]


@pytest.mark.parametrize("command", ["status", "models", "usage"])
def test_a_service_that_is_not_there_is_told_with_what_helps(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--url", "http://127.0.0.1:9"]) == 1

    told = capsys.readouterr().err
    assert "no service answers at http://127.0.0.1:9" in told
    assert "`stt serve`" in told and "--url or STT_CLIENT_URL" in told
