"""Realtime transcription sessions, by OpenAI's Python SDK and by hand."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import openai
import pytest
import soxr
import websockets

from gateway.capacity import CapacityLimits
from gateway.errors import Unavailable
from gateway.settings import AccountSettings, ServerSettings, StreamSettings
from tests.unit.gateway.dialects.dialect_service import DialectService, run_dialects, until

VAD = {"type": "server_vad", "silence_duration_ms": 500}
ASR = "conversation.item.input_audio_transcription"
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    f"{ASR}.delta",
    f"{ASR}.completed",
]
Event = dict[str, Any]


class RealtimeClient:
    """A client without an SDK."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Event] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def append(self, sound: bytes, pieces: int = 20) -> None:
        step = -(-len(sound) // pieces) | 1  # odd, so that samples are cut apart
        for start in range(0, len(sound), step):
            audio = base64.b64encode(sound[start : start + step]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def until(self, kind: str) -> Event:
        async with asyncio.timeout(60):
            while True:
                event: Event = json.loads(await self.socket.recv())
                self.seen.append(event)
                if event["type"] == kind:
                    return event

    async def until_all(self, *kinds: str) -> None:
        """In any order."""
        while not set(kinds) <= {event["type"] for event in self.seen}:
            self.seen.append(json.loads(await asyncio.wait_for(self.socket.recv(), 60)))


@asynccontextmanager
async def connected(service: DialectService, query: str = "", **options: Any) -> AsyncIterator[RealtimeClient]:
    address = f"{service.ws}/realtime?intent=transcription{query}"
    async with websockets.connect(address, **options) as socket:
        yield RealtimeClient(socket)


def at(rate: int, pcm: np.ndarray) -> np.ndarray:
    return soxr.resample(pcm, 16_000, rate) if rate != 16_000 else pcm


def session(turn_detection: Any, kind: Any = "audio/pcm", **more: Any) -> Event:
    source = {"format": {"type": kind, **more}, "turn_detection": turn_detection}
    return {"type": "transcription", "audio": {"input": source}}


def update(turn_detection: Any, kind: str = "audio/pcm") -> str:
    return json.dumps({"type": "session.update", "session": session(turn_detection, kind)})


def transcription(**fields: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"audio": {"input": {"transcription": fields}}}})


@pytest.fixture(scope="module")
def two_turns(pcm: np.ndarray) -> np.ndarray:
    """The clip, a pause, half of it again, and silence."""
    silence = np.zeros(24_000, np.int16)
    return np.concatenate([pcm, silence, pcm[: 16_000 * 3], silence])


