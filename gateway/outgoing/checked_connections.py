"""Connections to public addresses only, for httpcore: the one place where outgoing connections are made."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpcore

from gateway.outgoing.address_rules import AddressRules


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
        for address in await self._addresses(host, port, timeout):
            if not self.rules.admits(host, ipaddress.ip_address(address.partition("%")[0])):
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

    async def _addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        look = asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.wait_for(look, timeout)
        except TimeoutError as problem:
            raise httpcore.ConnectTimeout from problem
        except (OSError, UnicodeError) as problem:
            raise httpcore.ConnectError(str(problem)) from problem
        return list(dict.fromkeys(str(each[4][0]) for each in found))


def checked_pool(rules: AddressRules) -> httpcore.AsyncConnectionPool:
    """Certificates are verified; no proxy of the environment is used. To be closed."""
    return httpcore.AsyncConnectionPool(network_backend=CheckedBackend(rules), max_keepalive_connections=0)
