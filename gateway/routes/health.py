"""GET /health: 200 while every deployed model answers, 503 with what is wrong otherwise."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.health import find_gpu
from gateway.services import services_of

RETRY_SECONDS = 5


async def health(request: Request) -> Response:
    services = services_of(request)
    gpu = await asyncio.to_thread(find_gpu)
    away = await services.models_away()
    body = {
        "status": "unavailable" if away else "ok",
        "gpu_available": gpu is not None,
        "gpu_name": gpu.name if gpu else None,
        "gpu_memory_mb": gpu.memory_mb if gpu else None,
    }
    if not away:
        return JSONResponse(body)
    body["error"] = f"Triton does not serve {', '.join(away)} at the moment."
    return JSONResponse(body, status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
