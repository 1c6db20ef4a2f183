"""GET /v1/progress/{request id}: how far a request in hand is. Beside the published contract."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.catalogue import RequestProgress
from gateway.errors import NotFound
from gateway.services import services_of


async def show_progress(request: Request) -> Response:
    services, identity = services_of(request), request.path_params["identity"]
    progress = services.progress.find(identity)
    if progress is None and services.shared_progress is not None:
        progress = await services.shared_progress.find(identity)
    if progress is None:
        raise NotFound("No request with this X-Request-Id is in hand.")
    answer: RequestProgress = {"stage": progress.stage, "done": round(progress.done, 3)}
    return JSONResponse(answer)
