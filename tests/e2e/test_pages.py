"""The examples in docs/, run as they stand against the running service, in a folder with a meeting to transcribe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.e2e.service_process import STT, ServiceProcess
from tests.page_blocks import ROOT, Block, blocks

DOCS = ROOT / "docs"
EXAMPLES = [block for page in sorted(DOCS.rglob("*.md")) for block in blocks(page) if block.is_run]


@pytest.fixture
def folder(tmp_path: Path, dashwood: Path) -> Path:
    """A folder with the meeting that the examples speak of."""
    picture = ["-f", "lavfi", "-i", "color=black:s=64x64:r=5", "-i", str(dashwood), "-shortest"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, str(tmp_path / "meeting.mp4")]
    subprocess.run(command, check=True)
    return tmp_path


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_of_a_page_runs(service: ServiceProcess, folder: Path, key: str, example: Block) -> None:
    code = example.code.replace("http://127.0.0.1:8080", service.url)
    environment = os.environ | {
        "PATH": f"{Path(STT).parent}:{os.environ['PATH']}",
        "STT_CLIENT_KEY": key,
        "STT_CLIENT_URL": service.url,
        "STT_SERVER_DATA": str(service.data),
    }
    command = ["sh", "-ec", code.replace("curl ", "curl --fail --silent --show-error ")]
    if example.language == "python":
        command = [sys.executable, "-c", code]

    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout or len(list(folder.iterdir())) > 1


def test_the_code_for_browsers_is_that_of_the_page_which_a_browser_runs() -> None:
    code, _live = re.findall(r"```js\n(.*?)```", (DOCS / "clients.md").read_text(encoding="utf-8"), flags=re.DOTALL)

    assert code in (DOCS / "browser.html").read_text(encoding="utf-8")
