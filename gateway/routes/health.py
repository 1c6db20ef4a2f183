"""GET /health: 200 while every deployed model answers, 503 with what is wrong otherwise."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.catalogue import HealthReport
from gateway.services import services_of

RETRY_SECONDS = 5


async def health(request: Request) -> Response:
    services = services_of(request)
    gpu = await services.gpus.find()
    status = services.status
    report: HealthReport = {
        "status": "unavailable" if status.problem else "ok",
        "state": status.state,
        "files": services.capacity.used["recordings"],
        "live_sessions": services.capacity.used["live_sessions"],
        "gpu_available": gpu is not None,
        "gpu_name": gpu.name if gpu else None,
        "gpu_memory_mb": gpu.memory // 2**20 if gpu else None,
    }
    if unconfined := services.media.unconfined:
        report["unconfined"] = unconfined
    if not status.problem:
        return JSONResponse(report)
    report["error"] = status.problem
    return JSONResponse(report, status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
