"""The graphs become plans: TensorRT-RTX, which shares TensorRT's parser and builder, compiles them with no GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export import graph
from export.decoder import decoder_graph
from export.encoder import audio_encoder_graph
from export.gpu_dialect import Float16Dialect
from export.graph import Graph, save_graph
from export.quantization import FORMATS, QuantizedDialect, calibrate
from export.random_weights import random_weights
from export.token_selection import Vocabulary
from export.tokenizer import special_tokens
from tests.integration.export import ahead_of_time
from tests.unit.export.small_whispers import dimensions

LARGE = dimensions(1280, (1, 2), vocabulary=51866, mels=128)  # turbo has the same layers, in another number


def test_large_graphs_compile_for_an_a100_with_caches_in_place_and_fused_attention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "SINGLE_FILE_LIMIT", 1 << 20)  # with all their layers, they lie in two files each
    sizes = LARGE
    weights = random_weights(sizes, alignment_heads=((0, 1), (sizes.n_text_layer - 1, 3)))
    vocabulary = Vocabulary(sizes.n_vocab, special_tokens(sizes.n_vocab), (1,), (2,))
    save_graph(audio_encoder_graph(weights, Float16Dialect()).model(Float16Dialect.opset), tmp_path / "encoder.onnx")
    save_graph(decoder_graph(weights, vocabulary).model(Float16Dialect.opset), tmp_path / "decoder.onnx")

    assert (tmp_path / "decoder.onnx.data").exists()
    encoder, decoder = (ahead_of_time.build(tmp_path / f"{name}.onnx") for name in ("encoder", "decoder"))

    ahead_of_time.check_encoder(encoder, sizes)
    ahead_of_time.check_decoder(decoder, sizes)


@pytest.mark.parametrize(("precision", "card"), [("int8", "8.0"), ("float8", "8.9")])
def test_an_8_bit_encoder_compiles(precision: str, card: str, tmp_path: Path) -> None:
    weights = random_weights(dimensions(128, (1, 1)))
    peaks = calibrate(weights, [np.zeros(16_000, np.float32)])
    save_graph(
        audio_encoder_graph(weights, QuantizedDialect(FORMATS[precision], peaks)).model(24),
        tmp_path / "encoder.onnx",
    )

    said = ahead_of_time.build(tmp_path / "encoder.onnx", card)

    dense = 5 if precision == "int8" else 6  # of one layer and the cross-attention; int8 leaves out one
    assert said["layers"]["QUANTIZE"] == dense
    assert said["layers"]["DEQUANTIZE"] == 2 * dense


def test_a_graph_that_is_no_graph_is_refused_with_the_parser_s_words(tmp_path: Path) -> None:
    unknown = Graph("unknown")
    unknown.output(unknown.node("NoSuchLayer", [unknown.input("x", 1, ["batch"])]), "y", 1, ["batch"])
    save_graph(unknown.model(24), tmp_path / "encoder.onnx")

    with pytest.raises(AssertionError, match=r"CompileError: .*encoder\.onnx.*NoSuchLayer"):
        ahead_of_time.build(tmp_path / "encoder.onnx")
