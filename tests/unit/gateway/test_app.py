"""The routes over services that do nothing real; tests/e2e runs the real ones."""

import asyncio
import errno
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock, patch

import httpx
import numpy as np
import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send

from gateway.accounts import Admission, IdempotentResult, StoredResponse
from gateway.accounts.from_settings import open_accounts, open_database
from gateway.accounts.idempotency import packed
from gateway.accounts.registry import Registry
from gateway.accounts.tiers import load_tiers
from gateway.app import create_app
from gateway.capacity import CapacityLimits, MachineCapacity
from gateway.errors import RecordingTooLong, UnsupportedMedia
from gateway.media.decoding import MediaInfo
from gateway.media.recording import Recording
from gateway.models import Models
from gateway.progress import ProgressRegistry
from gateway.recognition.diarized_recognizer import DiarizedRecognizer
from gateway.routes.reference import ApiDocuments
from gateway.routes.table import CHANNELS, OPERATIONS
from gateway.services import Services
from gateway.settings import AccountSettings, ServerSettings, Settings
from gateway.summaries.servers import NoServer
from gateway.summaries.summarizer import Summarizer
from gateway.thread_pools import ThreadPool
from gateway.transcript.rendering import render
from speech.gpu import Gpu
from speech.tensors import Task
from speech.transcript import Segment, Transcript, Word
from tests.described_api import DescribedApi
from tests.unit.gateway.noted_threads import NotedThreads

HELLO = Segment((Word("Hello.", 0.0, 0.5, 0.9),), "Hello.")
FILE = {"file": ("talk.mp3", b"sound")}


@dataclass
class Parts:
    """Stands for the decoder, the recognizer and Triton."""

    away: list[str] = field(default_factory=list)
    unconfined: list[str] = field(default_factory=list)
    gpu: Gpu | None = None
    failure: Exception | None = None
    uploads: list[Path] = field(default_factory=list)
    longest: float = 0.0  # seconds of sound that were to be decoded at most
    options: list[Any] = field(default_factory=list)
    segments: tuple[Segment, ...] = (HELLO,)
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    unanswered: list[str] = field(default_factory=list)
    impaired: int = 0

    async def decode(self, path: Path, name: str, on_progress: Any, longest: float, tracks: Any) -> Recording:
        self.uploads.append(path)
        self.longest = longest
        if self.failure:
            raise self.failure
        return Recording(np.zeros(16000, dtype=np.int16), np.zeros(31, dtype=np.float32))

    async def transcribe(self, recording: Recording, options: Any, progress: Any) -> Transcript:
        self.options.append(options)
        progress(1.0, 4.0)
        await self.finish.wait()
        return Transcript(self.segments, "en", recording.duration, text="Hello.")

    def is_ready(self, model: str) -> bool:
        return model not in self.away

    async def find(self) -> Gpu | None:
        return self.gpu


@pytest.fixture
def parts() -> Parts:
    parts = Parts()
    parts.finish.set()
    return parts


@pytest.fixture
async def services(parts: Parts, tmp_path: Path) -> AsyncIterator[Services]:
    part = cast(Any, parts)
    settings = Settings(server=ServerSettings(data=tmp_path), accounts=AccountSettings(anonymous="unlimited"))
    async with open_accounts(settings) as accounts:
        yield Services(
            settings=settings,
            models=Models(["base"], "base"),
            spool=tmp_path,
            media=part,
            fleet=part,
            gpus=part,
            whisper=part,
            recognizer=DiarizedRecognizer(part, None),
            activity=part,
            progress=ProgressRegistry(),
            accounts=accounts,
            summarizer=Summarizer(NoServer()),
        )


@pytest.fixture(scope="module")
def described() -> DescribedApi:
    """The OpenAPI document, which takes half a second to make."""
    return DescribedApi(json.loads(ApiDocuments(OPERATIONS, CHANNELS).openapi))


@pytest.fixture
async def client(services: Services, described: DescribedApi) -> AsyncIterator[httpx.AsyncClient]:
    """Every answer that it gets is one that the OpenAPI document describes."""
    transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=False)

    async def check(answer: httpx.Response) -> None:
        await answer.aread()
        described.check(answer)

    async with httpx.AsyncClient(
        transport=transport, base_url="http://service", event_hooks={"response": [check]}
    ) as client:
        yield client


