"""Wyoming by Home Assistant's own library, and byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import soxr
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping

from gateway.dialects.wyoming.discovery import TYPE, announced
from gateway.errors import Unavailable
from gateway.settings import WyomingSettings
from speech.languages import NAMES
from tests.unit.gateway.dialects.dialect_service import DialectService, run_dialects, until

Wyoming = AsyncTcpClient


@asynccontextmanager
async def connected(service: DialectService) -> AsyncIterator[AsyncTcpClient]:
    host, _, port = service.wyoming.removeprefix("tcp://").rpartition(":")
    async with AsyncTcpClient(host, int(port)) as client:
        yield client


@asynccontextmanager
async def raw(service: DialectService) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = service.wyoming.removeprefix("tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.close()


async def say(client: AsyncTcpClient, sound: bytes, rate: int = 16_000, width: int = 2, channels: int = 1) -> None:
    kind = {"rate": rate, "width": width, "channels": channels}
    await client.write_event(AudioStart(**kind).event())
    step = rate * width * channels // 10
    for start in range(0, len(sound), step):
        await client.write_event(AudioChunk(**kind, audio=sound[start : start + step]).event())
    await client.write_event(AudioStop().event())


async def answered(client: AsyncTcpClient, last: str = "transcript-stop") -> list[Event]:
    told: list[Event] = []
    async with asyncio.timeout(60):
        while not told or told[-1].type != last:
            event = await client.read_event()
            assert event is not None, [each.type for each in told]
            told.append(event)
    return told


async def heard(client: AsyncTcpClient) -> str:
    (transcript,) = (event for event in await answered(client) if Transcript.is_type(event.type))
    return Transcript.from_event(transcript).text


async def test_case_37_home_assistant_asks_what_there_is(service: DialectService) -> None:
    async with connected(service) as client:
        await client.write_event(Describe().event())
        event = await asyncio.wait_for(client.read_event(), 10)

    assert event is not None
    info = Info.from_event(event)
    (program,) = info.asr
    assert (info.tts, info.wake, info.handle, info.intent) == ([], [], [], [])
    assert program.installed and program.supports_transcript_streaming
    assert program.requires_external_vad is False
    assert set(program.models[0].languages) == set(NAMES) - {"yue"}


async def test_case_37_an_utterance_is_transcribed(service: DialectService, pcm: np.ndarray) -> None:
    async with connected(service) as client:
        await client.write_event(Transcribe(language="en").event())
        await say(client, pcm.tobytes())
        text = await heard(client)

    assert text.startswith("said0 said1") and len(text.split()) > 10
    assert service.models.requests[0].language == "en"


async def test_names_and_terms_are_key_terms_and_those_beyond_the_limit_a_prompt(
    service: DialectService, pcm: np.ndarray
) -> None:
    names, terms = [f"Lamp {at}" for at in range(99)], ["Siobhan", "?!", "the hall", "x" * 81]
    async with connected(service) as client:
        await client.write_event(Transcribe(transcript_names=names, transcript_terms=terms).event())
        await say(client, pcm.tobytes())
        await heard(client)

    request = service.models.requests[0]
    assert request.keyterms == (*names, "Siobhan")
    assert request.prompt == f"?!, the hall, {'x' * 81}"


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(44_100, 2, 2), (16_000, 1, 1), (16_000, 3, 1), (48_000, 4, 1)]
)
async def test_case_37_other_sound_is_converted(
    service: DialectService, pcm: np.ndarray, rate: int, width: int, channels: int
) -> None:
    samples = soxr.resample(pcm, 16_000, rate) if rate != 16_000 else pcm
    samples = np.repeat(samples, channels)
    wide = samples.astype(np.int64) << 16
    sound = {
        1: ((samples >> 8) + 128).astype(np.uint8).tobytes(),
        2: samples.astype("<i2").tobytes(),
        3: np.ascontiguousarray((wide >> 8).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]).tobytes(),
        4: wide.astype("<i4").tobytes(),
    }[width]
    async with connected(service) as client:
        await say(client, sound, rate, width, channels)
        text = await heard(client)

    assert text.startswith("said0 said1") and 10 < len(text.split()) < 20


def framed(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"", *, inline: bool = False) -> bytes:
    head: dict[str, Any] = {"type": kind}
    block = b""
    if data is not None and inline:
        head["data"] = data
    elif data is not None:
        block = json.dumps(data, ensure_ascii=False).encode()
        head["data_length"] = len(block)
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + block + payload


async def test_case_38_bytes_come_as_they_like(service: DialectService, pcm: np.ndarray) -> None:
    kind = {"rate": 16_000, "width": 2, "channels": 1}
    head = framed("something-new", {"x": 1}) + framed("ping", {"text": "né"}) + framed("audio-start", kind, inline=True)
    async with raw(service) as (reader, writer):
        for byte in head:
            writer.write(bytes([byte]))
            await writer.drain()
        chunk = framed("audio-chunk", kind, pcm.tobytes(), inline=True)
        writer.write(chunk + framed("audio-stop"))
        text = b""
        while b"transcript-stop" not in text:
            text += await asyncio.wait_for(reader.read(65536), 60)

    assert text.startswith(b'{"type": "pong"') and "né".encode() in text
    assert b"said0 said1" in text


async def test_case_38_a_transcript_outside_of_ascii_is_whole(service: DialectService, pcm: np.ndarray) -> None:
    service.models.word = "größe"
    async with connected(service) as client:
        await say(client, pcm.tobytes())
        text = await heard(client)

    assert text.startswith("größe0 größe1")


async def test_case_38_ping_and_no_audio(service: DialectService) -> None:
    async with connected(service) as client:
        await client.write_event(Ping(text="x").event())
        pong = await client.read_event()
        await client.write_event(Transcribe().event())
        await client.write_event(AudioStart(rate=16_000, width=2, channels=1).event())
        await client.write_event(AudioStop().event())
        text = await heard(client)

    assert pong is not None and (pong.type, pong.data["text"]) == ("pong", "x")
    assert text == ""


async def test_case_39_text_is_streamed(service: DialectService, pcm: np.ndarray) -> None:
    async with connected(service) as client:
        await say(client, np.concatenate([pcm, np.zeros(24_000, np.int16), pcm]).tobytes())
        told = await answered(client)

    kinds = [event.type for event in told]
    assert kinds[0] == "transcript-start" and kinds[-2:] == ["transcript", "transcript-stop"]
    chunks = [event.data["text"] for event in told if event.type == "transcript-chunk"]
    assert len(chunks) >= 2 and "".join(chunks) == told[-2].data["text"]


async def test_the_service_ends_an_utterance_by_itself(service: DialectService, pcm: np.ndarray) -> None:
    """Home Assistant sends on until the transcript comes."""
    kind: Any = {"rate": 16_000, "width": 2, "channels": 1}
    sound = np.concatenate([pcm[: 16_000 * 2], np.zeros(16_000 * 30, np.int16)])
    async with connected(service) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(**kind).event())
        answering = asyncio.create_task(heard(client))
        for start in range(0, len(sound), 1_600):
            if answering.done():
                break
            await client.write_event(AudioChunk(**kind, audio=sound[start : start + 1_600].tobytes()).event())
            await asyncio.sleep(0.1)
        text = await answering

    assert text.startswith("said0") and len(text.split()) < 6


async def test_case_39_an_engine_that_is_away_is_told(service: DialectService, pcm: np.ndarray) -> None:
    service.models.failures = [Unavailable("The speech engine is away.", 5)]
    async with connected(service) as client:
        await say(client, pcm.tobytes())
        (*_, error) = await answered(client, "error")
        end = await client.read_event()

    assert error.data["text"] == "The speech engine is away."
    assert end is None


async def test_sound_that_cannot_be_read_is_told(service: DialectService) -> None:
    async with connected(service) as client:
        await client.write_event(Event("audio-start", {"rate": 16_000, "width": 9, "channels": 1}))
        await client.write_event(Event("audio-chunk", {"rate": 16_000, "width": 9, "channels": 1}, bytes(9)))
        (*_, error) = await answered(client, "error")

    assert "accepted are 1, 2, 3 and 4 bytes" in error.data["text"]


async def test_a_language_that_the_model_lacks_is_neither_offered_nor_refused(
    service: DialectService, pcm: np.ndarray
) -> None:
    async with connected(service) as client:
        await client.write_event(Describe().event())
        (info,) = await answered(client, "info")
        await client.write_event(Transcribe(language="yue").event())
        await say(client, pcm.tobytes())
        await answered(client, "transcript")

    assert "yue" not in info.data["asr"][0]["models"][0]["languages"]
    assert service.models.requests[0].language is None


@pytest.mark.parametrize(
    "broken",
    [
        b"not JSON\n",
        b"[]\n",
        b"x" * 70_000 + b"\n",
        framed("audio-start", {"rate": 16_000, "width": 2, "channels": 1}) + framed("audio-chunk", {"rate": "fast"}),
        b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
        b'{"type": "describe", "data_length": -1}\n',
    ],
    ids=["text", "list", "long line", "rate", "payload", "length"],
)
async def test_case_39_what_is_no_event_ends_the_connection_alone(service: DialectService, broken: bytes) -> None:
    async with raw(service) as (reader, writer):
        writer.write(broken)
        assert await asyncio.wait_for(reader.read(), 30) == b""
    async with connected(service) as client:
        await client.write_event(Describe().event())
        assert await client.read_event() is not None


async def test_case_39_a_client_that_goes_frees_its_session(service: DialectService, pcm: np.ndarray) -> None:
    kind: Any = {"rate": 16_000, "width": 2, "channels": 1}
    async with connected(service) as client:
        await client.write_event(AudioStart(**kind).event())
        await client.write_event(AudioChunk(**kind, audio=pcm.tobytes()).event())
        await client.write_event(Ping().event())
        await client.read_event()

    until(lambda: service.services.draining.in_flight == 0)


async def test_limits_of_a_connection(tmp_path: Any, pcm: np.ndarray) -> None:
    limits = WyomingSettings(address="127.0.0.1:0", connections=1, longest_seconds=2)
    with run_dialects(tmp_path, wyoming=limits) as service:
        async with connected(service) as first, connected(service) as second:
            await first.write_event(Describe().event())
            await first.read_event()
            busy = await second.read_event()
            await say(first, pcm.tobytes())
            (*_, error) = await answered(first, "error")

    assert busy is not None and busy.data["code"] == "busy"
    assert "accepted are 2 s" in error.data["text"]


async def test_it_is_off_by_default(tmp_path: Any) -> None:
    with run_dialects(tmp_path, wyoming=WyomingSettings()) as service:
        assert service.wyoming == ""


async def test_it_is_announced_on_request() -> None:
    from zeroconf import ServiceStateChange
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

    found = asyncio.Event()

    def on_change(zeroconf: Any, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Added and name.startswith("stt-"):
            found.set()

    async with announced("127.0.0.1", 10_300, on=True):
        browser = AsyncZeroconf(interfaces=["127.0.0.1"])
        listening = AsyncServiceBrowser(browser.zeroconf, TYPE, handlers=[on_change])
        await asyncio.wait_for(found.wait(), 20)
        await listening.async_cancel()
        await browser.async_close()
