"""schemathesis asks the running service for everything that the OpenAPI document allows, and for what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.service_process import ServiceProcess, stt_keys

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_no_request_gets_an_answer_outside_of_the_document(full: ServiceProcess, tmp_path: Path) -> None:
    """No 500; every status, header, media type and body is described; bad requests are refused, good ones are not."""
    key = stt_keys(full.data, "create", "--tier", "unlimited").stdout.strip()
    hooks = str(CONFIG.with_name("schemathesis_hooks.py"))
    command: list[str | Path] = [SCHEMATHESIS, "--config-file", CONFIG, "run", f"{full.url}/openapi.json", "--no-color"]

    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"STT_CLIENT_KEY": key, "HOOKS": hooks},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout[-12_000:] + ended.stderr[-2000:]
    assert "Selected: 33/33" in ended.stdout
    assert "Tested: 33" in ended.stdout, ended.stdout[-3000:]
