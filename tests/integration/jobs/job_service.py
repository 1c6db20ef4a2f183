"""A gateway whose models echo, a website that it fetches from and tells of its jobs, and keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import PATIENCE, SPEECH, EchoGateway
from tests.integration.outgoing.web_server import SeenRequest, WebAnswer, WebServer

CREDITS = 1000


@dataclass
class Website:
    """Has a recording of some seconds at every address, and takes every message, unless a test says otherwise."""

    pages: dict[str, Callable[[SeenRequest], WebAnswer]] = field(default_factory=dict)

    def answer(self, request: SeenRequest) -> WebAnswer:
        if page := self.pages.get(request.path):
            return page(request)
        return WebAnswer(200, SPEECH.read_bytes()) if request.method == "GET" else WebAnswer(204)


@dataclass
class JobService:
    gateway: EchoGateway
    store: AccountStore
    web: WebServer
    website: Website
    talk: Path  # five minutes

    def owner(self, credits: int = CREDITS) -> httpx.Client:
        """With a key of its own."""
        key = asyncio.run(self.store.key(credits=credits))
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.gateway.url, headers=headers, timeout=PATIENCE)

    def submit(self, owner: httpx.Client, path: Path = SPEECH, **fields: str) -> str:
        answer = owner.post("/v1/jobs", files={"file": (path.name, path.read_bytes())}, data=fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def told(self, path: str) -> list[SeenRequest]:
        """Messages that came to an address of the website."""
        return [request for request in self.web.seen if request.method == "POST" and request.path == path]

    def files(self, identity: str) -> list[str]:
        """That are stored of a job."""
        return [path.name for path in (self.gateway.data.parent / "shared" / identity).glob("*")]


def ended(owner: httpx.Client, identity: str) -> Any:
    return until(lambda: job if (job := show(owner, identity))["status"] not in ("queued", "processing") else None)


def show(owner: httpx.Client, identity: str) -> Any:
    return owner.get(f"/v1/jobs/{identity}").raise_for_status().json()


def until(look: Callable[[], Any]) -> Any:
    """What it finds at last."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
