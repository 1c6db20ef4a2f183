"""Where callers may have this service connect to."""

from __future__ import annotations

import ipaddress

import pytest

from gateway.errors import BadParameter
from gateway.outgoing.address_rules import AddressRules, is_public


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    ],
)
def test_private_addresses_are_refused_in_every_form(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses_are_not(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://host/a.mp3", "host/a.mp3", "http://", "https://user:word@host/a.mp3", ""),
        *(
            "http://host:22/",
            "http://host:0/",
            "http://host:99999/",
            "http://host/a b",
            "http://host/\n",
            "http://hóst/",
        ),
    ],
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(BadParameter):
        AddressRules().check(url)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "0", "10.1.2.3", "169.254.169.254"),
        *("[::1]", "[::ffff:10.0.0.1]", "[fd00:ec2::254]", "[fe80::1%25eth0]", "127.0.0.1."),
    ],
)
def test_a_private_address_is_refused_in_whatever_notation_it_is_written(host: str) -> None:
    with pytest.raises(BadParameter, match="private address"):
        AddressRules().check(f"http://{host}/a.mp3")


def test_a_public_address_may_be_written_as_numbers() -> None:
    assert AddressRules().check("https://93.184.216.34/a.mp3").hostname == "93.184.216.34"


def test_only_the_hosts_of_the_settings_are_asked_where_they_name_some() -> None:
    rules = AddressRules(hosts=("media.example",))

    assert rules.check("https://media.example/a.mp3").hostname == "media.example"
    with pytest.raises(BadParameter):
        rules.check("https://other.example/a.mp3")


def test_a_host_of_the_settings_may_be_private_and_no_other() -> None:
    rules = AddressRules(private_hosts=("files.local",))

    assert rules.admits("FILES.local", ipaddress.ip_address("10.0.0.1"))
    assert AddressRules(private_hosts=("10.0.0.1",)).check("http://10.0.0.1/a.mp3").hostname == "10.0.0.1"
    assert not rules.admits("evil.example", ipaddress.ip_address("10.0.0.1"))
