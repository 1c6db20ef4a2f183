"""What all tests share."""

from __future__ import annotations

import os
import signal
import tempfile

import pytest
from hypothesis import settings

# How long an example takes depends on the machine and on what else runs there.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

# What the tests' programs would keep in the user's home is gone when the tests end.
_caches = tempfile.TemporaryDirectory(prefix="stt-test-caches-", ignore_cleanup_errors=True)
for name in ("MPLCONFIGDIR", "NODE_COMPILE_CACHE"):
    os.environ[name] = f"{_caches.name}/{name.lower()}"


# A shell has what it runs in the background ignore Ctrl-C, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write the tables and examples of docs/api.md anew")
    parser.addini("most_skips", "a run in which more tests are skipped fails: green must mean tried", default="0")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return
    skipped, most = len(reporter.stats.get("skipped", [])), int(session.config.getini("most_skips"))
    if skipped > most:
        reporter.write_line(f"{skipped} tests were skipped, and at most {most} may be (most_skips)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
