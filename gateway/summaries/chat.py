"""One client for every server with the OpenAI chat API: vLLM, llama.cpp, and others.

It always streams, since that is what makes a server stop when the caller leaves: the connection closes with
the task that reads it. It asks again only where nothing was generated yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.summaries.chat_protocol import (
    ChatEvent,
    ChatRequest,
    Done,
    PromptProgress,
    ServedModel,
    SummarizerFailed,
    SummarizerUnavailable,
    TextDelta,
    explanation,
    read_chunk,
    understood,
)

ASSUMED_CONTEXT = 4096  # tokens, where a server does not tell
ASSUMED_AT_ONCE = 8  # answers side by side, where a server does not tell
BYTES_PER_TOKEN = 2  # where a server cannot count: on the safe side for every language
TRY_AGAIN = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens and how it wants to be spoken to."""

    url: str  # with or without /v1
    key: str = field(default="", repr=False)
    model: str = ""  # "": the first that it names


@dataclass(frozen=True, slots=True)
class ChatTimeouts:
    """Seconds to wait, each for one thing."""

    connect: float = 5.0
    unavailable: float = 10.0  # for a server that refuses or is busy, all attempts together
    first_token: float = 900.0  # includes its queue and the reading of a long prompt without a GPU
    next_token: float = 120.0


