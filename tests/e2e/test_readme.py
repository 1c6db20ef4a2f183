"""README as its reader pastes it: every block in order, from a clean shell and a folder of one's own.

What README shows as output has to come out, times and identifiers aside. Only the port is another one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.page_blocks import OUTPUT, ROOT, Block, blocks

README = blocks(ROOT / "README.md")
BASE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"  # the one that the environment was made with
START_SECONDS = 180  # a service that does not start must fail, not block the suite
MORE = "…"  # stands at the end of a list that README shortens


class Reader:
    """Somebody with a new terminal, beside the checkout."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        (folder / "stt").symlink_to(ROOT)
        self._environment = {
            "HOME": str(folder),
            "PATH": f"{BASE_PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "STT_SERVER_PORT": str(port),
            "STT_SERVER_DATA": str(folder / "data"),
            "STT_CLIENT_URL": f"http://127.0.0.1:{port}",
        }
        self._here = folder

    def paste(self, block: Block) -> str:
        """Runs a block in the second terminal; what it exports and where it goes stay. Returns its output."""
        state = self.folder / ".state"
        language = {"sh": ["bash", "-ec"], "python": ["python", "-c"]}[block.language]
        code = self._moved(block.code)
        if block.language == "sh":
            code += f"\nenv -0 > {state}; pwd >> {state}"
        ended = subprocess.run(
            [*language, code],
            cwd=self._here,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"{block}: {ended.stderr}"
        if block.language == "sh":
            *variables, here = state.read_text(encoding="utf-8").split("\0")
            self._environment = dict(variable.split("=", 1) for variable in variables)
            self._here = Path(here.strip())
        return ended.stdout

    @contextmanager
    def first_terminal(self, block: Block) -> Iterator[list[str]]:
        """Runs a block that stays in the foreground, until its last line says that it is ready."""
        process = subprocess.Popen(
            ["bash", "-ec", self._moved(block.code)],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        timer = threading.Timer(START_SECONDS, process.kill)
        timer.start()
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip())
                if line.startswith("Try: "):
                    break
            else:
                pytest.fail("\n".join(["the service did not start:", *lines[-20:]]))
            timer.cancel()
            drain = threading.Thread(target=process.stdout.read, daemon=True)
            drain.start()
            yield lines
        finally:
            timer.cancel()
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=90)

    def _moved(self, text: str) -> str:
        return text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")

    def expected(self, block: Block) -> str:
        return self._moved(block.code)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Reader(tmp_path, port)


def test_every_block_runs_in_order_and_puts_out_what_readme_shows(reader: Reader) -> None:
    shown = {block: after for block, after in pairwise(README) if after.language in OUTPUT}
    foreground, *rest = [block for block in README if block.is_run]
    assert foreground.mark == "in a terminal of its own"

    with reader.first_terminal(foreground) as lines:
        assert lines[-3:] == reader.expected(shown[foreground]).splitlines()[-3:]
        for block in rest:
            output = reader.paste(block)
            if block in shown:
                compare(output, reader.expected(shown[block]), shown[block])


def compare(output: str, expected: str, block: Block) -> None:
    if block.language == "json":
        assert_like(json.loads(output), json.loads(expected), str(block))
    else:
        assert plain(output) == plain(expected), f"{block}: {output}"


def plain(text: str) -> list[str]:
    """The lines without what differs between two runs: durations, sizes, identifiers."""
    text = re.sub(r"\b\d+(\.\d+)? (s|ms|MB|GB|%)(?!\w)", r"N \2", text)
    text = re.sub(r"\b[0-9a-f]{16,}\b", "ID", text)
    return [line.rstrip() for line in text.strip().splitlines()]


def assert_like(found: Any, shown: Any, where: str) -> None:
    """Alike in names, texts and lengths; numbers alike to a fifth of a second or of themselves."""
    if isinstance(shown, dict):
        assert isinstance(found, dict) and set(found) == set(shown), where
        for name, value in shown.items():
            assert_like(found[name], value, f"{where}.{name}")
    elif isinstance(shown, list):
        assert isinstance(found, list), where
        entries = shown[:-1] if shown and shown[-1] == MORE else shown
        assert len(found) > len(entries) if entries != shown else len(found) == len(entries), where
        for number, entry in enumerate(entries):
            assert_like(found[number], entry, f"{where}[{number}]")
    elif isinstance(shown, float):
        assert found == pytest.approx(shown, rel=0.2, abs=0.2), where
    elif where.endswith(".id"):
        assert isinstance(found, type(shown)), where
    else:
        assert found == shown, where
