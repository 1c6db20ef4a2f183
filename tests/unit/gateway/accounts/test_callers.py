import pytest
from starlette.requests import HTTPConnection

from gateway.accounts.callers import Credentials, address_subject, client_network, trusted_networks
from gateway.errors import Unauthorized

PROXIES = trusted_networks(["10.0.0.0/8", "2001:db8:ffff::1"])


def test_a_bearer_header_presents_a_key() -> None:
    assert Credentials("", ["Bearer stt_x"]).key() == "stt_x"
    assert Credentials("", ["bearer  stt_x "]).key() == "stt_x"


def test_no_header_is_anonymous() -> None:
    assert Credentials("203.0.113.7").key() is None


@pytest.mark.parametrize(
    "headers", [[""], ["Bearer"], ["Bearer "], ["Basic dXNlcjpwYXNz"], ["stt_x"], ["Bearer stt_x", "Bearer stt_y"]]
)
def test_any_other_header_is_refused_rather_than_anonymous(headers: list[str]) -> None:
    with pytest.raises(Unauthorized, match="Bearer KEY"):
        Credentials("203.0.113.7", headers).key()


@pytest.mark.parametrize(("kind", "key"), [("websocket", "stt_x"), ("http", None)])
def test_only_a_stream_may_present_its_key_in_the_address(kind: str, key: str | None) -> None:
    scope = {"type": kind, "headers": [], "query_string": b"token=stt_x", "client": ("203.0.113.7", 1)}

    assert Credentials.of(HTTPConnection(scope)).key() == key


def test_a_presented_key_is_not_shown() -> None:
    assert "stt_x" not in repr(Credentials("203.0.113.7", ["Bearer stt_x"], token="stt_x"))


def test_addresses_of_one_ipv6_site_count_as_one() -> None:
    first = client_network("2001:db8:1:2::1", [], ())
    second = client_network("2001:db8:1:2:ffff:ffff:ffff:ffff", [], ())
    neighbour = client_network("2001:db8:1:3::1", [], ())

    assert first == second != neighbour


def test_an_ipv4_address_counts_alone_also_when_written_as_ipv6() -> None:
    assert client_network("203.0.113.7", [], ()) == client_network("::ffff:203.0.113.7", [], ())
    assert client_network("203.0.113.7", [], ()) != client_network("203.0.113.8", [], ())


def test_forwarded_addresses_of_strangers_are_not_believed() -> None:
    assert client_network("203.0.113.7", ["198.51.100.1"], PROXIES) == "203.0.113.7/32"


@pytest.mark.parametrize(
    ("forwarded", "network"),
    [
        (["198.51.100.1"], "198.51.100.1/32"),
        (["1.1.1.1, 198.51.100.1"], "198.51.100.1/32"),  # the left one is what the client claims
        (["198.51.100.1, 10.0.0.9"], "198.51.100.1/32"),  # two proxies in a row
        (["198.51.100.1", "10.0.0.9"], "198.51.100.1/32"),
        (["2001:db8:5::1"], "2001:db8:5::/64"),
        (["[2001:db8:5::1]:4711"], "2001:db8:5::/64"),
        (["198.51.100.1:4711"], "198.51.100.1/32"),
        (["unknown"], "10.0.0.1/32"),
        ([], "10.0.0.1/32"),
    ],
)
def test_a_trusted_proxy_tells_who_called(forwarded: list[str], network: str) -> None:
    assert client_network("10.0.0.1", forwarded, PROXIES) == network


def test_the_subject_of_an_address_does_not_show_it() -> None:
    subject = address_subject("203.0.113.7/32", "salt")

    assert "203.0.113.7" not in subject
    assert subject != address_subject("203.0.113.7/32", "other salt")
    assert subject == address_subject("203.0.113.7/32", "salt")
