from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Settings, SummarizerSettings
from gateway.summaries.chat_protocol import SummarizerUnavailable
from gateway.summaries.embedded import EmbeddedServer
from gateway.summaries.servers import NoServer, RemoteServer, model_name, summary_server


def test_the_embedded_server_is_the_default() -> None:
    server = summary_server(SummarizerSettings())
    assert isinstance(server, EmbeddedServer)
    assert server.options.alias == "qwen2.5-coder-1.5b-instruct"


def test_an_address_means_the_server_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMARIZER_URL", "http://gpu:8000/v1")
    assert isinstance(summary_server(Settings().summarizer), RemoteServer)


def test_off_says_how_to_turn_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMARIZER", "off")
    server = summary_server(Settings().summarizer)

    assert isinstance(server, NoServer)
    with pytest.raises(SummarizerUnavailable, match="SUMMARIZER_URL"):
        server.chat()


def test_the_long_name_wins_over_the_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMARIZER", "off")
    monkeypatch.setenv("STT_SUMMARIZER_MODE", "embedded")
    assert Settings().summarizer.mode == "embedded"


def test_before_it_is_loaded_the_embedded_server_is_away() -> None:
    with pytest.raises(SummarizerUnavailable, match="loading"):
        summary_server(SummarizerSettings()).chat()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen2.5-1.5B-Instruct-Q4_K_M.gguf", "qwen2.5-1.5b-instruct"),
        ("smollm2-135m.IQ3_XS.gguf", "smollm2-135m"),
        ("model-f16.gguf", "model"),
        ("custom.gguf", "custom"),
    ],
)
def test_a_model_is_named_after_its_file(file: str, name: str) -> None:
    assert model_name(Path("models") / file) == name
