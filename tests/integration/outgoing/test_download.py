"""Downloads from a web server on this machine, over real connections."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.capacity import CapacityLimits, MachineCapacity
from gateway.errors import BadParameter, TooLarge, Unavailable
from gateway.outgoing.address_rules import AddressRules
from gateway.outgoing.checked_connections import refuse_private
from gateway.outgoing.download import Download, DownloadedFile, DownloadLimits
from tests.integration.outgoing.web_server import SeenRequest, WebAnswer, WebServer, serving

CONTENT = bytes(range(256)) * 40


async def fetch(web: WebServer, path: Path, address: str = "/talk%20one.mp3", largest: int = 10**6) -> DownloadedFile:
    rules = AddressRules(ports=(web.port,), private_hosts=("127.0.0.1",))
    return await Download(rules, DownloadLimits(largest, 10.0), path).run(f"{web.url}{address}")


async def test_a_file_is_fetched_through_redirects(tmp_path: Path) -> None:
    def answer(request: SeenRequest) -> WebAnswer:
        return (
            WebAnswer(302, headers={"Location": "/talk%20one.mp3"}) if request.path == "/" else WebAnswer(200, CONTENT)
        )

    with serving(answer) as web:
        file = await fetch(web, tmp_path / "file", "/")

    assert file.path.read_bytes() == CONTENT
    assert (file.name, file.size) == ("talk one.mp3", len(CONTENT))


async def test_a_connection_that_breaks_is_asked_for_the_rest(tmp_path: Path) -> None:
    def answer(request: SeenRequest) -> WebAnswer:
        if "range" not in request.headers:
            return WebAnswer(200, CONTENT, {"ETag": '"1"'}, sent=5000)
        start = int(request.headers["range"].removeprefix("bytes=").rstrip("-"))
        whole = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return WebAnswer(206, CONTENT[start:], {"Content-Range": whole, "ETag": '"1"'})

    with serving(answer) as web:
        file = await fetch(web, tmp_path / "file")

    assert file.path.read_bytes() == CONTENT
    assert [request.headers.get("if-range") for request in web.seen] == [None, '"1"']


async def test_a_server_that_knows_no_ranges_is_asked_for_all_of_it_again(tmp_path: Path) -> None:
    answers = iter([WebAnswer(200, CONTENT, {"ETag": '"1"'}, sent=5000), WebAnswer(200, CONTENT[::-1])])
    with serving(lambda _: next(answers)) as web:
        file = await fetch(web, tmp_path / "file")

    assert file.path.read_bytes() == CONTENT[::-1]


async def test_what_is_too_large_is_given_up(tmp_path: Path) -> None:
    with serving(lambda _: WebAnswer(200, CONTENT)) as web, pytest.raises(TooLarge):
        await fetch(web, tmp_path / "file", largest=10)


@pytest.mark.parametrize(
    "target",
    [
        *("http://localhost/", "http://169.254.169.254/latest/", "http://[::1]/", "http://93.184.216.34:22/"),
        *("file:///etc/passwd", "ftp://h/"),
    ],
)
async def test_a_redirect_leads_to_no_private_address(tmp_path: Path, target: str) -> None:
    with serving(lambda _: WebAnswer(302, headers={"Location": target})) as web:
        rules = AddressRules(ports=(80, web.port), private_hosts=("127.0.0.1",))
        with pytest.raises(BadParameter):
            await Download(rules, DownloadLimits(10**6, 10.0), tmp_path / "file").run(web.url)

    assert len(web.seen) == 1


async def test_a_name_of_a_private_address_is_refused_where_it_connects(tmp_path: Path) -> None:
    with serving(lambda _: WebAnswer(200, CONTENT)) as web:
        rules = AddressRules(ports=(web.port,))
        for host in ("localhost", "127.0.0.1", "127.1"):
            with pytest.raises(BadParameter):
                download = Download(rules, DownloadLimits(10**6, 10.0), tmp_path / "file")
                await download.run(f"http://{host}:{web.port}/")

    assert web.seen == []


async def test_a_name_that_is_private_when_it_is_connected_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name server tells something else at the second question."""
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def look_up(_: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with serving(lambda _: WebAnswer(200, CONTENT)) as web:
        rules = AddressRules(ports=(web.port,))
        address = f"http://rebinding.example:{web.port}/"
        await refuse_private(rules, address)
        with pytest.raises(BadParameter, match="private address"):
            await Download(rules, DownloadLimits(10**6, 10.0), tmp_path / "file").run(address)

    assert web.seen == []


async def test_a_name_of_private_addresses_alone_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(BadParameter, match="`webhook_url` leads to a private address"):
        await refuse_private(AddressRules(), "http://localhost/", "webhook_url")
    await refuse_private(AddressRules(private_hosts=("localhost",)), "http://localhost/")
    await refuse_private(AddressRules(), "http://nobody.invalid/")  # it may be known when its turn comes


async def test_a_part_that_was_not_asked_for_is_not_taken_for_the_rest(tmp_path: Path) -> None:
    tag = {"ETag": '"1"'}
    answers = iter(
        [
            WebAnswer(200, CONTENT, tag, sent=5000),
            WebAnswer(206, CONTENT[9000:], tag | {"Content-Range": f"bytes 9000-{len(CONTENT) - 1}/{len(CONTENT)}"}),
            WebAnswer(200, CONTENT),
        ]
    )
    with serving(lambda _: next(answers)) as web:
        file = await fetch(web, tmp_path / "file")

    assert file.path.read_bytes() == CONTENT


async def test_a_file_takes_its_room_before_it_comes_and_leaves_it_where_there_is_none(tmp_path: Path) -> None:
    capacity = MachineCapacity(CapacityLimits(spool_bytes=len(CONTENT)))
    with serving(lambda _: WebAnswer(200, CONTENT)) as web:
        rules = AddressRules(ports=(web.port,), private_hosts=("127.0.0.1",))
        with capacity.growing_spool() as reserve:
            limits = DownloadLimits(10**6, 10.0, reserve=reserve)
            await Download(rules, limits, tmp_path / "first").run(web.url)
            held = capacity.used["spool_bytes"]
            with pytest.raises(Unavailable), capacity.growing_spool() as another:
                await Download(rules, DownloadLimits(10**6, 10.0, reserve=another), tmp_path / "second").run(web.url)

    assert held == len(CONTENT)
    assert capacity.used["spool_bytes"] == 0


async def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    circle = serving(lambda _: WebAnswer(302, headers={"Location": "/again"}))
    with circle as web, pytest.raises(BadParameter, match="redirects more than 5 times"):
        await fetch(web, tmp_path / "file")

    assert len(web.seen) == 6


async def test_an_address_with_nothing_there_says_so(tmp_path: Path) -> None:
    with serving(lambda _: WebAnswer(404)) as web, pytest.raises(BadParameter, match="404"):
        await fetch(web, tmp_path / "file")
