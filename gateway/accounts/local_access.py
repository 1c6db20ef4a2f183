"""The machine's own user is not metered: with the key of the runtime file, or on a service that only listens here.

A service that listens on a loopback address and stands behind no proxy is reached from this machine alone. A request
without a key is then its user's, unless a web page makes it: the user's browser runs pages of strangers on this
machine. Browsers name the page's origin (Origin, Sec-Fetch-Site), and a page that had its own name point here (DNS
rebinding) is known by that name in Host.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from gateway.accounts.callers import Credentials
from gateway.accounts.tiers import Tier
from gateway.errors import Forbidden

LOCAL = "local"  # the subject and the name of the machine's own user
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
SAME_SITE = ("same-origin", "none")  # Sec-Fetch-Site of a page of the service itself, and of what the user typed


@dataclass(frozen=True, slots=True)
class LocalAccess:
    tier: Tier  # of the machine's own user
    is_open: bool  # the service is reached from this machine alone: no key is needed
    origins: Sequence[str] = ()  # of pages that may work as the user
    key: str = field(default_factory=lambda: f"stt_local_{secrets.token_urlsafe(32)}", repr=False)

    def has_key(self, key: str) -> bool:
        return hmac.compare_digest(self.key.encode(), key.encode())

    def admits(self, credentials: Credentials) -> bool:
        """Whether a request without a key is the machine's own user's; others are anonymous.

        raises: Forbidden where Host names no loopback address
        """
        if not self.is_open:
            return False
        peer, headers = credentials.peer, credentials.headers
        host = headers.get("host", "")
        if not is_loopback(_host_name(f"//{host}")):
            raise Forbidden(
                f"This service serves its own machine alone, not {host[:80]!r}; accepted as Host are localhost, "
                "127.0.0.1 and [::1]. Behind a proxy, STT_ACCOUNTS_TRUSTED_PROXIES names it."
            )
        if not (peer == "" or is_loopback(peer)) or _is_proxied(credentials):
            return False
        return self._is_no_foreign_page(headers)

    def _is_no_foreign_page(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin in self.origins:
            return True
        if origin is None:
            return headers.get("sec-fetch-site", "none") in SAME_SITE
        return is_loopback(_host_name(origin))


def is_loopback(host: str) -> bool:
    """A name or an address, IPv6 without brackets."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_proxied(credentials: Credentials) -> bool:
    """nginx names itself in no header unless it is told to, but speaks HTTP/1.0, which clients no longer do."""
    return credentials.http_version == "1.0" or any(name in credentials.headers for name in PROXY_HEADERS)


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
