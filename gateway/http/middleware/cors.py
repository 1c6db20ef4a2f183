"""CORS, whose refusals are in the shape of all others."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from gateway.errors import BadRequest, error_response


class JsonCorsMiddleware(CORSMiddleware):
    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        accepted = f"methods {', '.join(self.allow_methods)}; headers {', '.join(sorted(self.allow_headers))}"
        refusal = error_response(BadRequest(f"This preflight is not accepted. Accepted are {accepted}."))
        own = {"content-length", "content-type"}
        refusal.headers.update({name: value for name, value in response.headers.items() if name not in own})
        return refusal
