"""The HTTP application: routes and what surrounds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.dialects.errors import REASON_HEADER, SHOULD_RETRY_HEADER, DialectErrors
from gateway.errors import ServiceError, answer_error
from gateway.http.middleware.cors import JsonCorsMiddleware
from gateway.http.middleware.error_boundary import ErrorBoundary
from gateway.http.middleware.metrics import MetricsMiddleware
from gateway.http.middleware.origin_check import OriginCheck
from gateway.http.middleware.request_log import REQUEST_ID_HEADER, RequestLogMiddleware
from gateway.http.middleware.trailing_slash import TrailingSlash
from gateway.http.upload_headers import UPLOAD_HEADERS
from gateway.jobs.jobs import Jobs
from gateway.reference.openapi import response_headers
from gateway.reference.operation import Operation, Serve
from gateway.requests.recordings import IDEMPOTENCY_HEADER
from gateway.routes.reference import ApiDocuments
from gateway.routes.table import CHANNELS, operations
from gateway.services import Services

SDK_HEADERS = (  # that OpenAI's clients send from a browser
    "OpenAI-Organization",
    "OpenAI-Project",
    "OpenAI-Beta",
    *(
        f"X-Stainless-{name}"
        for name in (
            *("Arch", "Async", "Custom-Poll-Interval", "Helper-Method", "Lang", "OS", "Package-Version"),
            *("Poll-Helper", "Raw-Response", "Read-Timeout", "Retry-Count", "Runtime", "Runtime-Version", "Timeout"),
        )
    ),
)
ALLOWED_HEADERS = (
    *("Authorization", "Content-Type", IDEMPOTENCY_HEADER, REQUEST_ID_HEADER),
    *SDK_HEADERS,
    *UPLOAD_HEADERS,
)


def create_app(services: Services, jobs: Jobs | None = None) -> Starlette:
    """jobs: None where they are turned off"""
    settings = services.settings
    offered = operations(docs=settings.server.docs, jobs=settings.jobs.enabled, page=settings.server.page)
    origins = services.settings.server.cors_origins
    routes: list[BaseRoute] = _routes(offered)
    routes += [WebSocketRoute(channel.path, channel.serve) for channel in CHANNELS]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(RequestLogMiddleware),
            Middleware(TrailingSlash),
            Middleware(MetricsMiddleware, metrics=services.metrics, routes=routes),
            Middleware(DialectErrors),
            Middleware(OriginCheck, origins=origins),
            Middleware(
                JsonCorsMiddleware,
                allow_origins=origins,
                allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
                allow_headers=ALLOWED_HEADERS,
                expose_headers=[*response_headers(offered), SHOULD_RETRY_HEADER, REASON_HEADER],
            ),
            Middleware(ErrorBoundary),
        ],
        exception_handlers={ServiceError: answer_error, HTTPException: answer_error},
    )
    app.state.services = services
    app.state.jobs = jobs
    app.state.uploads = None if jobs is None else jobs.uploads
    app.state.documents = ApiDocuments(offered, CHANNELS)
    return app


def _routes(offered: Sequence[Operation]) -> list[BaseRoute]:
    """One for each path, so that what a path takes is told whole where something else is asked of it."""
    paths: dict[str, dict[str, Serve]] = {}
    for each in offered:
        paths.setdefault(each.path, {})[each.method] = each.serve
    return [Route(path, _by_method(methods), methods=list(methods)) for path, methods in paths.items()]


def _by_method(methods: Mapping[str, Serve]) -> Serve:
    async def serve(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" and "HEAD" not in methods else request.method
        return await methods[method](request)

    return serve