async def test_case_31_the_sdk_gets_turns_in_order(service: DialectService, two_turns: np.ndarray) -> None:
    told: list[Any] = []
    client = openai.AsyncOpenAI(base_url=service.base, api_key="dummy")
    sound = at(24_000, two_turns).tobytes()
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        told.append(await connection.recv())
        source: Any = {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": VAD}
        await connection.session.update(session={"type": "transcription", "audio": {"input": source}})
        told.append(await connection.recv())
        for start in range(0, len(sound), 2_400):
            audio = base64.b64encode(sound[start : start + 2_400]).decode()
            await connection.input_audio_buffer.append(audio=audio)
        async with asyncio.timeout(60):
            while sum(event.type.endswith(".completed") for event in told) < 2:
                told.append(await connection.recv())

    created, updated, *turns = told
    assert (created.type, created.session.type) == ("session.created", "transcription")
    assert updated.type == "session.updated"
    items = list(dict.fromkeys(event.item_id for event in turns if hasattr(event, "item_id") and event.item_id))
    assert len(items) == 2
    for item, before in zip(items, [None, items[0]], strict=True):
        own = [
            e for e in turns if getattr(e, "item_id", None) == item or (getattr(e, "item", None) and e.item.id == item)
        ]
        assert list(dict.fromkeys(event.type for event in own)) == TURN
        assert next(event for event in own if event.type.endswith("committed")).previous_item_id == before
        deltas = [event.delta for event in own if event.type.endswith(".delta")]
        assert own[-1].transcript == "".join(deltas) != ""
        assert not own[-1].transcript.startswith(" ")
        assert own[-1].usage.type == "duration" and own[-1].usage.seconds > 1
    started = [event.audio_start_ms for event in turns if event.type.endswith("speech_started")]
    assert started[0] < 1000 and 7_500 < started[1] < 9_500


def item_of(event: Any) -> Any:
    return event.item.id if hasattr(event, "item") else getattr(event, "item_id", None)


async def test_case_32_a_client_that_commits_by_itself(service: DialectService, pcm: np.ndarray) -> None:
    async with connected(service) as client:
        await client.until("session.created")
        await client.send("session.update", session=session(None))
        await client.until("session.updated")
        await client.send("input_audio_buffer.commit", event_id="e1")
        refused = await client.until("error")
        await client.append(at(24_000, pcm).tobytes())
        await client.send("input_audio_buffer.commit", event_id="e2")
        await client.send("input_audio_buffer.clear")
        await client.until_all("input_audio_buffer.cleared", f"{ASR}.completed")

    (completed,) = (event for event in client.seen if event["type"].endswith(".completed"))
    assert (refused["error"]["code"], refused["error"]["event_id"]) == ("input_audio_buffer_commit_empty", "e1")
    kinds = [event["type"] for event in client.seen]
    assert kinds.count(f"{ASR}.completed") == 1 and "input_audio_buffer.speech_started" not in kinds
    assert kinds.index("input_audio_buffer.committed") < kinds.index("input_audio_buffer.cleared")
    assert completed["transcript"].startswith("said0") and len(completed["transcript"].split()) > 10
    assert completed["transcript"] == "".join(each["delta"] for each in client.seen if "delta" in each)


async def test_case_32_a_commit_of_silence_invents_nothing(service: DialectService, pcm: np.ndarray) -> None:
    async with connected(service) as client:
        await client.send("session.update", session=session(VAD))
        await client.append(at(24_000, np.concatenate([pcm, np.zeros(16_000, np.int16)])).tobytes())
        await client.until(f"{ASR}.completed")
        heard = len(service.models.requests)
        await client.append(at(24_000, np.zeros(16_000, np.int16)).tobytes())
        await client.send("input_audio_buffer.commit")
        silent = await client.until(f"{ASR}.completed")

    assert silent["transcript"] == ""
    assert len(service.models.requests) == heard


async def test_case_32_clear_forgets(service: DialectService, pcm: np.ndarray) -> None:
    async with connected(service) as client:
        await client.send("session.update", session=session(None))
        await client.append(at(24_000, pcm).tobytes())
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.send("input_audio_buffer.commit", event_id="e1")
        refused = await client.until("error")

    assert refused["error"]["code"] == "input_audio_buffer_commit_empty"


@pytest.mark.parametrize(("name", "rate"), [("pcm16", 24_000), ("g711_ulaw", 8_000), ("g711_alaw", 8_000)])
async def test_case_33_the_beta_has_its_own_names(
    service: DialectService, pcm: np.ndarray, name: str, rate: int
) -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    async with connected(service, additional_headers=headers) as client:
        await client.until("transcription_session.created")
        asked = {"input_audio_format": name, "turn_detection": None, "input_audio_transcription": {"language": "en-US"}}
        await client.send("transcription_session.update", session=asked)
        updated = await client.until("transcription_session.updated")
        await client.append(encoded(name, at(rate, pcm)))
        await client.send("input_audio_buffer.commit")
        completed = await client.until(f"{ASR}.completed")

    assert updated["session"]["input_audio_format"] == name
    assert "conversation.item.created" in [event["type"] for event in client.seen]
    assert len(completed["transcript"].split()) > 10
    assert service.models.requests[0].language == "en"


def encoded(name: str, pcm: np.ndarray) -> bytes:
    if name == "pcm16":
        return pcm.tobytes()
    from gateway.streaming.resampling import ALAW, ULAW

    table = ULAW if name == "g711_ulaw" else ALAW
    order = np.argsort(table, kind="stable")
    nearest = order[np.clip(np.searchsorted(table[order], pcm), 0, 255)]
    return nearest.astype(np.uint8).tobytes()


async def test_case_33_an_update_of_the_beta_makes_the_session_one(service: DialectService) -> None:
    async with connected(service) as client:
        await client.until("session.created")
        await client.send("transcription_session.update", session={})
        await client.until("transcription_session.updated")


@pytest.mark.parametrize("path", ["/realtime", "/audio/transcriptions"])
async def test_case_34_a_key_among_the_sub_protocols(service: DialectService, path: str) -> None:
    address = f"{service.ws}{path}?intent=transcription&model=gpt-4o-transcribe"
    wrong = ["realtime", "openai-insecure-api-key.stt_wrong"]
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(address, subprotocols=wrong)  # type: ignore[arg-type]
    async with websockets.connect(address, subprotocols=["realtime"]) as socket:  # type: ignore[list-item]
        created = json.loads(await socket.recv())

    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"
    assert socket.subprotocol == "realtime"
    assert created["session"]["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"


async def test_a_key_that_stands_for_none_may_be_a_sub_protocol(service: DialectService) -> None:
    offered = ["realtime", "openai-insecure-api-key.dummy"]
    async with connected(service, subprotocols=offered) as client:
        await client.until("session.created")


async def test_several_languages_are_the_only_ones(service: DialectService, pcm: np.ndarray) -> None:
    async with connected(service) as client:
        await client.send("session.update", session=session(None))
        await client.socket.send(transcription(language="fr"))
        await client.socket.send(transcription(languages=["en-US", "id"]))
        await client.append(at(24_000, pcm).tobytes())
        await client.send("input_audio_buffer.commit")
        await client.until(f"{ASR}.completed")

    assert {each.languages for each in service.models.requests} == {("en", "id")}
    assert service.models.requests[0].language is None


@pytest.mark.parametrize("rate", [8_000, 16_000])
async def test_other_rates(service: DialectService, pcm: np.ndarray, rate: int) -> None:
    async with connected(service, f"&rate={rate}") as client:
        created = await client.until("session.created")
        await client.send("session.update", session=session(None, rate=rate))
        await client.append(at(rate, pcm).tobytes())
        await client.send("input_audio_buffer.commit")
        completed = await client.until(f"{ASR}.completed")

    assert created["session"]["audio"]["input"]["format"]["rate"] == rate
    assert abs(completed["usage"]["seconds"] - 7.1) < 0.2


async def test_semantic_vad_and_options_are_taken(service: DialectService, pcm: np.ndarray) -> None:
    asked = session({"type": "semantic_vad", "eagerness": "high"})
    asked["audio"]["input"]["transcription"] = {
        "model": "gpt-transcribe",
        "languages": ["id"],
        "keywords": ["Triton"],
        "prompt": "A talk.",
        "delay": "low",
    }
    asked["audio"]["input"]["noise_reduction"] = {"type": "near_field"}
    asked["include"] = [f"{ASR.removeprefix('conversation.')}.logprobs"]
    async with connected(service) as client:
        await client.send("session.update", session=asked)
        updated = await client.until("session.updated")
        await client.append(at(24_000, np.concatenate([pcm, np.zeros(24_000, np.int16)])).tobytes())
        completed = await client.until(f"{ASR}.completed")

    request = service.models.requests[0]
    assert (request.language, request.prompt, request.keyterms) == ("id", "A talk.", ("Triton",))
    assert updated["session"]["audio"]["input"]["turn_detection"]["eagerness"] == "high"
    assert completed["languages"] == [{"code": "id"}]
    deltas = [event for event in client.seen if event["type"].endswith(".delta")]
    assert all(delta["logprobs"] for delta in deltas)


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("not JSON", None),
        ("[]", None),
        ('{"type": "response.create", "event_id": "e9"}', "type"),
        ('{"type": "input_audio_buffer.append", "event_id": "e9", "audio": "%%%"}', "audio"),
        ('{"type": "session.update", "event_id": "e9", "session": {"type": "realtime"}}', "type"),
        ('{"type": "session.update", "event_id": "e9"}', "session"),
        (
            json.dumps({"type": "session.update", "session": session({"type": "server_vad", "threshold": 7})}),
            "threshold",
        ),
        (json.dumps({"type": "session.update", "session": session(None, "audio/opus")}), "format"),
        (json.dumps({"type": "session.update", "session": session(None, ["audio/pcm"])}), "format"),
        (
            json.dumps({"type": "session.update", "session": session({"type": "semantic_vad", "eagerness": [1]})}),
            "type",
        ),
        ('{"type": "session.update", "session": {"include": 5}}', "include"),
        (transcription(languages=5), "languages"),
        (transcription(languages=["en", "klingon"]), "languages"),
        (transcription(languages=["en", "de"], language="en"), "languages"),
        (transcription(keywords="Triton"), "keywords"),
        (transcription(keywords=["a<b"]), "keywords"),
        (transcription(keywords=["x" * 81]), "keywords"),
        (transcription(keywords=[f"term{at}" for at in range(101)]), "keywords"),
        (transcription(prompt=5), "prompt"),
        (transcription(language="yue"), "language"),
    ],
)
async def test_case_36_what_is_wrong_is_told_and_the_session_lives(
    service: DialectService, text: str, param: str | None
) -> None:
    async with connected(service) as client:
        await client.until("session.created")
        await client.socket.send(text)
        refused = await client.until("error")
        await client.send("session.update", session={"type": "transcription"})
        await client.until("session.updated")

    assert refused["error"]["type"] == "invalid_request_error"
    assert refused["error"]["event_id"] == ("e9" if '"e9"' in text else None)
    assert refused["error"]["param"] == (param if param else None)


