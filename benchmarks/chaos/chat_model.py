"""A language model in name: a server of the OpenAI chat API that says the same sentence, until it is told to fail.

POST /faults/refuse, /faults/break or /faults/none says what becomes of the next answers. Run as a script: its port.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

NAME = "parrot"
SAID = "The team launches the new harbour ferry in May."


class ChatModel:
    def __init__(self) -> None:
        self.fault = "none"

    async def models(self, _: Request) -> Response:
        return JSONResponse({"data": [{"id": NAME, "max_model_len": 32_768, "owned_by": "vllm"}]})

    async def tokenize(self, request: Request) -> Response:
        return JSONResponse({"count": len((await request.json())["prompt"]) // 4 + 1})

    async def complete(self, _: Request) -> Response:
        if self.fault == "refuse":
            return JSONResponse({"error": {"message": "out of memory"}}, 500)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def break_(self, request: Request) -> Response:
        self.fault = request.path_params["fault"]
        return JSONResponse({"fault": self.fault})

    async def _stream(self) -> AsyncIterator[str]:
        for word in SAID.split(" "):
            yield _event({"delta": {"content": f"{word} "}})
            await asyncio.sleep(0.01)
            if self.fault == "break":
                raise ConnectionError("broken on purpose")
        yield _event({"delta": {}, "finish_reason": "stop"})
        yield "data: [DONE]\n\n"


def _event(choice: dict[str, object]) -> str:
    return f"data: {json.dumps({'model': NAME, 'choices': [{'index': 0, **choice}]})}\n\n"


def main(port: int) -> None:
    model = ChatModel()
    routes = [
        Route("/health", model.models),
        Route("/v1/models", model.models),
        Route("/tokenize", model.tokenize, methods=["POST"]),
        Route("/v1/chat/completions", model.complete, methods=["POST"]),
        Route("/faults/{fault}", model.break_, methods=["POST"]),
    ]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main(int(sys.argv[1]))
