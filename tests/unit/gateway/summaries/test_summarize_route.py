from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.accounts.from_settings import open_accounts
from gateway.draining import Draining
from gateway.errors import ServiceError, answer_error
from gateway.routes.summarize import MAX_BODY, summarize
from gateway.routes.usage import show_usage
from gateway.settings import AccountSettings, ServerSettings, Settings
from gateway.summaries.servers import NoServer, SummaryServer
from gateway.summaries.summarizer import Summarizer
from tests.unit.gateway.summaries.chat_fakes import FakeServer, chunk, whole

TEXT = "Priya will fix the refunds by Friday."
WHOLE = FakeServer(lambda _: whole("Priya fixes the refunds."))


@asynccontextmanager
async def service(server: SummaryServer, tier: str = "unlimited") -> AsyncIterator[httpx.AsyncClient]:
    routes = [
        Route("/v1/summarize", summarize, methods=["POST"]),
        Route("/v1/usage", show_usage, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={ServiceError: answer_error})
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(server=ServerSettings(data=Path(folder)), accounts=AccountSettings(anonymous=tier))
        async with open_accounts(settings) as accounts:
            app.state.services = SimpleNamespace(summarizer=Summarizer(server), accounts=accounts, draining=Draining())
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                yield client


async def post(server: SummaryServer, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with service(server) as client:
        return await client.post("/v1/summarize", content=content, headers=headers)


async def counted(client: httpx.AsyncClient) -> tuple[int, int]:
    """Summaries that the caller is charged for, and those that run."""
    figures = (await client.get("/v1/usage")).json()["summaries"]
    return figures["limit"] - figures["remaining"], figures["running"]


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data:")) for line in answer.text.splitlines() if line.startswith("data:")]


async def test_the_summary_has_the_contracts_shape() -> None:
    answer = await post(WHOLE, {"text": TEXT})

    assert answer.status_code == 200
    summary = "Priya fixes the refunds."
    assert answer.json() == {"summary": summary, "text": summary, "style": "brief", "model": "spoken-1b"}


async def test_a_style_is_answered_by_the_name_that_was_asked_for() -> None:
    assert (await post(WHOLE, {"text": TEXT, "style": "bullets"})).json()["style"] == "bullets"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "`text`"),
        ({"text": ""}, "`text`"),
        ({"text": " \n"}, "`text`"),
        ({"text": "..."}, "`text`"),
        ({"text": 5}, "`text`"),
        ({"text": TEXT, "style": "poem"}, "bullet_points"),
        ({"text": TEXT, "style": ["brief"]}, "bullet_points"),
        ({"text": TEXT, "style": 0}, "bullet_points"),
        ({"text": TEXT, "language": "klingon"}, "`language`"),
        ({"text": TEXT, "language": {}}, "`language`"),
        ([TEXT], "object"),
        (b"text=hello", "JSON"),
        (b"[" * 100_000, "JSON"),
    ],
)
async def test_bad_input_is_told_what_is_accepted(body: Any, told: str) -> None:
    answer = await post(WHOLE, body)

    assert answer.status_code == 400
    assert told in answer.json()["error"]


async def test_half_a_character_is_replaced() -> None:
    asked: list[str] = []

    def answer(prompt: str) -> list[str]:
        asked.append(prompt)
        return whole("Fine.")

    assert (await post(FakeServer(answer), b'{"text": "We meet \\ud83d on Monday."}')).status_code == 200
    assert "We meet ? on Monday." in asked[0]


async def test_a_body_over_the_limit_is_refused() -> None:
    answer = await post(WHOLE, b" " * (MAX_BODY + 1))
    assert answer.status_code == 413


async def test_a_given_language_is_used() -> None:
    server = FakeServer(lambda _: whole("Ya."))

    await post(server, {"text": TEXT, "language": "id"})

    assert "in Indonesian" in server.asked[0]["messages"][-1]["content"]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_turned_off_is_503_with_how_to_turn_it_on(accept: str) -> None:
    answer = await post(NoServer(), {"text": TEXT}, accept=accept)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "SUMMARIZER_URL" in answer.json()["error"]


async def test_away_is_503_with_when_to_try_again() -> None:
    answer = await post(FakeServer(lambda _: 503), {"text": TEXT})

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


async def test_events_tell_stages_tokens_and_at_last_the_summary() -> None:
    server = FakeServer(lambda _: [chunk("It "), chunk("rained."), chunk(None, "stop")])

    answer = await post(server, {"text": TEXT}, accept="text/event-stream")

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer)
    assert [event["type"] for event in events] == ["stage", "token", "token", "summary"]
    assert "".join(event["token"] for event in events[1:3]) == events[-1]["summary"] == "It rained."


async def test_a_failure_after_the_first_event_is_an_event() -> None:
    server = FakeServer(lambda _: [chunk("It "), 'data: {"error": {"message": "out of memory"}}'])

    events = events_of(await post(server, {"text": TEXT}, accept="text/event-stream"))

    assert events[-1]["type"] == "error"
    assert events[-1]["status"] == 503


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_summary_is_counted_once(accept: str) -> None:
    async with service(WHOLE, "anonymous") as client:
        answer = await client.post("/v1/summarize", json={"text": TEXT}, headers={"accept": accept})

        assert answer.headers["RateLimit-Limit"] == "20"
        assert answer.headers["RateLimit-Remaining"] == "19"
        assert await counted(client) == (1, 0)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_failure_is_not_counted(accept: str) -> None:
    server = FakeServer(lambda _: [chunk("It "), 'data: {"error": {"message": "out of memory"}}'])
    async with service(server, "anonymous") as client:
        await client.post("/v1/summarize", json={"text": TEXT}, headers={"accept": accept})
        await client.post("/v1/summarize", json={"text": ""}, headers={"accept": accept})

        assert await counted(client) == (0, 0)


async def test_summaries_beyond_the_days_are_refused_with_when_to_come_back() -> None:
    async with service(WHOLE, "anonymous") as client:
        answers = [await client.post("/v1/summarize", json={"text": TEXT}) for _ in range(21)]

    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