async def test_case_36_an_idle_session_ends(tmp_path: Any) -> None:
    with run_dialects(tmp_path, stream=StreamSettings(idle_seconds=0.2)) as service:
        async with connected(service) as client:
            told = await client.until("error")
            await client.socket.wait_closed()

    assert told["error"]["code"] == "idle_timeout"
    assert client.socket.close_code == 1001


async def test_case_36_a_session_lasts_an_hour_however_busy_it_is(
    service: DialectService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.dialects.realtime.connection.LONGEST_SECONDS", 0.5)
    async with connected(service) as client:
        while "error" not in {event["type"] for event in client.seen}:
            with suppress(websockets.ConnectionClosed):  # it may end before this client has read that it will
                await client.send("session.update", session={"type": "transcription"})
            client.seen.append(json.loads(await asyncio.wait_for(client.socket.recv(), 60)))
        await client.socket.wait_closed()

    told = next(event for event in client.seen if event["type"] == "error")
    assert told["error"]["code"] == "session_expired"
    assert client.socket.close_code == 1001


@pytest.mark.parametrize(
    ("sessions", "anonymous", "status"),
    [(1, "unlimited", 503), (100, "anonymous", 429)],
)
async def test_case_36_a_full_house_refuses_the_handshake(
    tmp_path: Any, sessions: int, anonymous: str, status: int
) -> None:
    with run_dialects(tmp_path, accounts=AccountSettings(anonymous=anonymous)) as service:
        service.services.capacity.limits = CapacityLimits(live_sessions=sessions)
        async with connected(service) as first:
            await first.until("session.created")
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with connected(service):
                    pass
        until(lambda: service.services.capacity.used["live_sessions"] == 0)  # the last thing that is given back
        async with connected(service) as next_one:
            await next_one.until("session.created")

    assert refused.value.response.status_code == status
    assert int(refused.value.response.headers["Retry-After"]) > 0


async def test_a_session_that_fails_costs_its_turn_alone(service: DialectService, pcm: np.ndarray) -> None:
    service.models.failures = [Unavailable("The speech engine is away.", 5)]
    async with connected(service) as client:
        await client.send("session.update", session=session(VAD))
        await client.append(at(24_000, pcm).tobytes())
        failed = await client.until(f"{ASR}.failed")
        await client.append(at(24_000, np.concatenate([pcm, np.zeros(24_000, np.int16)])).tobytes())
        completed = await client.until(f"{ASR}.completed")

    assert failed["error"]["message"] == "The speech engine is away."
    assert completed["transcript"]


async def test_a_client_that_goes_leaves_nothing_behind(service: DialectService, pcm: np.ndarray) -> None:
    async with connected(service) as client:
        await client.until("session.created")
        await client.append(at(24_000, pcm).tobytes())
        client.socket.transport.abort()

    until(lambda: service.services.draining.in_flight == 0)


async def test_a_gateway_that_drains_finishes_what_was_heard(tmp_path: Any, pcm: np.ndarray) -> None:
    with run_dialects(tmp_path, server=ServerSettings(data=tmp_path, shutdown_seconds=20)) as service:
        async with connected(service) as client:
            await client.send("session.update", session=session(None))
            await client.until("session.updated")
            await client.append(at(24_000, pcm).tobytes())
            await client.send("session.update", session=session(None))
            await client.until("session.updated")  # so that all of it was read
            service.loop.call_soon_threadsafe(service.services.draining.hand_over.set)
            completed = await client.until(f"{ASR}.completed")
            await client.socket.wait_closed()

    assert completed["transcript"]
    assert client.socket.close_code == 1012
