"""`stt mcp` as a program of agents starts it: over standard input and output, against a running service."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from tests.e2e.service_process import STT, ServiceProcess

Call = Callable[..., CallToolResult]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, dashwood: Path) -> Path:
    """The working directory of the command, with a recording."""
    folder = tmp_path_factory.mktemp("mcp")
    shutil.copy(dashwood, folder / "dashwood.flac")
    return folder


@pytest.fixture(scope="module")
def owner(service: ServiceProcess, key: str) -> Iterator[httpx.Client]:
    """Asks the service itself, with the same key."""
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as client:
        yield client


@pytest.fixture(scope="module")
def call(service: ServiceProcess, key: str, folder: Path) -> Iterator[Call]:
    """A tool of a server that runs for the whole module. Spoken to as most clients do: with a handshake."""
    environment = {"STT_CLIENT_URL": service.url, "STT_CLIENT_KEY": key, "STT_SERVER_DATA": str(folder / ".data")}
    command = StdioServerParameters(command=STT, args=["mcp"], env=environment, cwd=folder)
    connected = Client(command, mode="legacy", read_timeout_seconds=120)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(connected) as client:

        def call(tool: str, progress: Any = None, **arguments: Any) -> CallToolResult:
            return portal.call(partial(client.call_tool, tool, arguments, progress_callback=progress))

        yield call


@pytest.fixture(scope="module")
def transcribed(call: Call) -> dict[str, Any]:
    """The job, with what was told of its progress."""
    told: list[float] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        assert total == 1.0
        told.append(done)

    job = content(call("transcribe", on_progress, source="dashwood.flac", language="en", wait_seconds=100))
    return job | {"told": told}


def content(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def test_a_file_becomes_a_job_whose_progress_is_told(transcribed: dict[str, Any]) -> None:
    assert transcribed["status"] == "completed"
    assert transcribed["file_name"] == "dashwood.flac"
    assert transcribed["told"]
    assert transcribed["told"] == sorted(transcribed["told"])


def test_its_transcript_is_listed_read_searched_and_asked(call: Call, transcribed: dict[str, Any]) -> None:
    job_id = transcribed["job_id"]

    listed = content(call("list_transcriptions", status="completed"))["transcriptions"]
    read = content(call("read_transcript", job_id=job_id))
    found = content(call("search_transcripts", query="Dashwood", job_id=job_id))["passages"]
    asked = content(call("ask_transcript", job_id=job_id, question="What became of Mr. Dashwood?"))["passages"]

    assert job_id in [each["job_id"] for each in listed]
    assert read["pages"] == 1
    assert "Dashwood" in read["lines"][0]["text"]
    assert read["lines"][0]["speaker"] == "Speaker 1"
    assert found[0]["lines"][0] in read["lines"]
    assert asked[0]["lines"][0] in read["lines"]


@pytest.mark.parametrize("shape", ["json", "txt", "srt", "vtt"])
def test_its_transcript_is_exported_as_the_service_renders_it(
    owner: httpx.Client, call: Call, transcribed: dict[str, Any], shape: str
) -> None:
    job_id = transcribed["job_id"]

    written = content(call("export_transcript", job_id=job_id, format=shape, path=f"out.{shape}"))

    rendered = owner.get(f"/v1/jobs/{job_id}/transcript", params={"response_format": shape}).text
    assert Path(written["path"]).name == f"out.{shape}"
    assert Path(written["path"]).read_text() == rendered


def test_what_it_may_not_do_is_refused_in_a_sentence(call: Call, transcribed: dict[str, Any]) -> None:
    outside = call("transcribe", source="/etc/hostname")
    private = call("transcribe", source="http://169.254.169.254/latest/meta-data")
    unknown = call("read_transcript", job_id="0" * 32)

    assert outside.is_error
    assert "lies outside" in str(outside.content)
    assert private.is_error or content(private)["status"] == "failed"
    assert unknown.is_error
    assert "There is no job of this id" in str(unknown.content)


def test_a_summary_needs_a_summarizer(call: Call, transcribed: dict[str, Any]) -> None:
    refused = call("summarize_transcript", job_id=transcribed["job_id"])

    assert refused.is_error
    assert "summar" in str(refused.content)