async def test_every_route_is_described_and_nothing_else(client: httpx.AsyncClient, services: Services) -> None:
    routes = create_app(services).routes
    http = {
        (route.path.replace(":path", ""), method)
        for route in routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD" or "GET" not in (route.methods or ())  # which Starlette adds to GET
    }
    channels = {route.path for route in routes if isinstance(route, WebSocketRoute)}

    openapi = (await client.get("/openapi.json")).json()
    asyncapi = (await client.get("/asyncapi.json")).json()

    described = {(path, method.upper()) for path, operations in openapi["paths"].items() for method in operations}
    assert described == http
    assert {channel["address"] for channel in asyncapi["channels"].values()} == channels
    assert len(routes) == len({path for path, _ in described}) + len(channels)


async def test_the_index_names_every_endpoint(client: httpx.AsyncClient) -> None:
    index = (await client.get("/")).json()

    assert {"/v1/transcribe", "/v1/stream", "/openapi.json"} <= set(index["endpoints"])


async def test_a_recording_becomes_the_contracts_json(client: httpx.AsyncClient, parts: Parts) -> None:
    answer = await client.post("/v1/transcribe", files=FILE, data={"language": "English", "prompt": "Hi"})

    assert answer.status_code == 200
    transcript = answer.json()
    assert {"text", "language", "duration", "segments", "speakers"} <= transcript.keys()
    assert transcript["text"] == "Hello."
    assert transcript["speakers"] == []
    (options,) = parts.options
    assert (options.model, options.language, options.prompt) == ("base", "en", "Hi")


async def test_a_translation_is_asked_for(client: httpx.AsyncClient, parts: Parts) -> None:
    assert (await client.post("/v1/transcribe", files=FILE, data={"task": "translate"})).status_code == 200

    assert parts.options[0].task is Task.TRANSLATE


@pytest.mark.parametrize(("fields", "told"), [({"model": "large-v3-turbo"}, "large-v3"), ({"task": "x"}, "translate")])
async def test_what_cannot_be_translated_is_refused(
    client: httpx.AsyncClient, parts: Parts, fields: dict[str, str], told: str
) -> None:
    answer = await client.post("/v1/transcribe", files=FILE, data={"task": "translate", **fields})

    assert answer.status_code == 400
    assert told in answer.json()["error"]
    assert parts.options == []


