"""What set-up says of machines that lack something."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from setup.machine import Machine
from setup.requirements import Needs, address, examine

DEBIAN = Machine(
    system="Linux",
    processor="x86_64",
    flags=frozenset({"avx", "avx2"}),
    cores=2,
    memory_gb=8.0,
    disk_gb=50.0,
    glibc=(2, 36),
    python=(3, 11),
    has_venv=True,
    has_libpython=True,
    installer="apt-get",
)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_debian_with_everything_lacks_nothing() -> None:
    findings = examine(DEBIAN, Needs())

    assert findings.missing == findings.doubts == ()


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"has_venv": False}, "`sudo apt-get install python3.11-venv` brings it"),
        ({"has_libpython": False}, "`sudo apt-get install libpython3.11` brings it"),
        ({"has_libpython": False, "installer": ""}, "--enable-shared"),
        ({"python": (3, 13)}, "numpy 1.26, which the embedded Triton needs, has no wheels for a newer one"),
        ({"python": (3, 13)}, "make serve PYTHON=python3.11"),
        (
            {"python": (3, 10), "offers": "python3.12"},
            "`sudo apt-get install python3.12 python3.12-venv libpython3.12` brings one; `make serve PYTHON=",
        ),
        ({"processor": "aarch64"}, "An x86-64 processor is needed"),
        ({"system": "Darwin"}, "Linux is needed"),
        ({"glibc": ()}, "another C library"),
        ({"glibc": (2, 17)}, "this system has 2.17"),
        ({"disk_gb": 3.0}, "`SUMMARIZER=off make serve` needs 2 GB"),
    ],
)
def test_what_is_missing_is_said_with_what_helps(lacking: dict[str, Any], said: str) -> None:
    (sentence,) = examine(replace(DEBIAN, **lacking), Needs()).missing

    assert said in sentence
    assert "\n" not in sentence


def test_everything_that_is_missing_is_said_at_once() -> None:
    assert len(examine(replace(DEBIAN, has_venv=False, has_libpython=False, disk_gb=0.1), Needs()).missing) == 3


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"memory_gb": 3.0}, "`SUMMARIZER=off make serve` takes 2 GB"),
        ({"flags": frozenset({"sse2"})}, "no AVX2"),
    ],
)
def test_what_may_be_too_little_is_a_doubt_and_stops_nothing(lacking: dict[str, Any], said: str) -> None:
    findings = examine(replace(DEBIAN, **lacking), Needs())

    assert findings.missing == ()
    assert said in findings.doubts[0]


def test_without_a_summarizer_less_memory_and_disk_do() -> None:
    findings = examine(replace(DEBIAN, memory_gb=2.0, disk_gb=2.1), Needs(summarizer=False))

    assert findings.missing == findings.doubts == ()


def test_what_is_installed_needs_no_room_any_more() -> None:
    assert examine(replace(DEBIAN, disk_gb=0.5), Needs(installed=True)).missing == ()


def test_a_port_in_use_is_said_with_another(taken: int) -> None:
    (sentence,) = examine(DEBIAN, Needs(address=("127.0.0.1", taken))).missing

    assert f"127.0.0.1:{taken} is in use" in sentence
    assert f"STT_SERVER_PORT={taken + 1} make serve" in sentence


@pytest.mark.parametrize(
    ("environment", "listens"),
    [
        ({}, ("127.0.0.1", 8080)),
        ({"STT_SERVER_PORT": "9000", "STT_SERVER_HOST": "0.0.0.0"}, ("0.0.0.0", 9000)),
        ({"STT_SERVER_PORT": "0"}, None),
        ({"STT_SERVER_PORT": "many"}, None),
    ],
)
def test_the_address_is_that_of_the_settings(environment: dict[str, str], listens: tuple[str, int] | None) -> None:
    assert address(environment) == listens
