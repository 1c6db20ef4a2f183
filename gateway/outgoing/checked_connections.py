"""Connections to public addresses only, for httpcore: the one place where outgoing connections are made.

Names are looked up in threads of their own: a name server that answers nobody holds up no file that is written.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import typing
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import httpcore

from gateway.errors import BadParameter
from gateway.outgoing.address_rules import PRIVATE, Address, AddressRules

LOOKUP_SECONDS = 2.0  # for a name that is looked up before anything is asked of it

_lookups = ThreadPoolExecutor(16, "lookup")


class AddressRefused(Exception):
    """The connection would have gone where callers may not have this service go."""


@dataclass(slots=True)
class CheckedBackend(httpcore.AsyncNetworkBackend):
    rules: AddressRules
    _network: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[typing.Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """To an address that was checked, and to no other: the name is not looked up again.

        raises: AddressRefused; httpcore.ConnectError, httpcore.ConnectTimeout
        """
        problem: Exception = AddressRefused(host)
        for address in await addresses(host, port, timeout):
            if not self.rules.admits(host, as_address(address)):
                continue
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                problem = failure
        raise problem

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[typing.Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused(path)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def refuse_private(rules: AddressRules, url: str, parameter: str = "url") -> None:
    """At once, what would be refused where it connects. A name that nobody knows now may be known then.

    raises: BadParameter
    """
    parts = rules.check(url, parameter)
    host = parts.hostname or ""
    try:
        found = await addresses(host, parts.port, LOOKUP_SECONDS)
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        return
    if not any(rules.admits(host, as_address(each)) for each in found):
        raise BadParameter(f"`{parameter}` {PRIVATE}.", parameter)


async def addresses(host: str, port: int | None, timeout: float | None) -> list[str]:
    """Of a name. Raises httpcore.ConnectError, httpcore.ConnectTimeout"""
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(_lookups, look), timeout)
    except TimeoutError as problem:
        raise httpcore.ConnectTimeout from problem
    except (OSError, UnicodeError) as problem:
        raise httpcore.ConnectError(str(problem)) from problem
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def as_address(text: str) -> Address:
    return ipaddress.ip_address(text.partition("%")[0])


def checked_pool(rules: AddressRules) -> httpcore.AsyncConnectionPool:
    """Certificates are verified; no proxy of the environment is used. To be closed."""
    return httpcore.AsyncConnectionPool(network_backend=CheckedBackend(rules), max_keepalive_connections=0)
