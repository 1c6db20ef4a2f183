"""Which service a command talks to, and with which key.

In this order: --url, STT_CLIENT_URL, STT_SERVER_PORT on this machine, the service that runs here
(`gateway.runtime_file`), the default address.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.runtime_file import RunningService, find_services
from gateway.settings import Settings

ADVICE = "`stt serve` starts one; another is named by --url or STT_CLIENT_URL"


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    url: str  # without a slash at its end
    key: str = field(default="", repr=False)
    source: str = ""  # what named the address

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def nobody(self) -> str:
        """The sentence for an address at which nothing answers."""
        return f"no service answers at {self.url}; {ADVICE}"

    @property
    def stranger(self) -> str:
        """The sentence for an address at which something else answers."""
        return f"what answers at {self.url} is not stt; {ADVICE}"


def find_service(url: str | None, settings: Settings) -> ServiceAddress:
    """url: of the command line"""
    running = find_services(settings.server.data)
    address, source = _address(url, settings, running)
    address = address.rstrip("/")
    key = settings.client.key or next((each.key for each in running if each.url == address), "")
    return ServiceAddress(address, key, source)


def _address(url: str | None, settings: Settings, running: list[RunningService]) -> tuple[str, str]:
    if url:
        return url, "--url"
    if "url" in settings.client.model_fields_set:
        return settings.client.url, "STT_CLIENT_URL"
    if "port" in settings.server.model_fields_set and settings.server.port:
        return f"http://127.0.0.1:{settings.server.port}", "STT_SERVER_PORT"
    if running:
        return running[0].url, "the service that runs here"
    return settings.client.url, "the default address"
