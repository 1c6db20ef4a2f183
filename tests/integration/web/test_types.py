"""The web page's code fits the API that the service describes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gateway.routes.reference import ApiDocuments
from gateway.routes.table import CHANNELS, OPERATIONS
from tests.web_packages import PROGRAMS, WEB, web_package


def test_the_page_asks_for_what_the_service_describes(tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(ApiDocuments(OPERATIONS, CHANNELS).openapi)
    node = PROGRAMS / "node"
    make, check = web_package("openapi-typescript") / "bin" / "cli.js", web_package("typescript") / "bin" / "tsc"

    made: list[str | Path] = [node, make, document, "--output", WEB / "source" / "api.d.ts"]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    checked = subprocess.run([node, check, "--project", WEB], capture_output=True, text=True, timeout=300, check=False)

    assert checked.stdout == ""
    assert checked.returncode == 0
