"""Chat servers that answer from a script, below the HTTP client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.summaries.chat import ChatServer, ChatTimeouts, Endpoint

QUICK = ChatTimeouts(connect=1, unavailable=0.6, first_token=0.5, next_token=0.2)


class FakeChatStream(httpx.AsyncByteStream):
    def __init__(self, lines: list[str], broken: bool = False) -> None:
        self._lines = lines
        self._broken = broken
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for line in self._lines:
            yield f"{line}\n\n".encode()
        if self._broken:
            raise httpx.ReadError("gone")

    async def aclose(self) -> None:
        self.closed = True


def chunk(text: str | None, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": {"content": text} if text is not None else {}, "finish_reason": finish}
    return "data: " + json.dumps({"model": "spoken-1b", "choices": [choice]})


def whole(text: str) -> list[str]:
    return [chunk(text), chunk(None, "stop"), "data: [DONE]"]


@dataclass
class FakeServer:
    """answer: the prompt of the last message → lines of the stream, or a status to refuse with."""

    answer: Callable[[str], list[str] | int | FakeChatStream]
    context: int = 4096
    llama: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)  # bodies of the chat requests

    def chat(self) -> ChatServer:
        endpoint = Endpoint("http://summarizer/v1", key="secret")
        return ChatServer(endpoint, QUICK, httpx.MockTransport(self.handle))

    def start(self) -> None: ...

    def drain(self) -> None: ...

    async def stop(self) -> None: ...

    def handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or b"{}")
        if request.url.path == "/v1/chat/completions":
            self.asked.append(body)
            return self.reply(self.answer(body["messages"][-1]["content"]))
        return httpx.Response(200, json=self.describe(request.url.path, body))

    def describe(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/tokenize":
            words = body["prompt"].split()
            return {"tokens": list(range(len(words)))} if self.llama else {"count": len(words)}
        if path == "/props":
            return {"total_slots": 2}
        if self.llama:
            return {"data": [{"id": "small", "owned_by": "llamacpp", "meta": {"n_ctx": self.context}}]}
        return {"data": [{"id": "large", "owned_by": "vllm", "max_model_len": self.context}]}

    @staticmethod
    def reply(answer: list[str] | int | FakeChatStream) -> httpx.Response:
        if isinstance(answer, int):
            return httpx.Response(answer, json={"error": {"message": "not now"}})
        return httpx.Response(200, stream=answer if isinstance(answer, FakeChatStream) else FakeChatStream(answer))
