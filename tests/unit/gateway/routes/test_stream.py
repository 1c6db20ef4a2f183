"""What a client's frames do to its session; tests/e2e streams real speech."""

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from gateway.accounts.from_settings import open_accounts
from gateway.app import create_app
from gateway.capacity import CapacityLimits, MachineCapacity
from gateway.log import REQUEST_LOGGER
from gateway.models import Models
from gateway.progress import ProgressRegistry
from gateway.recognition.request import RecognitionRequest
from gateway.services import Services
from gateway.settings import AccountSettings, ServerSettings, Settings, StreamSettings
from gateway.summaries.servers import NoServer
from gateway.summaries.summarizer import Summarizer
from speech.activity import VoiceActivity
from speech.audio import Pcm
from speech.transcript import WindowResult
from tests.recordings import DATA, read_pcm

SILENCE = bytes(32000)  # a second
STOP = '{"action": "stop"}'


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    unused = cast(Any, None)
    settings = Settings(server=ServerSettings(data=tmp_path), accounts=AccountSettings(anonymous="unlimited"))
    async with open_accounts(settings) as accounts:
        yield Services(
            settings=settings,
            models=Models(["base"], "base"),
            spool=tmp_path,
            media=unused,
            fleet=unused,
            gpus=unused,
            whisper=unused,  # silence is never decoded
            recognizer=unused,
            activity=VoiceActivity(),
            progress=ProgressRegistry(),
            accounts=accounts,
            summarizer=Summarizer(NoServer()),
        )


@pytest.fixture
def client(services: Services) -> TestClient:
    return TestClient(create_app(services))


def to_end(socket: WebSocketTestSession) -> tuple[list[dict[str, Any]], int]:
    """The messages that are left, and the close code."""
    messages: list[dict[str, Any]] = []
    while True:
        try:
            messages.append(socket.receive_json())
        except WebSocketDisconnect as closed:
            return messages, closed.code


def test_a_session_has_the_language_of_its_config(client: TestClient) -> None:
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_text('{"language": "German"}')
        socket.send_bytes(SILENCE)
        socket.send_text(STOP)
        (ready, final), code = to_end(socket)

    assert (ready["type"], ready["model"], ready["language"]) == ("ready", "base", "de")
    assert (final["type"], final["language"], final["duration"]) == ("final", "de", 1.0)
    assert final["warnings"] == ["No speech was heard."]
    assert final["coverage"] == {"speech_seconds": 0.0, "covered_seconds": 0.0, "gaps": []}
    assert code == 1000


def test_only_the_allowed_languages_are_heard(services: Services) -> None:
    class Whisper:
        asked: RecognitionRequest | None = None

        async def recognize(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
            self.asked = request
            return WindowResult((), "", "en", 0.9, -0.1, 0.0)

    whisper = Whisper()
    client = TestClient(create_app(replace(services, whisper=cast(Any, whisper))))
    with client.websocket_connect("/v1/stream?languages=English,zh_TW") as socket:
        socket.send_bytes(read_pcm(DATA / "young-man.flac").tobytes())
        socket.send_text(STOP)
        to_end(socket)

    assert whisper.asked is not None
    assert (whisper.asked.language, whisper.asked.languages) == (None, ("en", "zh"))


@pytest.mark.parametrize("named", ["language=yue", "languages=en,yue"])
def test_a_language_that_the_model_lacks_is_refused_before_any_audio(client: TestClient, named: str) -> None:
    with client.websocket_connect(f"/v1/stream?{named}") as socket:
        messages, code = to_end(socket)

    assert "Cantonese" in messages[0]["error"]
    assert code == 1008


def test_a_config_before_the_audio_replaces_that_of_the_address(client: TestClient) -> None:
    with client.websocket_connect("/v1/stream?language=fr") as socket:
        socket.send_text('{"language": "de"}')
        socket.send_bytes(SILENCE)
        socket.send_bytes(b"")
        (first, second, final), code = to_end(socket)

    assert [first["language"], second["language"], final["language"]] == ["fr", "de", "de"]
    assert final["duration"] == 1.0
    assert code == 1000


def test_a_config_after_the_audio_changes_no_model(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, REQUEST_LOGGER)
    with client.websocket_connect("/v1/stream?language=fr") as socket:
        socket.send_bytes(SILENCE)
        socket.send_text('{"model": "small"}')
        socket.send_text('{"language": "de"}')
        socket.send_text(STOP)
        (first, refusal, second, final), code = to_end(socket)

    assert "before the audio" in refusal["error"]
    assert [first["language"], second["language"], final["language"]] == ["fr", "de", "de"]
    assert code == 1000
    assert [vars(entry)["status"] for entry in caplog.records if entry.name == REQUEST_LOGGER] == [1000]


def test_a_drained_gateway_says_where_to_resume(client: TestClient, services: Services) -> None:
    with client.websocket_connect("/v1/stream?language=fr") as socket:
        socket.receive_json()
        assert socket.portal is not None
        socket.portal.call(services.draining.hand_over.set)
        (restart, final), code = to_end(socket)

    assert "go on at 0.000 s" in restart["error"]
    assert final["type"] == "final"
    assert code == 1012


def test_a_browser_sends_its_key_as_a_sub_protocol(client: TestClient) -> None:
    with client.websocket_connect("/v1/stream", subprotocols=["stt", "openai-insecure-api-key.wrong"]) as socket:
        taken = socket.accepted_subprotocol
        socket.send_text('{"language": "de"}')
        (refusal,), code = to_end(socket)

    assert taken == "stt"
    assert "key" in refusal["error"].lower()
    assert code == 1008


def impatient(services: Services, stream: StreamSettings) -> TestClient:
    settings = services.settings.model_copy(update={"stream": stream})
    return TestClient(create_app(replace(services, settings=settings)))


def test_configs_without_end_hold_no_session(services: Services) -> None:
    with impatient(services, StreamSettings(idle_seconds=0.5)).websocket_connect("/v1/stream") as socket:
        for _ in range(10):
            socket.send_text('{"language": "en"}')
            time.sleep(0.1)
        messages, code = to_end(socket)

    errors = [message["error"] for message in messages if message["type"] == "error"]
    assert errors == ["No audio came for 0 s: the stream ends."]
    assert 0 < sum(message["type"] == "ready" for message in messages) < 10  # none is for a config after that time
    assert code == 1000


def test_a_session_of_next_to_no_audio_ends_by_the_clock(services: Services) -> None:
    with impatient(services, StreamSettings(longest_seconds=0.5)).websocket_connect("/v1/stream?language=en") as socket:
        for _ in range(10):
            socket.send_bytes(bytes(32))
            time.sleep(0.1)
        messages, code = to_end(socket)

    errors = [message["error"] for message in messages if message["type"] == "error"]
    assert len(errors) == 1
    assert errors[0].startswith("The longest stream is")
    assert code == 1000


def test_a_session_that_the_machine_cannot_take_is_told_to_try_later(services: Services) -> None:
    full = replace(services, capacity=MachineCapacity(CapacityLimits(live_sessions=0)))
    with TestClient(create_app(full)).websocket_connect("/v1/stream?language=en") as socket:
        messages, code = to_end(socket)

    assert [message["error"] for message in messages] == ["The service cannot take more live sessions at the moment."]
    assert code == 1013
