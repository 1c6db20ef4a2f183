"""Frameworks of voice agents, unchanged, against the running service. They need an environment of their own:
docs/clients.md says how it is made and how this is run."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import pytest
import soxr

from tests.e2e.service_process import ServiceProcess
from tests.recordings import read_pcm

pytestmark = pytest.mark.agents

PYTHON = Path(__file__).parents[2] / ".venv-agents" / "bin" / "python"
PROGRAMS = Path(__file__).parent / "agents"
RATE = 24_000  # Hz, what all of them send


@pytest.fixture
def recording(tmp_path: Path, dashwood: Path) -> Path:
    path = tmp_path / "dashwood.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(soxr.resample(read_pcm(dashwood), 16_000, RATE).tobytes())
    return path


@pytest.mark.parametrize(
    ("program", "ways"),
    [
        ("livekit_agents", {"streamed", "whole"}),
        ("pipecat_pipeline", {"streamed"}),
        ("openai_agents", {"streamed", "whole"}),
    ],
)
def test_case_35_an_agents_framework_hears_what_was_said(
    program: str, ways: set[str], service: ServiceProcess, key: str, recording: Path
) -> None:
    command: list[str | Path] = [PYTHON, PROGRAMS / f"{program}.py", service.url, key, recording]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    heard = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert done.returncode == 0, done.stderr[-2000:]
    assert heard.keys() == ways
    assert all("Dashwood" in text for text in heard.values()), heard
