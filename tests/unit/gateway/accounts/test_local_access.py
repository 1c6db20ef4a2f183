from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from gateway.accounts.callers import Credentials
from gateway.accounts.local_access import LocalAccess, is_loopback
from gateway.accounts.tiers import load_tiers
from gateway.errors import Forbidden

UNLIMITED = load_tiers()["unlimited"]
HERE = {"host": "127.0.0.1:8080"}


def request(peer: str, headers: dict[str, str], http_version: str = "1.1") -> Credentials:
    return Credentials(peer, headers=Headers(headers), http_version=http_version)


OPEN = LocalAccess(UNLIMITED, is_open=True, origins=("https://app.example",))


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.1.2.3"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", ""])
def test_a_request_from_the_machine_itself_is_its_users(host: str, peer: str) -> None:
    assert OPEN.admits(request(peer, {"host": host}))


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8080", "localhost.evil.example", "", "[::", "0.0.0.0"]
)
def test_a_name_that_was_pointed_here_is_refused(host: str) -> None:
    with pytest.raises(Forbidden, match="localhost"):
        OPEN.admits(request("127.0.0.1", {"host": host}))


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1.evil.example"}, False),
        ({"origin": "http://localhost@evil.example"}, False),
        ({"origin": "http://[::"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://[::1]:8080"}, True),
        ({"origin": "https://app.example", "sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
    ],
)
def test_a_page_of_a_stranger_is_not_the_user(headers: dict[str, str], admitted: bool) -> None:
    assert OPEN.admits(request("127.0.0.1", HERE | headers)) is admitted


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"])
def test_what_a_proxy_passes_on_is_not_the_users(name: str) -> None:
    assert not OPEN.admits(request("127.0.0.1", HERE | {name: "198.51.100.1"}))


def test_what_speaks_http_1_0_is_taken_for_a_proxy() -> None:
    assert not OPEN.admits(request("127.0.0.1", HERE, http_version="1.0"))


def test_another_machine_is_not_the_user() -> None:
    assert not OPEN.admits(request("192.0.2.1", HERE))


def test_a_service_that_is_not_open_admits_nobody_without_a_key_and_looks_at_no_host() -> None:
    closed = LocalAccess(UNLIMITED, is_open=False)

    assert not closed.admits(request("127.0.0.1", HERE))
    assert not closed.admits(request("127.0.0.1", {"host": "stt.example"}))


def test_the_key_is_new_each_time_and_not_shown() -> None:
    other = LocalAccess(UNLIMITED, is_open=True)

    assert OPEN.has_key(OPEN.key) and not OPEN.has_key(other.key)
    assert not OPEN.has_key("ö") and not OPEN.has_key("")
    assert OPEN.key not in repr(OPEN)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("gpu1", False)],
)
def test_loopback_is_known_by_name_and_address(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
