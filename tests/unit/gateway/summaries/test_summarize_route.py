from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from chat_fakes import FakeServer, OpenDoor, chunk, whole
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.errors import ServiceError, answer_error
from gateway.routes.summarize import MAX_BODY, summarize
from gateway.summaries.servers import NoServer, SummaryServer
from gateway.summaries.summarizer import Summarizer

TEXT = "Priya will fix the refunds by Friday."
WHOLE = FakeServer(lambda _: whole("Priya fixes the refunds."))


async def post(server: SummaryServer, body: Any, door: OpenDoor | None = None, **headers: str) -> httpx.Response:
    routes = [Route("/v1/summarize", summarize, methods=["POST"])]
    app = Starlette(routes=routes, exception_handlers={ServiceError: answer_error})
    app.state.services = SimpleNamespace(summarizer=Summarizer(server), accounts=door or OpenDoor())
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.post("/v1/summarize", content=content, headers=headers)


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
        ({"text": TEXT, "language": "klingon"}, "`language`"),
        ([TEXT], "object"),
        (b"text=hello", "JSON"),
        (b"[" * 100_000, "JSON"),
    ],
)
async def test_bad_input_is_told_what_is_accepted(body: Any, told: str) -> None:
    answer = await post(WHOLE, body)

    assert answer.status_code == 400
    assert told in answer.json()["error"]


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
async def test_a_summary_is_counted_and_what_is_left_is_told(accept: str) -> None:
    door = OpenDoor()

    answer = await post(WHOLE, {"text": TEXT}, door, accept=accept)

    assert answer.headers["RateLimit-Limit"] == "20"
    assert (door.counted, door.inside) == (1, 0)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("answer", [400, 'data: {"error": {"message": "out of memory"}}'])
async def test_a_summary_that_failed_is_not_counted(accept: str, answer: Any) -> None:
    door = OpenDoor()

    await post(FakeServer(lambda _: answer if answer == 400 else [answer]), {"text": TEXT}, door, accept=accept)

    assert (door.counted, door.inside) == (0, 0)
