"""Downloads from a web server on this machine, over real connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import BadParameter, TooLarge
from gateway.outgoing.address_rules import AddressRules
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
    "target", ["http://localhost/", "http://169.254.169.254/latest/", "http://[::1]/", "file:///etc/passwd", "ftp://h/"]
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


async def test_an_address_with_nothing_there_says_so(tmp_path: Path) -> None:
    with serving(lambda _: WebAnswer(404)) as web, pytest.raises(BadParameter, match="404"):
        await fetch(web, tmp_path / "file")
