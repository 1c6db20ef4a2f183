"""How Home Assistant finds the service by itself: zeroconf, in the local network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

TYPE = "_wyoming._tcp.local."
NAME = "stt"


@asynccontextmanager
async def announced(host: str, port: int, *, on: bool) -> AsyncIterator[None]:
    """While the block runs, the address is announced.

    host: that is listened on; of all addresses, the machine's own one in its network
    """
    if not on:
        yield
        return
    address = local_address() if ipaddress.ip_address(host).is_unspecified else host
    packed = ipaddress.ip_address(address).packed
    zeroconf = AsyncZeroconf()
    service = ServiceInfo(TYPE, f"{NAME}-{socket.gethostname()}.{TYPE}", addresses=[packed], port=port)
    try:
        await zeroconf.async_register_service(service)
        yield
    finally:
        await zeroconf.async_unregister_service(service)
        await zeroconf.async_close()


def local_address() -> str:
    """By which others in the network reach this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
