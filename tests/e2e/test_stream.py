"""Live speech through the running service, as each published client speaks it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jiwer
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from docs.live.stt_live import LiveStream
from tests.e2e.relay import relaying
from tests.e2e.service_process import STT, ServiceProcess, run_service

Message = dict[str, Any]
SAID = "john dashwood had then leisure to consider how much there might be prudently in his power to do for them"


def stream_url(service: ServiceProcess, query: str = "") -> str:
    return service.url.replace("http", "ws") + "/v1/stream" + query


async def read_to_end(socket: ClientConnection) -> list[Message]:
    messages: list[Message] = []
    try:
        async for text in socket:
            messages.append(json.loads(text))
    except ConnectionClosed:
        pass
    return messages


async def send_pieces(socket: ClientConnection, pcm: bytes, size: int) -> None:
    for start in range(0, len(pcm), size):
        await socket.send(pcm[start : start + size])


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ")


def check_whole(messages: list[Message]) -> None:
    """Everything said is in the last message, and the finals before it add up to it."""
    *before, last = messages
    assert last["is_final"] and last["final"]
    assert SAID in plain(last["text"])
    assert last["duration"] == pytest.approx(7.1, abs=0.1)
    assert " ".join(m["text"] for m in before if m["type"] == "transcript") == last["text"]
    assert not any(m["is_final"] or m["final"] for m in before)


async def test_the_reference_client(service: ServiceProcess, pcm: bytes) -> None:
    async with connect(stream_url(service)) as socket:
        await socket.send('{"language": "en", "model": "large-v3-turbo"}')
        ready = json.loads(await socket.recv())
        assert ready["status"] == "ready"
        await send_pieces(socket, pcm, 8192)
        await socket.send('{"action": "stop"}')
        messages = await read_to_end(socket)
        assert socket.close_code == 1000
    check_whole(messages)
    words = [word for m in messages if m["type"] == "transcript" for word in m["words"]]
    assert all(0 <= word["start"] <= word["end"] <= 7.2 for word in words)


async def test_frames_may_split_samples(service: ServiceProcess, pcm: bytes) -> None:
    async with connect(stream_url(service)) as socket:
        await socket.send('{"language": "en"}')
        await send_pieces(socket, pcm, 4097)
        await socket.send('{"action": "stop"}')
        messages = await read_to_end(socket)
    check_whole(messages[1:])


async def test_an_empty_frame_ends_a_stream_that_its_address_configured(service: ServiceProcess, pcm: bytes) -> None:
    async with connect(stream_url(service, "?model=large-v3-turbo&language=auto")) as socket:
        await send_pieces(socket, pcm, 3200)
        await socket.send(b"")
        messages = await read_to_end(socket)
        assert socket.close_code == 1000
    check_whole([m for m in messages if m["type"] in ("partial", "transcript", "final")])
    assert any(m["type"] == "language" and m["language"] == "en" for m in messages)


async def test_text_settles_while_it_is_spoken(service: ServiceProcess, pcm: bytes) -> None:
    async with connect(stream_url(service, "?language=en")) as socket:
        for start in range(0, len(pcm), 3200):
            await socket.send(pcm[start : start + 3200])
            await asyncio.sleep(0.1)
        await socket.send(b"")
        messages = await read_to_end(socket)
    check_whole([m for m in messages if m["type"] in ("partial", "transcript", "final")])
    assert any(m["partial"] for m in messages)
    assert not any(m["text"] for m in messages if m["type"] == "partial")


async def test_turns_are_told_to_a_client_that_asks(service: ServiceProcess, pcm: bytes) -> None:
    async with connect(stream_url(service)) as socket:
        await socket.send('{"language": "en", "end_of_turn": {"policy": "evidence", "silent": 1}}')
        assert json.loads(await socket.recv())["ignored"] == ["end_of_turn.silent"]
        await send_pieces(socket, pcm + bytes(32000) + pcm, 3200)
        await socket.send(b"")
        messages = await read_to_end(socket)
    kinds = [m["type"] for m in messages]
    ends = [m for m in messages if m["type"] == "turn" and m["event"] == "end"]
    assert len(ends) >= 1
    assert all(m["start"] < m["time"] <= 2 * len(pcm) / 32000 + 1 for m in ends)
    assert messages.index(ends[-1]) > max(i for i, kind in enumerate(kinds) if kind == "transcript")


async def test_words_and_the_end_name_who_speaks(service: ServiceProcess, pcm: bytes) -> None:
    async with connect(stream_url(service)) as socket:
        await socket.send('{"language": "en", "diarize": true}')
        assert "ignored" not in json.loads(await socket.recv())
        await send_pieces(socket, pcm, 3200)
        await socket.send(b"")
        messages = await read_to_end(socket)
    check_whole(messages)
    words = [word for m in messages if m["type"] == "transcript" for word in m["words"]]
    last = messages[-1]
    assert {word.get("speaker") for word in words} <= {"Speaker 1", None}  # none: the diarizer was late
    assert last["speakers"] == ["Speaker 1"] == [*{piece["speaker"] for piece in last["segments"]}]
    told = [(word["word"], word["start"]) for piece in last["segments"] for word in piece["words"]]
    assert told == [(word["word"], word["start"]) for word in words]


@pytest.mark.parametrize("start", [0.0, 0.65])  # seconds; after the second one Whisper ends its text too early
async def test_a_sentence_that_is_said_twice_is_heard_twice(service: ServiceProcess, pcm: bytes, start: float) -> None:
    async with connect(stream_url(service, "?language=en")) as socket:
        await send_pieces(socket, (pcm * 2)[round(start * 16000) * 2 :], 3200)
        await socket.send(b"")
        messages = await read_to_end(socket)
    assert plain(messages[-1]["text"]).count("how much there might be prudently in his power to do for them") == 2
    assert messages[-1]["warnings"] == []


async def test_a_session_goes_on_by_another_connection_wherever_the_line_is_cut(
    service: ServiceProcess, pcm: bytes
) -> None:
    draw = random.Random(21)
    places = sorted(draw.randrange(20_000, len(pcm)) for _ in range(2))  # bytes

    async def choose() -> str:
        return service.url

    async def spoken() -> AsyncIterator[bytes]:
        for start in range(0, len(pcm), 3200):
            yield pcm[start : start + 3200]
            await asyncio.sleep(0.05)

    async with relaying(choose) as relay:
        cutting = asyncio.create_task(relay.cut_at(places))
        stream = LiveStream(f"{relay.url.replace('http', 'ws')}/v1/stream", config={"language": "en"})
        async with asyncio.timeout(120):
            heard = [message async for message in stream.listen(spoken())]
        await cutting

    assert relay.connections == 3
    text = " ".join(message["text"] for message in heard if message["type"] == "transcript")
    # Where a word was cut in two, it may be heard otherwise.
    assert jiwer.wer(f"and mr {SAID}", plain(text)) < 0.1


async def test_silence_gives_no_words(service: ServiceProcess) -> None:
    async with connect(stream_url(service, "?language=auto")) as socket:
        await socket.send(bytes(16000 * 2 * 20))
        await socket.send(b"")
        messages = await read_to_end(socket)
    assert [m["type"] for m in messages] == ["ready", "final"]
    assert messages[-1]["text"] == ""


@pytest.mark.parametrize(
    ("query", "frame", "says"),
    [
        ("", "hello", "JSON"),
        ("", '{"model": "tiny-ish"}', "model"),
        ("", '{"language": "klingon"}', "language"),
        ("", '{"end_of_turn": {"threshold": 7}}', "threshold"),
        ("", json.dumps({"model": "ü" * 40}), "model"),  # a reason of 100 letters may be longer than its frame
        ("", bytes(3200), "config"),
        ("?language=en", "what is this", "JSON"),
    ],
)
async def test_a_mistake_is_explained_before_the_stream_closes(
    service: ServiceProcess, query: str, frame: str | bytes, says: str
) -> None:
    async with connect(stream_url(service, query)) as socket:
        await socket.send(frame)
        messages = await read_to_end(socket)
    assert messages[-1]["type"] == "error"
    assert says in messages[-1]["error"]
    assert socket.close_code == 1008


async def test_a_stream_that_stands_still_is_ended_with_what_it_said(
    service: ServiceProcess, pcm: bytes, tmp_path: Path
) -> None:
    settings = {"STT_TRITON_URLS": service.triton, "STT_STREAM_IDLE_SECONDS": "1"}
    with run_service(tmp_path, **settings) as impatient:
        async with connect(stream_url(impatient, "?language=en")) as socket:
            await send_pieces(socket, pcm, 32000)
            messages = await read_to_end(socket)
    assert any(m["type"] == "error" and "No audio" in m["error"] for m in messages)
    check_whole([m for m in messages if m["type"] in ("partial", "transcript", "final")])


async def test_a_session_goes_on_when_the_model_died(service: ServiceProcess, pcm: bytes) -> None:
    async with connect(stream_url(service, "?language=en"), ping_timeout=None) as socket:
        await send_pieces(socket, pcm[:96000], 3200)
        await asyncio.sleep(1.0)
        (stub,) = (pid for pid, line in service.children().items() if "_stub" in line and "whisper-base" in line)
        os.kill(stub, signal.SIGKILL)
        await send_pieces(socket, pcm[96000:], 3200)
        await socket.send(b"")
        messages = await read_to_end(socket)
    check_whole([m for m in messages if m["type"] in ("partial", "transcript", "final")])


async def test_more_sessions_than_the_machine_carries_are_late_but_whole(service: ServiceProcess, pcm: bytes) -> None:
    async def speak() -> list[Message]:
        async with connect(stream_url(service, "?language=en"), ping_timeout=None) as socket:
            for start in range(0, len(pcm), 6400):
                await socket.send(pcm[start : start + 6400])
                await asyncio.sleep(0.2)
            await socket.send(b"")
            return await read_to_end(socket)

    for messages in await asyncio.gather(*(speak() for _ in range(12))):
        check_whole([m for m in messages if m["type"] in ("partial", "transcript", "final")])


def test_stt_listen_shows_a_file(service: ServiceProcess, dashwood: Path) -> None:
    command = [STT, "listen", "--fast", "--language", "en", "--url", service.url, str(dashwood)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert SAID in plain(shown)


def test_stt_listen_reads_standard_input(service: ServiceProcess, pcm: bytes, tmp_path: Path) -> None:
    command = [STT, "listen", "--language", "en", "--url", service.url, "-"]
    shown = subprocess.run(command, input=pcm, capture_output=True, timeout=120, check=True).stdout
    assert SAID in plain(shown.decode())


@pytest.mark.parametrize("sound", ["file", "standard input"])
async def test_stt_listen_says_everything_once_though_the_line_breaks(
    service: ServiceProcess, dashwood: Path, pcm: bytes, sound: str
) -> None:
    async def choose() -> str:
        return service.url

    async with relaying(choose) as relay:
        command = [STT, "listen", "--language", "en", "--url", relay.url, str(dashwood) if sound == "file" else "-"]
        listening = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert listening.stdin is not None
        listening.stdin.write(b"" if sound == "file" else pcm)
        listening.stdin.close()
        async with asyncio.timeout(60):
            while relay.carried < 5 * 32000:
                await asyncio.sleep(0.05)
        relay.cut()
        shown, told = await listening.communicate()

    assert plain(shown.decode()).split()[2:] == SAID.split()
    assert b"connected again" in told
    assert relay.connections == 2
