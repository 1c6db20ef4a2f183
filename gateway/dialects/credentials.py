"""Where other protocols' clients put their key."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import HTTPConnection

from gateway.accounts import Credentials
from gateway.services import services_of

KEY_SUBPROTOCOL = "openai-insecure-api-key."  # browsers cannot send an Authorization header


def credentials_of(connection: HTTPConnection) -> Credentials:
    """The request's credentials. A Bearer header with nothing behind it, which programs send whose key is left
    empty, counts as none, and so does a key that the operator gives out for no key; a live client may have its key
    among its sub-protocols.
    """
    credentials = Credentials.of(connection)
    none = ["bearer", *(f"bearer {key}" for key in services_of(connection).settings.accounts.anonymous_keys)]
    if len(credentials.authorization) == 1 and credentials.authorization[0].strip().lower() in map(str.lower, none):
        credentials = replace(credentials, authorization=())
    key = next((each.removeprefix(KEY_SUBPROTOCOL) for each in subprotocols(connection) if KEY_SUBPROTOCOL in each), "")
    if key and not credentials.authorization:
        credentials = replace(credentials, token=key)
    return credentials


def subprotocols(connection: HTTPConnection) -> list[str]:
    """That a WebSocket's client offers; () of an HTTP request."""
    offered: list[str] = connection.scope.get("subprotocols", [])
    return offered