class ChatServer:
    """Speaks with one server. Safe to share between tasks; `aclose` it at the end."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeouts: ChatTimeouts | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._timeouts = timeouts or ChatTimeouts()
        self._served: ServedModel | None = None
        self._http = httpx.AsyncClient(
            base_url=endpoint.url.rstrip("/").removesuffix("/v1"),
            headers={"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {},
            timeout=httpx.Timeout(30.0, connect=self._timeouts.connect, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=16),
            transport=transport,
            trust_env=False,  # a proxy meant for the internet does not reach the server next door
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def served(self) -> ServedModel:
        """raises: SummarizerUnavailable while the server is starting or out of reach"""
        if self._served is None:
            models = await self._ask("GET", "/v1/models")
            with understood():
                self._served = await self._read_served(models)
        return self._served

    async def count(self, text: str) -> int:
        """Tokens of a text, as the server's own model counts them; an upper estimate where it cannot."""
        # vLLM reads `prompt` and answers `count`; llama.cpp reads `content` and answers `tokens`.
        fields = {"prompt": text, "content": text, "add_special_tokens": False}
        served = await self.served()
        try:
            answer = await self._ask("POST", "/tokenize", fields | {"model": served.model})
            with understood():
                return int(answer["count"]) if "count" in answer else len(answer["tokens"])
        except SummarizerFailed:
            return len(text.encode()) // BYTES_PER_TOKEN + 1

    async def answer(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Streams one answer; ends with Done. Leaving it early makes the server stop.

        raises: SummarizerUnavailable if the server is away, SummarizerFailed if it breaks off or refuses
        """
        served = await self.served()
        deadline = asyncio.get_running_loop().time() + self._timeouts.unavailable
        wait = 0.25  # seconds, doubled each time
        while True:
            generated = False
            try:
                async with aclosing(self._attempt(request, served)) as parts:
                    async for part in parts:
                        generated = generated or isinstance(part, TextDelta)
                        yield part
                return
            except (SummarizerUnavailable, httpx.TransportError) as error:
                if generated:
                    raise SummarizerFailed("The summarizer broke off in the middle of its answer.") from error
                self._served = None
                if self._http.is_closed or asyncio.get_running_loop().time() + wait > deadline:
                    raise _unavailable(error) from error
            await asyncio.sleep(wait)
            wait *= 2

    async def _attempt(self, request: ChatRequest, served: ServedModel) -> AsyncGenerator[ChatEvent, None]:
        # PromptProgress waits as long as `first_token` says, so the transport itself does not time it.
        timeout = httpx.Timeout(30.0, connect=self._timeouts.connect, read=None, pool=None)
        body = _body(request, served)
        self._check_open()
        call = self._http.build_request("POST", "/v1/chat/completions", json=body, timeout=timeout)
        try:
            async with asyncio.timeout(self._timeouts.first_token):
                response = await self._http.send(call, stream=True)
        except TimeoutError as error:
            raise SummarizerFailed("The summarizer did not begin to answer in time.") from error
        try:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                self._served = None  # another model may be there by now
                raise _refusal(response)
            async for part in self._parts(response, served.model):
                yield part
        finally:
            await response.aclose()

    async def _parts(self, response: httpx.Response, model: str) -> AsyncGenerator[ChatEvent, None]:
        lines, loop = response.aiter_lines(), asyncio.get_running_loop()
        silence, finish = self._timeouts.first_token, ""
        deadline = loop.time() + silence
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    line = await anext(lines, None)
            except TimeoutError as error:
                raise SummarizerFailed("The summarizer fell silent.") from error
            if line is None:
                break
            if not line.startswith("data:"):  # a comment, which keeps the connection and says nothing
                continue
            said = line.removeprefix("data:").strip()
            if said == "[DONE]":
                break
            chunk = read_chunk(said)
            model, finish = chunk.model or model, chunk.finish or finish
            if chunk.read is not None:
                yield PromptProgress(chunk.read)
            if chunk.text:
                silence = self._timeouts.next_token
                yield TextDelta(chunk.text)
            deadline = loop.time() + silence
        if not finish:
            raise httpx.RemoteProtocolError("the stream ended before the answer did")
        yield Done(model, cut=finish == "length")

    async def _read_served(self, models: dict[str, Any]) -> ServedModel:
        listed = models.get("data") or []
        wanted = [model for model in listed if model.get("id") == self.endpoint.model]
        if not listed or (self.endpoint.model and not wanted):
            known = ", ".join(str(model.get("id")) for model in listed) or "none"
            raise SummarizerFailed(f"The summarizer does not serve {self.endpoint.model!r}; it serves: {known}.")
        model = (wanted or listed)[0]
        llama = model.get("owned_by") == "llamacpp"
        props = await self._ask("GET", "/props") if llama else {"total_slots": ASSUMED_AT_ONCE}
        told = (model.get("max_model_len"), (model.get("meta") or {}).get("n_ctx"), _context_of_a_slot(props))
        context = next((int(size) for size in told if size), ASSUMED_CONTEXT)
        return ServedModel(model["id"], context, int(props.get("total_slots", 1)), reports_progress=llama)

    def _check_open(self) -> None:
        if self._http.is_closed:  # the embedded server ended, and a new one has an address of its own
            raise SummarizerUnavailable("The summarizer is starting again.")

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        self._check_open()
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise _unavailable(error) from error
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        try:
            answer = response.json()
        except ValueError as error:
            raise SummarizerFailed("The summarizer's address answers with something that is not JSON.") from error
        if not isinstance(answer, dict):
            raise SummarizerFailed("The summarizer's address does not speak the OpenAI chat API.")
        return answer


def _context_of_a_slot(props: dict[str, Any]) -> int | None:
    """Where llama.cpp told it before its list of models did."""
    return (props.get("default_generation_settings") or {}).get("n_ctx")


def _body(request: ChatRequest, served: ServedModel) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": served.model,
        "messages": list(request.messages),
        "max_tokens": request.max_tokens,
        "temperature": 0.0,
        "stream": True,
    }
    if request.schema is not None:
        schema = {"name": "answer", "schema": dict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if served.reports_progress:
        body["return_progress"] = True
        body["cache_prompt"] = True
    return body


def _unavailable(error: Exception) -> SummarizerUnavailable:
    known = isinstance(error, SummarizerUnavailable)
    return SummarizerUnavailable(str(error) if known else f"The summarizer does not answer ({type(error).__name__}).")


def _refusal(response: httpx.Response) -> Exception:
    if response.status_code in TRY_AGAIN:
        return SummarizerUnavailable(f"The summarizer is busy or starting (it answered {response.status_code}).")
    try:
        said = explanation(response.json())
    except ValueError:
        said = response.text[:200]
    return SummarizerFailed(f"The summarizer refused the request ({response.status_code}): {said}")
