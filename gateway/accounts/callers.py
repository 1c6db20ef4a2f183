"""Who is calling: a key in the request, or the network that an anonymous request comes from."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from gateway.accounts.tiers import Tier
from gateway.errors import Unauthorized

IPV6_SITE_BITS = 64  # one subscriber has at least a /64, so its addresses count as one
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose limits apply. Safe to log: it holds neither a key nor an address."""

    subject: str  # an account's id, or "ip:" and a keyed hash
    tier: Tier
    name: str
    key: str | None = None  # the prefix of its key, which may be shown

    @property
    def anonymous(self) -> bool:
        return self.subject.startswith("ip:")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about who sent it."""

    peer: str  # address of the connection; empty for a Unix socket
    authorization: Sequence[str] = field(default=(), repr=False)  # headers of that name
    forwarded: Sequence[str] = ()  # X-Forwarded-For headers, in order
    token: str | None = field(default=None, repr=False)  # ?token=, which only a stream's address may carry
    headers: Headers = field(default_factory=Headers, repr=False)
    http_version: str = "1.1"

    @classmethod
    def of(cls, connection: HTTPConnection) -> Credentials:
        headers = connection.headers
        streams = connection.scope["type"] == "websocket"
        return cls(
            connection.client.host if connection.client else "",
            headers.getlist("authorization"),
            headers.getlist("x-forwarded-for"),
            connection.query_params.get("token") if streams else None,
            headers,
            connection.scope.get("http_version", "1.1"),
        )

    def key(self) -> str | None:
        """None for an anonymous request. raises: Unauthorized where the header is of any other kind"""
        if not self.authorization:
            return self.token or None
        scheme, _, key = self.authorization[0].strip().partition(" ")
        if scheme.lower() != "bearer" or not key.strip() or len(self.authorization) > 1:
            raise Unauthorized("The Authorization header is not understood; accepted: Bearer KEY.")
        return key.strip()


def trusted_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """raises: ValueError where a text is neither an address nor a network"""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def client_network(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The network that a request counts for: an IPv4 address, or an IPv6 /64.

    forwarded: values of X-Forwarded-For, in order; read from the right and only as far as trusted
    proxies wrote it, because anything further left is whatever the client likes to claim.
    """
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    address = _address(peer)
    while hops and address is not None and _trusted(address, proxies):
        claimed = _address(hops.pop())
        if claimed is None:
            break
        address = claimed
    if address is None:
        return "local"  # a Unix socket has no address
    bits = IPV6_SITE_BITS if address.version == 6 else address.max_prefixlen
    return str(ipaddress.ip_network((address, bits), strict=False))


def address_subject(network: str, salt: str) -> str:
    """Addresses are personal data; the store sees only a hash under a key of its own."""
    return "ip:" + hmac.new(salt.encode(), network.encode(), hashlib.sha256).hexdigest()[:40]


def _trusted(address: Address, proxies: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in proxies)


def _address(text: str) -> Address | None:
    """Also reads `[v6]:port` and `v4:port`, which some proxies write."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
