import json
import logging

import pytest

from gateway.http.middleware.request_log import LONGEST_PATH, RequestLogMiddleware
from gateway.log import REQUEST_LOGGER, JsonFormatter, TextFormatter

HOSTILE = "/v1/\x1b[2J\x9b2J\u2028\u202e\x7f\x00"


def record(path: str) -> logging.LogRecord:
    entry = logging.LogRecord(REQUEST_LOGGER, logging.INFO, "", 0, "request", None, None)
    entry.__dict__.update({"method": "GET", "path": path, "status": 404, "seconds": 0.1})
    return entry


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_no_path_moves_the_cursor_of_who_reads_the_log(formatter: logging.Formatter) -> None:
    line = formatter.format(record(HOSTILE))

    assert line.isprintable()
    assert "u009b2J" in line


def test_an_entry_still_holds_the_path_as_it_was() -> None:
    assert json.loads(JsonFormatter().format(record(HOSTILE)))["path"] == HOSTILE


async def test_a_path_of_any_length_is_a_short_line(caplog: pytest.LogCaptureFixture) -> None:
    async def app(*_: object) -> None:
        return None

    with caplog.at_level(logging.INFO, REQUEST_LOGGER):
        scope = {"type": "http", "method": "GET", "path": "/" + "a" * 250_000, "headers": [], "client": ("::1", 1)}
        await RequestLogMiddleware(app)(scope, None, None)  # type: ignore[arg-type]

    (entry,) = caplog.records
    assert len(entry.__dict__["path"]) == LONGEST_PATH
