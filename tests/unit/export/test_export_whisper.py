"""An export is made whole, again when a part is missing, and never put in place when it is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from random_weights import dimensions, opened, random_weights

from export import whisper
from export.decoder import GRAPH_FILE, decoder_graph
from export.parity import ParityError
from export.sources import Opened
from export.whisper import Order, export_whisper
from speech.whisper.manifest import read_manifest


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """What every order gets instead of published weights."""
    folder = tmp_path / "source"
    folder.mkdir()
    source = opened(random_weights(dimensions(64, (1, 1)), alignment_heads=((0, 0),)), folder)
    monkeypatch.setattr(whisper, "open_source", lambda *_: source)
    monkeypatch.setattr(whisper, "pinned_sha256", lambda *_: source.source.sha256)
    return source


@pytest.fixture
def order(source: Opened, tmp_path: Path) -> Order:
    return Order("base", "package", tmp_path / "data", tmp_path / "repository")


def test_an_export_without_its_decoder_graph_is_made_again(order: Order) -> None:
    folder = export_whisper(order)
    (folder / GRAPH_FILE).unlink()

    export_whisper(order)

    assert (folder / GRAPH_FILE).exists()
    manifest = read_manifest(folder)
    assert manifest.opset["decoder_graph"] == 24
    assert manifest.precision["decoder_graph"] == "float16"
    assert manifest.parity["decoder_graph"] < 5e-3


def test_a_decoder_graph_of_other_weights_is_refused_and_nothing_stays(
    order: Order, source: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {name: source.weights.tensors[name] for name in source.weights.tensors}
    tensors["decoder.blocks.0.attn.value.weight"] = tensors["decoder.blocks.0.attn.value.weight"] * 1.1
    other = replace(source.weights, tensors=tensors)
    monkeypatch.setattr(whisper.decoder, "decoder_graph", lambda _, precision: decoder_graph(other, precision))

    with pytest.raises(ParityError, match="decoder graph differs"):
        export_whisper(order)

    assert not list((order.repository / "whisper-base" / "1").iterdir())
