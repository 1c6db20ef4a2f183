"""Models, keys, errors and repeated requests as OpenAI's SDK meets them."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import openai
import pytest

from gateway.errors import Conflict, InternalError, PaymentRequired, ServiceError, TooManyRequests, Unavailable
from gateway.settings import MediaSettings, ServerSettings
from tests.unit.gateway.dialects.dialect_service import DialectService, run_dialects

KEYS = {"message", "type", "param", "code"}


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialectService]:
    """Takes small files alone, and one web page."""
    data = tmp_path_factory.mktemp("small")
    server = ServerSettings(data=data, cors_origins=("https://app.example",))
    with run_dialects(data, server=server, media=MediaSettings(max_upload_bytes=100_000)) as service:
        yield service


def test_case_25_models_have_both_shapes(client: openai.OpenAI, service: DialectService) -> None:
    listed = list(client.models.list())
    answer = httpx.get(f"{service.base}/models").json()

    assert {"whisper-1", "gpt-4o-transcribe", "large-v3-turbo", "base"} <= {model.id for model in listed}
    assert all(isinstance(model.created, int) for model in listed)
    assert [client.models.retrieve(model.id).id for model in listed] == [model.id for model in listed]
    assert client.models.retrieve("openai/whisper-small").id == "openai/whisper-small"
    assert {"id", "name", "languages", "speed"} <= answer["models"][0].keys()
    with pytest.raises(openai.NotFoundError) as failure:
        client.models.retrieve("gpt-9/x")
    assert failure.value.code == "model_not_found"


def test_case_26_a_wrong_key_is_never_anonymous(service: DialectService, clip: bytes) -> None:
    with (
        openai.OpenAI(base_url=service.base, api_key="stt_wrong", max_retries=0) as wrong,
        pytest.raises(openai.AuthenticationError) as failure,
    ):
        wrong.audio.transcriptions.create(file=clip, model="whisper-1")

    assert failure.value.code == "invalid_api_key"


@pytest.mark.parametrize("header", [None, "", "Bearer", "bearer dummy", basic("", ""), basic("user", "dummy")])
def test_case_26_no_key_and_an_empty_one_are_anonymous(
    service: DialectService, clip: bytes, header: str | None
) -> None:
    headers = {"Authorization": header} if header is not None else {}
    answer = httpx.post(f"{service.base}/audio/transcriptions", files={"file": clip}, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/audio/transcriptions", 405),
        ("GET", "/audio/nothing", 404),
        ("POST", "/audio/transcriptions", 400),
        ("GET", "/models/none", 404),
        ("GET", "/realtime/none", 404),
    ],
)
def test_case_27_errors_are_objects(service: DialectService, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, service.base + path)

    assert answer.status_code == status
    assert answer.json()["error"].keys() == KEYS
    assert answer.headers["x-request-id"] and answer.headers["x-should-retry"] == "false"


def test_case_27_the_contracts_errors_stay(service: DialectService) -> None:
    assert httpx.post(f"{service.base}/transcribe", files={"model": (None, "no")}).json() == {
        "error": "The form has no field `file`; send the recording there."
    }
    assert isinstance(httpx.delete(f"{service.base}/models").json()["error"], str)


def test_case_28_a_short_wait_is_waited(service: DialectService, clip: bytes) -> None:
    service.models.failures = [TooManyRequests("At most 2 at once.", 1)]
    with openai.OpenAI(base_url=service.base, api_key="dummy") as client:
        answer = client.audio.transcriptions.create(file=clip, model="whisper-1")

    assert answer.text
    assert len(service.models.requests) == 2


@pytest.mark.parametrize(
    "error", [Unavailable("away", 3600), TooManyRequests("3 a day", 3600), PaymentRequired("No credits.")]
)
def test_case_28_and_29_a_long_wait_is_not_waited(service: DialectService, clip: bytes, error: ServiceError) -> None:
    service.models.failures = [error]
    with (
        openai.OpenAI(base_url=service.base, api_key="dummy") as client,
        pytest.raises(openai.APIStatusError) as failure,
    ):
        client.audio.transcriptions.create(file=clip, model="whisper-1")

    assert failure.value.status_code == error.status
    assert failure.value.response.headers["x-should-retry"] == "false"
    assert len(service.models.requests) == 1


@pytest.mark.parametrize(
    ("error", "kind"), [(Conflict("busy", 2), openai.ConflictError), (InternalError(), openai.InternalServerError)]
)
def test_what_may_pass_is_worth_a_repeat(
    service: DialectService, client: openai.OpenAI, clip: bytes, error: ServiceError, kind: type[openai.APIStatusError]
) -> None:
    service.models.failures = [error]
    with pytest.raises(kind) as failure:
        client.audio.transcriptions.create(file=clip, model="whisper-1")

    assert failure.value.response.headers["x-should-retry"] == "true"
    assert failure.value.request_id


def test_case_29_a_file_that_is_too_large_is_refused_by_its_length(small: DialectService) -> None:
    with (
        openai.OpenAI(base_url=small.base, api_key="dummy") as client,
        pytest.raises(openai.APIStatusError) as failure,
    ):
        client.audio.transcriptions.create(file=bytes(30_000_000), model="whisper-1")

    assert failure.value.status_code == 413
    assert "100000 bytes" in failure.value.message or "KB" in failure.value.message


@pytest.mark.parametrize(
    "path",
    [
        "/v1/v1/audio/transcriptions",
        "/v1/audio/transcriptions/audio/transcriptions",
        "/audio/transcriptions",
        "/v1/v1/models",
        "/models",
    ],
)
def test_case_30_a_doubled_path_is_told(service: DialectService, path: str) -> None:
    answer = httpx.post(service.url + path)

    assert answer.status_code == 404
    assert "base URL of this service ends in /v1" in answer.json()["error"]["message"]


def test_case_30_a_page_may_send_what_the_sdk_sends(small: DialectService) -> None:
    asked = ["authorization", "x-stainless-lang", "x-stainless-retry-count", "x-stainless-timeout", "openai-beta"]
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(asked),
    }
    answer = httpx.options(f"{small.base}/audio/transcriptions", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert set(asked) <= {each.strip().lower() for each in answer.headers["access-control-allow-headers"].split(",")}


def test_a_foreign_page_is_refused_in_the_shape_of_the_address(small: DialectService) -> None:
    answer = httpx.post(f"{small.base}/audio/transcriptions", headers={"Origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["error"].keys()) == (403, KEYS)
