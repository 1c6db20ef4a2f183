"""The door of the live stream: keys, minutes, slots, pages of other origins, floods."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.service_process import ServiceProcess, client_of, stt_keys

CONFIG = json.dumps({"language": "en", "model": "base"})
SECOND = 32_000  # bytes
REFUSED, TOO_BIG, TRY_LATER = 1008, 1009, 1013


def stream(service: ServiceProcess, query: str = "", address: str = "198.51.100.50", **options: Any) -> connect:
    url = service.url.replace("http:", "ws:") + "/v1/stream" + query
    return connect(url, additional_headers={"X-Forwarded-For": address}, ping_timeout=None, max_size=None, **options)


async def read_all(socket: ClientConnection) -> list[dict[str, Any]]:
    messages = []
    try:
        async for text in socket:
            messages.append(json.loads(text))
    except ConnectionClosed:
        pass
    return messages


def paid_key(service: ServiceProcess, credits: int) -> str:
    return stt_keys(service.data, "create", "--tier", "paid", "--credits", str(credits)).stdout.strip()


def remaining(service: ServiceProcess, key: str) -> int:
    with client_of(service, key) as client:
        left: int = client.get("/v1/usage").json()["transcription"]["remaining"]
    return left


async def speak(socket: ClientConnection, pcm: bytes) -> None:
    await socket.send(CONFIG)
    assert json.loads(await socket.recv())["status"] == "ready"
    for start in range(0, len(pcm), SECOND):
        await socket.send(pcm[start : start + SECOND])
    await socket.send(json.dumps({"action": "stop"}))


async def test_a_session_is_charged_by_the_minute(metered: ServiceProcess, pcm: bytes) -> None:
    key = paid_key(metered, 10)
    async with stream(metered, f"?token={key}") as socket:
        await speak(socket, pcm)
        messages = await read_all(socket)

    assert messages[-1]["is_final"] is True
    assert remaining(metered, key) == 9


async def test_a_session_ends_with_an_error_and_its_text_when_the_credits_end(
    metered: ServiceProcess, pcm: bytes
) -> None:
    key = paid_key(metered, 1)
    async with stream(metered, f"?token={key}") as socket:
        await speak(socket, pcm + bytes(50 * SECOND) + pcm * 2)  # 71 seconds
        messages = await read_all(socket)

    assert "credits" in messages[-1]["error"].lower()
    assert socket.close_code == REFUSED
    assert any("leisure" in str(message.get("text")) for message in messages)
    assert remaining(metered, key) == 0


@pytest.mark.parametrize("token", ["stt_wrong", "undefined"])
async def test_a_wrong_key_in_the_address_is_refused_and_never_anonymous(metered: ServiceProcess, token: str) -> None:
    async with stream(metered, f"?token={token}") as socket:
        messages = await read_all(socket)

    assert [message["error"] for message in messages if "API key" in message["error"]]
    assert socket.close_code == REFUSED


async def test_of_a_flood_of_sessions_from_one_address_one_is_let_in(metered: ServiceProcess) -> None:
    opened = [await stream(metered, address="198.51.100.60") for _ in range(30)]

    async def outcome(socket: ClientConnection) -> str:
        try:
            return str(json.loads(await asyncio.wait_for(socket.recv(), 5)).get("error"))
        except TimeoutError:
            return "waits for its config"

    outcomes = await asyncio.gather(*(outcome(socket) for socket in opened))
    codes = [socket.close_code for socket in opened]
    for socket in opened:
        await socket.close()

    assert outcomes.count("waits for its config") == 1
    assert sum("At most 1 at once" in outcome for outcome in outcomes) == 29
    assert codes.count(TRY_LATER) == 29


async def test_revoking_a_key_ends_the_session_that_it_opened(metered: ServiceProcess, pcm: bytes) -> None:
    key = paid_key(metered, 10)
    async with stream(metered, f"?token={key}") as socket:
        await socket.send(CONFIG)
        assert json.loads(await socket.recv())["status"] == "ready"
        await socket.send(pcm[:SECOND])
        await asyncio.to_thread(stt_keys, metered.data, "revoke", key)
        messages = await asyncio.wait_for(read_all(socket), 60)

    assert "revoked" in messages[-1]["error"]
    assert socket.close_code == REFUSED
    assert " 9 " in next(
        line for line in stt_keys(metered.data, "list").stdout.splitlines() if key.split("_")[1] in line
    )


async def test_a_page_of_another_origin_cannot_open_a_stream(metered: ServiceProcess) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with stream(metered, origin="https://elsewhere.example"):
            pass
    async with stream(metered, address="198.51.100.70", origin="https://app.example") as socket:
        await socket.send(CONFIG)
        ready = json.loads(await socket.recv())

    assert refused.value.response.status_code == 403
    assert ready["status"] == "ready"


async def test_a_frame_that_is_too_large_closes_the_stream(metered: ServiceProcess) -> None:
    async with stream(metered, address="198.51.100.80") as socket:
        await socket.send(CONFIG)
        with contextlib.suppress(ConnectionClosed):
            await socket.send(bytes(17 * 1024**2))
        await read_all(socket)

    assert socket.close_code == TOO_BIG
