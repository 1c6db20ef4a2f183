"""GET /health: 200 while every deployed model answers, 503 with what is wrong otherwise."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.catalogue import HealthReport
from gateway.services import Services, services_of

RETRY_SECONDS = 5


async def health(request: Request) -> Response:
    services = services_of(request)
    gpu = await services.gpus.find()
    problem = _problem(services)
    report: HealthReport = {
        "status": "unavailable" if problem else "ok",
        "gpu_available": gpu is not None,
        "gpu_name": gpu.name if gpu else None,
        "gpu_memory_mb": gpu.memory // 2**20 if gpu else None,
    }
    if unconfined := services.media.unconfined:
        report["unconfined"] = unconfined
    if not problem:
        return JSONResponse(report)
    report["error"] = problem
    return JSONResponse(report, status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})


def _problem(services: Services) -> str:
    if services.draining.announced:
        return "The service is stopping; another one takes new requests."
    if unavailable := services.unavailable_models():
        return f"Triton does not serve {', '.join(unavailable)} at the moment."
    return ""
