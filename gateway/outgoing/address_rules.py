"""Which addresses on the network a caller may have this service connect to.

Checked where the connection is made, on the address that it goes to: whatever a name pointed to before, or in another
lookup, does not matter, and each redirect makes a connection of its own.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from gateway.errors import BadParameter
from gateway.settings import OutgoingSettings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # an IPv4 address is behind it
LONGEST_URL = 2000  # characters
PORTS = {"http": 80, "https": 443}
PRIVATE = "leads to a private address, which this service does not ask"


@dataclass(frozen=True, slots=True)
class AddressRules:
    ports: Collection[int] = (80, 443)
    hosts: Collection[str] = ()  # the only ones; (): any
    private_hosts: Collection[str] = ()  # whose addresses may be of this machine or its network

    @classmethod
    def of(cls, settings: OutgoingSettings) -> AddressRules:
        hosts, private = (tuple(map(str.lower, names)) for names in (settings.hosts, settings.private_hosts))
        return cls(tuple(map(int, settings.ports)), hosts, private)

    def check(self, url: str, parameter: str = "url") -> SplitResult:
        """What can be known of an address without asking anybody. Raises BadParameter."""
        try:
            parts = urlsplit(url)
            port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
            usable = parts.scheme in PORTS and bool(parts.hostname) and url.isascii() and url.isprintable()
        except ValueError:
            usable, port = False, 0
        if not usable or " " in url or len(url) > LONGEST_URL:
            raise BadParameter(f"`{parameter}` is no address; accepted is such as https://host/file.mp3.", parameter)
        if parts.username or parts.password:
            raise BadParameter(f"`{parameter}` holds a user's name; leave it out.", parameter)
        if port not in self.ports:
            accepted = ", ".join(map(str, self.ports))
            raise BadParameter(f"`{parameter}` names port {port}; accepted are {accepted}.", parameter)
        host = (parts.hostname or "").rstrip(".")
        if self.hosts and host not in self.hosts:
            raise BadParameter(f"`{parameter}` names a host that this service does not ask.", parameter)
        if (address := literal_address(host)) is not None and not self.admits(host, address):
            raise BadParameter(f"`{parameter}` {PRIVATE}.", parameter)
        return parts

    def admits(self, host: str, address: Address) -> bool:
        """Whether a connection to `host` may go to this address."""
        return host.rstrip(".").lower() in self.private_hosts or is_public(address)


def literal_address(host: str) -> Address | None:
    """What a host is in any of the notations that resolvers take, such as 127.1 or 0x7f000001; None: a name"""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_public(address: Address) -> bool:
    """Neither of this machine, nor of a private network, nor a cloud's metadata, nor behind a gateway to those."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast
