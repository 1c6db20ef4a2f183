"""What the service shows to the network, and what it does with those who shake the door."""

import contextlib
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.e2e.service_process import ServiceProcess

LISTENING = "0A"  # state of a socket in /proc/net/tcp
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def listening_addresses(pid: int) -> set[str]:
    """Addresses on which a process accepts connections, as /proc writes them."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[column] for column in (1, 3, 9))
            if state == LISTENING and inode in inodes:
                found.add(local.partition(":")[0])
    return found


def test_triton_and_everything_beside_it_listens_on_this_machine_only(service: ServiceProcess) -> None:
    by_process: dict[str, set[str]] = {}
    for pid, program in service.children().items():
        with contextlib.suppress(FileNotFoundError):  # it has ended since
            by_process[program] = listening_addresses(pid)

    assert any(by_process.values())  # Triton does listen
    assert set().union(*by_process.values()) <= LOOPBACK


def test_a_flood_of_headers_is_refused_and_the_next_request_answered(
    service: ServiceProcess, client: httpx.Client
) -> None:
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as flood:
        answer = b""
        try:
            flood.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-Flood: " + b"a" * 10**6)
            answer = flood.recv(100)
        except ConnectionError:
            pass  # closed while it was still sending

    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert client.get("/health").status_code == 200


def test_what_is_no_http_is_refused_without_a_trace(service: ServiceProcess, client: httpx.Client) -> None:
    address = urlsplit(service.url)
    for nonsense in (b"\x16\x03\x01\x02\x00\x01", b"GET /health HTTP/9.9\r\n\r\n", b"\0" * 1000 + b"\r\n\r\n"):
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1000)
        assert b"Traceback" not in answer and b"/" not in answer.partition(b"\r\n\r\n")[2]
    assert client.get("/health").status_code == 200


def test_no_answer_lets_a_page_send_the_visitors_cookies(client: httpx.Client) -> None:
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/v1/transcribe", headers=origin | {"Access-Control-Request-Headers": "authorization"})
    answer = client.get("/v1/usage", headers=origin)

    for response in (preflight, answer):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Set-Cookie" not in response.headers


def test_errors_tell_nothing_of_this_machine(client: httpx.Client, service: ServiceProcess) -> None:
    broken = b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 2000
    answers = [
        client.post("/v1/transcribe", files={"file": ("../../../etc/passwd", broken)}),
        client.post("/v1/transcribe", files={"file": ("a.m3u8", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")}),
        client.post(
            "/v1/transcribe", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=" + "y" * 300}
        ),
        client.get("/v1/%2e%2e/%2e%2e/etc/passwd"),
    ]
    shown = json.dumps([answer.text for answer in answers])

    assert all(400 <= answer.status_code < 500 for answer in answers)
    assert all(hidden not in shown for hidden in ("Traceback", "site-packages", "root:", str(service.log.parent)))
