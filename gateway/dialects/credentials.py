"""Where other protocols' clients put their key."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import replace

from starlette.requests import HTTPConnection

from gateway.accounts import Credentials
from gateway.services import services_of

KEY_SUBPROTOCOL = "openai-insecure-api-key."  # browsers cannot send an Authorization header


def credentials_of(connection: HTTPConnection) -> Credentials:
    """The request's credentials. A header with no key in it, which programs send whose key is left empty, counts as
    none, and so does a key that the operator gives out for no key. A live client may have its key among its
    sub-protocols, and a program that knows passwords alone sends it as one.
    """
    credentials = Credentials.of(connection)
    nobody = {"", *map(str.lower, services_of(connection).settings.accounts.anonymous_keys)}
    if len(credentials.authorization) == 1 and (key := key_of(credentials.authorization[0])) is not None:
        authorization = () if key.lower() in nobody else (f"Bearer {key}",)
        credentials = replace(credentials, authorization=authorization)
    return with_subprotocol_key(credentials, connection, nobody)


def with_subprotocol_key(
    credentials: Credentials, connection: HTTPConnection, nobody: Collection[str] = ("",)
) -> Credentials:
    """With the key that a live client has among its sub-protocols, unless a header names one.

    nobody: what counts as no key, in small letters
    """
    offered = [each for each in subprotocols(connection) if each.startswith(KEY_SUBPROTOCOL)]
    key = offered[0].removeprefix(KEY_SUBPROTOCOL) if offered else ""
    if key.lower() in nobody or credentials.authorization:
        return credentials
    return replace(credentials, token=key)


def key_of(header: str) -> str | None:
    """The key of an Authorization header, "" where it has none; None for a header of another kind.

    The key is a Bearer header's token, or the password of a Basic one, or its user name where it has no password.
    """
    scheme, _, value = header.strip().partition(" ")
    match scheme.lower():
        case "":
            return ""
        case "bearer":
            return value.strip()
        case "basic":
            try:
                user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
            except ValueError:
                return None
            return (password or user).strip()
    return None


def subprotocols(connection: HTTPConnection) -> list[str]:
    """That a WebSocket's client offers; () of an HTTP request."""
    offered: list[str] = connection.scope.get("subprotocols", [])
    return offered