async def test_a_request_that_was_settled_meanwhile_gets_the_answer_that_was_paid_for(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_for = StoredResponse(200, b"as it was sent", {"content-type": "text/plain; charset=utf-8", "x-model": "tiny"})

    async def settle(admission: Admission, seconds: float, result: IdempotentResult) -> StoredResponse:
        return paid_for

    monkeypatch.setattr(Admission, "settle", settle)
    answer = await client.post("/v1/transcribe", files=FILE, headers={"Idempotency-Key": "once"})

    assert (answer.text, answer.headers["X-Model"]) == ("as it was sent", "tiny")
    assert answer.headers["Idempotency-Replayed"] == "true"


async def test_a_recording_that_the_machine_cannot_take_is_503_and_leaves_no_trace(
    services: Services, parts: Parts
) -> None:
    full = replace(services, capacity=MachineCapacity(CapacityLimits(recordings=0)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(full)), base_url="http://service") as client:
        answer = await client.post("/v1/transcribe", files=FILE)
        usage = (await client.get("/v1/usage")).json()["transcription"]

    assert answer.status_code == 503
    assert "more recordings" in answer.json()["error"]
    assert int(answer.headers["Retry-After"]) > 0
    assert parts.uploads == []
    assert (usage["held"], usage["running"], usage["requests"]) == (0, 0, 0)


async def test_a_body_of_no_declared_length_takes_as_much_room_as_it_may_become(services: Services) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        yield b"sound"

    bounded = replace(services, capacity=MachineCapacity(CapacityLimits(spool_bytes=1_000_000)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(bounded)), base_url="http://stt") as client:
        answer = await client.post("/v1/transcribe", content=chunked())
        declared = await client.post("/v1/transcribe", files=FILE)

    assert (answer.status_code, declared.status_code) == (503, 200)
    assert "room for the upload" in answer.json()["error"]


async def test_no_more_is_decoded_than_a_tier_allows(tmp_path: Path, services: Services, parts: Parts) -> None:
    settings = Settings(server=ServerSettings(data=tmp_path / "other"), accounts=AccountSettings(anonymous="anonymous"))
    async with open_accounts(settings) as accounts:
        transport = httpx.ASGITransport(create_app(replace(services, accounts=accounts)))
        async with httpx.AsyncClient(transport=transport, base_url="http://stt") as client:
            assert (await client.post("/v1/transcribe", files=FILE)).status_code == 200

    assert parts.longest == load_tiers()["anonymous"].longest_recording < 24 * 3600


async def test_no_room_for_the_decoded_sound_is_503(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.failure = OSError(errno.ENOSPC, "No space left on device")
    answer = await client.post("/v1/transcribe", files=FILE)

    assert answer.status_code == 503
    assert "no room" in answer.json()["error"]


async def test_no_more_is_decoded_than_its_sender_can_pay_for(
    client: httpx.AsyncClient, services: Services, parts: Parts
) -> None:
    registry = Registry(open_database(services.settings), load_tiers())
    key = (await registry.create("paid", "somebody", credits=3)).text
    parts.failure = RecordingTooLong("the file is refused: it is longer than 3 minutes")
    cast(Any, parts).inspect = _without_a_length

    answer = await client.post("/v1/transcribe", files=FILE, headers={"Authorization": f"Bearer {key}"})

    assert parts.longest == 180
    assert answer.status_code == 402
    assert "4 credits" in answer.json()["error"]


async def _without_a_length(path: Path, name: str) -> MediaInfo:
    return MediaInfo("matroska", None, 1, video=False)


async def test_an_upload_is_written_by_threads_of_its_own(services: Services) -> None:
    """Not by those of the loop, behind whatever else they do."""
    with ThreadPool("write", 1) as writers:
        submit = Mock(wraps=writers.submit)
        with patch.object(writers, "submit", submit):
            app = create_app(replace(services, file_writers=writers))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://stt") as client:
                assert (await client.post("/v1/transcribe", files=FILE)).status_code == 200
    assert submit.called


async def test_an_answer_is_written_and_packed_beside_the_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day's words take seconds of both."""
    beside = NotedThreads()
    monkeypatch.setattr("gateway.routes.transcribe.render", beside.noted("written", render))
    monkeypatch.setattr("gateway.accounts.admission.packed", beside.noted("packed", packed))
    answer = await client.post("/v1/transcribe", files=FILE, headers={"Idempotency-Key": "one"})

    assert answer.status_code == 200
    assert sorted(beside.threads) == ["packed", "written"]
    assert threading.main_thread() not in beside.threads.values()


@pytest.mark.parametrize("path", ["/health/", "/v1/models/", "/v1/languages/"])
async def test_a_slash_at_the_end_makes_no_difference(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).json() == (await client.get(path[:-1])).json()


async def test_an_upload_to_an_address_with_a_slash_is_not_lost(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/transcribe/", files=FILE)).json()["text"] == "Hello."


async def test_a_preflight_that_is_refused_says_what_is_accepted(services: Services) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url="http://service") as own:
        refused = await own.options("/v1/transcribe", headers={**asked, "Access-Control-Request-Headers": "x-other"})
        accepted = await own.options(
            "/v1/transcribe", headers={**asked, "Access-Control-Request-Headers": "authorization"}
        )

    assert (refused.status_code, accepted.status_code) == (400, 200)
    assert "authorization" in refused.json()["error"]
    assert refused.headers["Access-Control-Allow-Origin"] == "*"


async def test_the_model_that_answered_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/transcribe", files=FILE, data={"model": "large-v3"})

    assert answer.headers["X-Model"] == answer.json()["model"] == "base"


async def test_other_formats_are_text(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/transcribe", files=FILE, data={"response_format": "vtt"})

    assert answer.text.startswith("WEBVTT")
    assert answer.headers["content-type"].startswith("text/vtt")


async def test_the_upload_is_gone_after_success_and_after_failure(client: httpx.AsyncClient, parts: Parts) -> None:
    await client.post("/v1/transcribe", files=FILE)
    parts.failure = RuntimeError("broken")
    await client.post("/v1/transcribe", files=FILE)

    assert len(parts.uploads) == 2
    assert not any(upload.parent.exists() for upload in parts.uploads)


@pytest.mark.parametrize(
    ("files", "data", "says"),
    [
        (None, {"model": "base"}, "multipart/form-data"),
        ({"audio": ("a.mp3", b"sound")}, {}, "`file`"),
        ({"file": ("a.mp3", b"")}, {}, "empty"),
        (FILE, {"model": "huge"}, "accepted are large-v3-turbo"),
        (FILE, {"language": "xx"}, "ISO 639-1"),
    ],
)
async def test_bad_requests_say_what_is_accepted(
    client: httpx.AsyncClient, files: Any, data: dict[str, str], says: str
) -> None:
    answer = await client.post("/v1/transcribe", files=files, data=data)

    assert answer.status_code == 400
    assert says in answer.json()["error"]


async def test_a_file_without_sound_is_a_bad_request(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.failure = UnsupportedMedia("there is no sound in it")

    answer = await client.post("/v1/transcribe", files=FILE)

    assert answer.status_code == 400
    assert answer.json() == {"error": "there is no sound in it"}


async def test_a_failure_of_the_code_is_500_and_tells_nothing(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.failure = RuntimeError("secret")

    answer = await client.post("/v1/transcribe", files=FILE)

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json().keys() == {"error"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("GET", "/nothing", 404), ("GET", "/v1/transcribe", 405), ("POST", "/v1/transcribe", 400)],
)
async def test_every_answer_has_a_request_id(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    given = await client.request(method, path)
    asked = await client.request(method, path, headers={"X-Request-Id": "order-12345"})

    assert given.status_code == asked.status_code == status
    assert given.headers["X-Request-Id"] != asked.headers["X-Request-Id"] == "order-12345"
    assert status == 200 or given.json().keys() == {"error"}


async def test_no_id_that_the_service_draws_can_be_guessed(client: httpx.AsyncClient) -> None:
    drawn = {(await client.get("/v1/models")).headers["X-Request-Id"] for _ in range(20)}

    assert len(drawn) == 20
    assert {len(bytes.fromhex(identity)) for identity in drawn} == {12}


@pytest.mark.parametrize("sent", ["short", "x" * 65, "spaces are odd"])
async def test_an_odd_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/health", headers={"X-Request-Id": sent})

    assert answer.headers["X-Request-Id"] != sent


async def test_models_have_the_contracts_fields(client: httpx.AsyncClient) -> None:
    models = (await client.get("/v1/models")).json()["models"]

    assert models[0] == {
        "id": "large-v3-turbo",
        "name": "Whisper Large V3 Turbo",
        "languages": 99,
        "speed": "fast",
        "description": models[0]["description"],
        "deployed": False,
    }
    assert [model["id"] for model in models if model["deployed"]] == ["base"]
    assert [model["id"] for model in models] == ["large-v3-turbo", "large-v3", "medium", "small", "base"]


async def test_languages_have_code_and_name(client: httpx.AsyncClient) -> None:
    found = (await client.get("/v1/languages")).json()["languages"]

    assert {"code": "en", "name": "english"} in found


async def test_health_has_the_contracts_fields(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")

    assert answer.status_code == 200
    contract = {"status": "ok", "gpu_available": False, "gpu_name": None, "gpu_memory_mb": None}
    assert answer.json() == contract | {"state": "ready", "files": 0, "live_sessions": 0}


async def test_health_counts_what_is_in_work(client: httpx.AsyncClient, services: Services) -> None:
    with services.capacity.recording(1), services.capacity.recording(1), services.capacity.live_session():
        told = (await client.get("/health")).json()

    assert (told["state"], told["files"], told["live_sessions"]) == ("ready", 2, 1)


async def test_health_is_busy_while_a_bound_is_reached(client: httpx.AsyncClient, services: Services) -> None:
    services.capacity.limits = CapacityLimits(live_sessions=1)

    with services.capacity.live_session():
        answer = await client.get("/health")

    assert (answer.status_code, answer.json()["status"], answer.json()["state"]) == (200, "ok", "busy")


async def test_health_tells_what_does_not_confine_the_decoder(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.unconfined = ["landlock"]

    assert (await client.get("/health")).json()["unconfined"] == ["landlock"]


@pytest.mark.parametrize("name", ["NVIDIA A100-SXM4-80GB", None])
async def test_health_tells_the_gpu(client: httpx.AsyncClient, parts: Parts, name: str | None) -> None:
    parts.gpu = Gpu(name, 80 * 2**30)

    told = (await client.get("/health")).json()

    assert (told["gpu_available"], told["gpu_name"], told["gpu_memory_mb"]) == (True, name, 81920)


async def test_a_service_that_stops_says_so_in_its_health(client: httpx.AsyncClient, services: Services) -> None:
    services.draining.announced = True

    answer = await client.get("/health")

    assert answer.status_code == 503
    assert answer.json()["state"] == "draining"
    assert "stopping" in answer.json()["error"]


async def test_health_is_503_while_a_deployed_model_is_away(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.away.append("base")

    answer = await client.get("/health")

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["state"] == "degraded"
    assert "base" in answer.json()["error"]


async def test_health_is_starting_until_every_model_has_answered_once(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.away.append("base")
    parts.unanswered.append("whisper-base")

    answer = await client.get("/health")

    assert (answer.status_code, answer.json()["state"]) == (503, "starting")


async def test_a_page_of_another_origin_may_read_answers_and_errors(client: httpx.AsyncClient) -> None:
    page = {"Origin": "https://page.example"}
    asked = {**page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    preflight = await client.options("/v1/transcribe", headers=asked)
    error = await client.post("/v1/transcribe", headers=page)

    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert error.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Request-Id" in error.headers["Access-Control-Expose-Headers"]


async def test_a_page_that_may_not_call_costs_nobody_anything(services: Services, parts: Parts) -> None:
    server = services.settings.server.model_copy(update={"cors_origins": ("https://app.example",)})
    app = create_app(replace(services, settings=services.settings.model_copy(update={"server": server})))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        refused = await client.post("/v1/transcribe", files=FILE, headers={"Origin": "https://elsewhere.example"})
        uploads_of_refused = len(parts.uploads)
        answered = await client.post("/v1/transcribe", files=FILE, headers={"Origin": "https://app.example"})

    assert refused.status_code == 403
    assert "origin" in refused.json()["error"]
    assert uploads_of_refused == 0
    assert answered.status_code == 200
    assert answered.headers["Access-Control-Allow-Origin"] == "https://app.example"


async def test_work_that_is_stopped_with_the_service_says_so(services: Services, parts: Parts) -> None:
    parts.failure = cast(Exception, asyncio.CancelledError())
    app, sent = create_app(services), list[Message]()

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        async def keep(message: Message) -> None:
            sent.append(message)
            await send(message)

        await app(scope, receive, keep)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(recorded), base_url="http://service") as client:
        with pytest.raises(asyncio.CancelledError):
            await client.post("/v1/transcribe", files=FILE)

    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [503]
    body = b"".join(message["body"] for message in sent if message["type"] == "http.response.body")
    assert json.loads(body) == {"error": "The service is stopping; send the request again."}


async def test_a_client_may_ask_how_far_its_request_is(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.finish.clear()
    identity = {"X-Request-Id": "asked-about"}
    transcribing = asyncio.create_task(client.post("/v1/transcribe", files=FILE, headers=identity))
    while not parts.options:
        await asyncio.sleep(0.001)

    during = await client.get("/v1/progress/asked-about")
    parts.finish.set()
    await transcribing
    after = await client.get("/v1/progress/asked-about")

    assert during.json() == {"stage": "recognizing", "done": 0.25}
    assert after.status_code == 404


async def test_the_audio_that_was_transcribed_is_counted(client: httpx.AsyncClient, services: Services) -> None:
    await client.post("/v1/transcribe", files=FILE)

    assert services.metrics.registry.get_sample_value("stt_audio_seconds_total", {"kind": "file"}) == 1.0


@pytest.mark.parametrize("form", ["json", "txt", "srt", "vtt"])
async def test_warnings_stand_in_a_header_of_every_format(client: httpx.AsyncClient, form: str) -> None:
    asked = {"response_format": form, "diarize": "false"}
    warned = await client.post("/v1/transcribe", files=FILE, data=asked | {"model": "large-v3"})
    quiet = await client.post("/v1/transcribe", files=FILE, data=asked)

    (warning,) = json.loads(warned.headers["X-Warnings"])
    assert warning == "The model large-v3 is not deployed here; base answered for it."
    assert "X-Warnings" not in quiet.headers


async def test_a_recording_in_which_nobody_speaks_is_told(client: httpx.AsyncClient, parts: Parts) -> None:
    parts.segments = ()

    answer = await client.post("/v1/transcribe", files=FILE, data={"diarize": "false"})

    assert answer.json()["warnings"] == ["No speech was heard."]
