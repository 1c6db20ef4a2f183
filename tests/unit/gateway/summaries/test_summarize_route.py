from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.accounts.from_settings import open_accounts, open_database
from gateway.accounts.registry import Registry
from gateway.accounts.tiers import load_tiers
from gateway.draining import Draining
from gateway.errors import ServiceError, answer_error
from gateway.routes.summarize import MAX_BODY, summarize
from gateway.routes.usage import show_usage
from gateway.settings import AccountSettings, MediaSettings, ServerSettings, Settings
from gateway.summaries.servers import NoServer, SummaryServer
from gateway.summaries.summarizer import Summarizer
from tests.unit.gateway.summaries.chat_fakes import FakeChatStream, FakeServer, chunk, whole

TEXT = "Priya will fix the refunds by Friday."
MEETING = (
    "We decided to launch the app on the third of May. Priya will fix the refunds by Friday. The price stays at nine "
    "euros a month. The old office had forty desks and two kitchens. Sales rose by four percent in the spring."
)
LONG = " ".join(f"The harbour of town {n} had {3 * n + 700} ships and a tower of {40 + n} metres." for n in range(30))
WHOLE = FakeServer(lambda _: whole("{}"))


@asynccontextmanager
async def application(server: SummaryServer, tier: str) -> AsyncIterator[Starlette]:
    routes = [
        Route("/v1/summarize", summarize, methods=["POST"]),
        Route("/v1/usage", show_usage, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={ServiceError: answer_error})
    with tempfile.TemporaryDirectory() as folder:
        limits = AccountSettings(anonymous=tier, lease_seconds=3)
        settings = Settings(server=ServerSettings(data=Path(folder)), accounts=limits)
        async with open_accounts(settings) as accounts:
            app.state.services = SimpleNamespace(
                summarizer=Summarizer(server), accounts=accounts, draining=Draining(), settings=settings
            )
            yield app


@asynccontextmanager
async def service(server: SummaryServer, tier: str = "unlimited") -> AsyncIterator[httpx.AsyncClient]:
    async with application(server, tier) as app, client_of(app) as client:
        yield client


def client_of(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test")


@dataclass
class EventReader:
    """Asks for events as a socket does, and does something at the first token."""

    app: Starlette
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    at_first_token: Callable[[], Awaitable[None]] | None = None  # None: leaves
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    text: str = ""

    async def read(self) -> None:
        accept = (b"accept", b"text/event-stream")
        scope = {"type": "http", "method": "POST", "path": "/v1/summarize", "query_string": b""}
        scope |= {"client": ("127.0.0.1", 1), "headers": [accept, *self.headers]}
        asked = json.dumps({"text": LONG, "style": "detailed"}).encode()
        body = [{"type": "http.request", "body": asked, "more_body": False}]

        async def receive() -> Any:
            if body:
                return body.pop()
            await self.gone.wait()
            return {"type": "http.disconnect"}

        await self.app(scope, receive, self._send)

    async def _send(self, message: Any) -> None:
        self.text += message.get("body", b"").decode()
        if "event: token" in self.text and not self.gone.is_set():
            if self.at_first_token is None:
                self.gone.set()
            else:
                act, self.at_first_token = self.at_first_token, _nothing
                await act()


async def _nothing() -> None:
    pass


class EndlessChatStream(FakeChatStream):
    def __init__(self) -> None:
        super().__init__([])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in itertools.count():
            yield f"{chunk(f'word{number} ')}\n\n".encode()
            await asyncio.sleep(0.02)


def endless_after_the_first(prompt: str) -> list[str] | FakeChatStream:
    return whole("{}") if "[1] " in prompt else EndlessChatStream()


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
    assert answer.json() == {"summary": TEXT, "text": TEXT, "style": "brief", "model": "large"}


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
        ({"text": TEXT, "evidence": "maybe"}, "`evidence`"),
        ({"segments": []}, "`segments`"),
        ({"segments": "Hello."}, "`segments`"),
        ({"segments": [{"text": 5}]}, "`segments[0]`"),
        ({"segments": [{"text": "Hi.", "start": -1}]}, "`segments[0]`"),
        ({"segments": [{"text": "Hi."}], "text": " "}, "`text`"),
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
    answer = await post(WHOLE, b'{"text": "We meet \\ud83d on Monday."}')

    assert answer.status_code == 200
    assert answer.json()["summary"] == "We meet ? on Monday."


async def test_a_body_over_the_limit_is_refused() -> None:
    answer = await post(WHOLE, b" " * (MAX_BODY + 1))
    assert answer.status_code == 413


async def test_a_body_that_stands_still_is_given_up() -> None:
    async with application(WHOLE, "unlimited") as app:
        media = MediaSettings(upload_idle_seconds=0.05)
        app.state.services.settings = app.state.services.settings.model_copy(update={"media": media})
        sent: list[Any] = []
        begun = [{"type": "http.request", "body": b'{"text": "We ', "more_body": True}]

        async def receive() -> Any:
            return begun.pop() if begun else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/summarize", "query_string": b"", "headers": []}
        await asyncio.wait_for(app(scope | {"client": ("127.0.0.1", 1)}, receive, send), 10)

    assert sent[0]["status"] == 408


async def test_a_given_language_is_used() -> None:
    server = FakeServer(lambda _: whole("{}"))

    await post(server, {"text": MEETING, "language": "id"})

    assert "in Indonesian" in server.asked[0]["messages"][-1]["content"]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_turned_off_is_503_with_how_to_turn_it_on(accept: str) -> None:
    answer = await post(NoServer(), {"text": TEXT}, accept=accept)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "SUMMARIZER_URL" in answer.json()["error"]


async def test_away_is_503_with_when_to_try_again() -> None:
    answer = await post(FakeServer(lambda _: 503), {"text": MEETING})

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


async def test_events_tell_stages_tokens_and_at_last_the_summary() -> None:
    answer = await post(WHOLE, {"text": MEETING, "style": "bullet_points"}, accept="text/event-stream")

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer)
    kinds = [event["type"] for event in events]
    assert kinds == ["stage", *["token"] * kinds.count("token"), "summary"]
    written = "".join(event["token"] for event in events if event["type"] == "token")
    assert written.strip() == events[-1]["summary"]
    assert kinds.count("token") == len(events[-1]["summary"].splitlines()) > 1


async def test_evidence_names_the_sentences_of_every_statement() -> None:
    segments = [
        {"text": "We keep the price at nine euros.", "speaker": "Ann", "start": 1, "end": 3.5, "words": []},
        {"text": "Good.", "speaker": None},
    ]
    answer = await post(WHOLE, {"segments": segments, "evidence": True})

    text = "We keep the price at nine euros."
    point = {"text": text, "sentences": [1], "quotes": [text], "speaker": "Ann", "start": 1.0, "end": 3.5}
    assert answer.json()["points"] == [point]
    assert answer.json()["summary"] == text


async def test_evidence_of_a_text_has_numbers_and_no_times() -> None:
    answer = await post(WHOLE, {"text": TEXT, "evidence": True, "style": "action_items"})

    assert answer.json()["points"] == [
        {"text": "Priya: fix the refunds (by Friday)", "sentences": [1], "quotes": [TEXT]}
    ]


async def test_a_failure_after_the_first_event_is_an_event() -> None:
    server = FakeServer(lambda _: [chunk("It "), 'data: {"error": {"message": "out of memory"}}'])

    events = events_of(await post(server, {"text": MEETING}, accept="text/event-stream"))

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
        await client.post("/v1/summarize", json={"text": MEETING}, headers={"accept": accept})
        await client.post("/v1/summarize", json={"text": ""}, headers={"accept": accept})

        assert await counted(client) == (0, 0)


async def test_a_client_that_leaves_after_the_first_words_has_had_them() -> None:
    async with application(FakeServer(endless_after_the_first), "anonymous") as app, client_of(app) as client:
        await EventReader(app).read()

        assert await counted(client) == (1, 0)


async def test_a_revoked_key_ends_its_summary_with_an_event_that_says_so() -> None:
    server = FakeServer(endless_after_the_first)
    async with application(server, "anonymous") as app:
        settings = app.state.services.settings
        registry = Registry(open_database(settings), load_tiers())
        key = (await registry.create("free", "somebody")).text
        reader = EventReader(app, [(b"authorization", f"Bearer {key}".encode())], lambda: registry.revoke(key))
        await asyncio.wait_for(reader.read(), 60)

    last = json.loads(reader.text.strip().rpartition("data: ")[2])
    assert (last["type"], last["status"]) == ("error", 401)
    assert "revoked" in last["error"]


async def test_summaries_beyond_the_days_are_refused_with_when_to_come_back() -> None:
    async with service(WHOLE, "anonymous") as client:
        answers = [await client.post("/v1/summarize", json={"text": TEXT}) for _ in range(21)]

    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
