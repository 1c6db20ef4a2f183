"""Summaries as a user gets them: the service with its own summarizer, and the command. The model is a tiny one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.service_process import STT, ServiceProcess, run_service

MEETING = "Priya will fix the refunds by Friday. We launch on the third of May. Lena makes the screenshots."
LOAD_SECONDS = 120


@pytest.fixture(scope="module")
def summarizing(tmp_path_factory: pytest.TempPathFactory, small_summarizer: Path) -> Iterator[ServiceProcess]:
    data = tmp_path_factory.mktemp("summarizing")
    with run_service(data, SUMMARIZER="embedded", STT_SUMMARIZER_FILE=str(small_summarizer)) as running:
        deadline = time.monotonic() + LOAD_SECONDS
        while (answer := summarize(running)).status_code == 503 and time.monotonic() < deadline:
            assert int(answer.headers["Retry-After"]) > 0
            time.sleep(0.2)
        yield running


def summarize(service: ServiceProcess, **fields: str) -> httpx.Response:
    return httpx.post(f"{service.url}/v1/summarize", json={"text": MEETING, **fields}, timeout=300)


def stt(*arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([STT, *arguments], input=text, capture_output=True, text=True, timeout=300, check=False)


def test_a_text_is_summarised_by_the_embedded_model(summarizing: ServiceProcess) -> None:
    answer = summarize(summarizing, style="bullets")

    assert answer.status_code == 200
    assert answer.json()["model"] == "smollm2-135m-instruct"
    assert answer.json()["summary"]


def test_the_command_summarises_standard_input(summarizing: ServiceProcess) -> None:
    ended = stt("summarize", "-", "--style", "headline", "--url", summarizing.url, text=MEETING)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


def test_a_recording_is_transcribed_and_summarised_in_one_go(
    summarizing: ServiceProcess, dashwood: Path, tmp_path: Path
) -> None:
    target = tmp_path / "talk.txt"

    ended = stt("transcribe", dashwood, "--summary", "brief", "--output", target, "--url", summarizing.url)

    assert ended.returncode == 0, ended.stderr
    assert "leisure" in target.read_text()
    assert (tmp_path / "talk.summary.txt").read_text().strip()


def test_a_service_without_summaries_says_how_to_get_them(service: ServiceProcess, tmp_path: Path) -> None:
    ended = stt("summarize", "-", "--url", service.url, text=MEETING)

    assert ended.returncode == 1
    assert "SUMMARIZER_URL" in ended.stderr.replace("\n", "")


def test_the_summarizer_ends_with_the_service(tmp_path: Path, summarizing: ServiceProcess) -> None:
    servers = [pid for pid in summarizing.children() if "llama_server" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(servers) == 1

    assert summarizing.stop() == 0

    assert not Path(f"/proc/{servers[0]}").exists()
