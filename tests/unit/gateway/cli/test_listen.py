"""`stt listen` on a terminal, and without any sound."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from gateway.cli.main import main
from tests.unit.gateway.cli.fake_service import run_on_terminal


def answer(socket: ServerConnection) -> None:
    socket.recv()  # the config
    socket.send(json.dumps({"type": "ready"}))
    while not isinstance(socket.recv(), str):
        pass
    words = [{"word": "Hello.", "start": 0.0, "end": 0.5, "confidence": 0.9}]
    socket.send(json.dumps({"type": "transcript", "text": "Hello.", "language": "en", "words": words}))
    socket.send(json.dumps({"type": "final", "duration": 1.0, "warnings": []}))


@pytest.fixture
def url() -> Iterator[str]:
    """A service that hears one word in everything."""
    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_a_terminal_shows_that_it_listens_before_the_first_word(url: str) -> None:
    recording = Path(__file__).parents[3] / "data" / "young-man.flac"

    shown = run_on_terminal("listen", "--fast", "--url", url, recording)

    assert shown.code == 0
    assert "Listening…" in shown.out.split("Hello.")[0]
    assert "Listening…" not in shown.out.split("Hello.")[-1]


def test_what_a_full_disk_does_not_take_of_live_text_is_told_on_the_terminal(url: str) -> None:
    recording = Path(__file__).parents[3] / "data" / "young-man.flac"

    shown = run_on_terminal("listen", "--fast", "--url", url, recording, piped=Path("/dev/full"))

    assert shown.code == 1
    assert shown.out.splitlines()[0] == "Hello."
    assert "standard output cannot be written: No space left on device" in shown.out
    assert "Traceback" not in shown.out


def test_nothing_on_standard_input_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)

        assert main(["listen", "--url", url, "-"]) == 1

    assert "-: no sound came; raw PCM is expected" in capsys.readouterr().err
