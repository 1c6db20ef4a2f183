"""The HTTP application: routes and what surrounds them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from gateway.accounts.limits import CREDITS_HEADER
from gateway.errors import ServiceError, answer_error
from gateway.http.middleware import REQUEST_ID_HEADER, KnownPages, LastAnswer, RequestRecord
from gateway.metrics import Measured
from gateway.routes.catalogue import list_languages, list_models
from gateway.routes.health import health
from gateway.routes.progress import show_progress
from gateway.routes.stream import stream
from gateway.routes.summarize import summarize
from gateway.routes.transcribe import ANSWER_KEY_HEADER, MODEL_HEADER, REPLAYED_HEADER, transcribe
from gateway.routes.usage import show_usage
from gateway.services import Services

ALLOWED_HEADERS = ("Authorization", "Content-Type", ANSWER_KEY_HEADER, REQUEST_ID_HEADER)
EXPOSED_HEADERS = (
    *(REQUEST_ID_HEADER, MODEL_HEADER, REPLAYED_HEADER, CREDITS_HEADER, "Retry-After"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)


def create_app(services: Services) -> Starlette:
    origins = services.settings.server.cors_origins
    routes = [
        Route("/", index, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/languages", list_languages, methods=["GET"]),
        Route("/v1/transcribe", transcribe, methods=["POST"]),
        Route("/v1/usage", show_usage, methods=["GET"]),
        Route("/v1/summarize", summarize, methods=["POST"]),
        Route("/v1/progress/{identity}", show_progress, methods=["GET"]),
        WebSocketRoute("/v1/stream", stream),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(RequestRecord),
            Middleware(Measured, metrics=services.metrics, routes=routes),
            Middleware(KnownPages, origins=origins),
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=["GET", "POST"],
                allow_headers=ALLOWED_HEADERS,
                expose_headers=EXPOSED_HEADERS,
            ),
            Middleware(LastAnswer),
        ],
        exception_handlers={ServiceError: answer_error, HTTPException: answer_error},
    )
    app.state.services = services
    return app


async def index(request: Request) -> Response:
    paths = [route.path for route in request.app.routes if isinstance(route, Route | WebSocketRoute)]
    return JSONResponse({"service": "stt", "endpoints": paths})
