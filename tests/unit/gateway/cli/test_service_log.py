import json
import logging
import sys
from collections.abc import Iterator

import pytest
from rich.text import Text

from gateway.cli.service_log import configure_logging
from gateway.log import REQUEST_LOGGER

REQUEST = {"method": "POST", "path": "/v1/transcribe", "status": 200, "client": "127.0.0.1", "seconds": 1.24}


@pytest.fixture(autouse=True)
def kept_handlers() -> Iterator[None]:
    """configure_logging replaces the handlers of the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_entries_are_json_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    logging.getLogger(REQUEST_LOGGER).info("request", extra=REQUEST)

    entry = json.loads(capsys.readouterr().err)
    assert entry.items() >= REQUEST.items()
    assert entry["message"] == "request"


def test_a_request_is_a_short_line_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logging("info")
    logging.getLogger(REQUEST_LOGGER).info("request", extra=REQUEST)

    assert "POST /v1/transcribe 200 1.24 s" in Text.from_ansi(capsys.readouterr().err).plain


def test_json_can_be_asked_for_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logging("info", "json")
    logging.getLogger("gateway.triton").warning("it failed", extra={"model": "base"})

    assert json.loads(capsys.readouterr().err)["model"] == "base"


def test_fields_of_an_entry_follow_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    logging.getLogger("gateway.triton").warning("it failed", extra={"model": "base"})

    assert "it failed model=base" in capsys.readouterr().err
