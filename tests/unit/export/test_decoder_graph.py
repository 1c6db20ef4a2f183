"""The decoder graph in ONNX Runtime says what the reference says, token by token and all at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from random_weights import dimensions, random_weights

from export.decoder import OPSET, decoder_graph
from export.graph import save_graph
from export.parity import run_decoder_graph
from export.reference import Reference
from export.weights import Weights

TOKENS = [1, 5, 9, 77, 400, 3]
HEADS = ((0, 1), (1, 0), (1, 1))
FRAMES = 40


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(dimensions(128, (1, 2), vocabulary=51864), HEADS)


@pytest.fixture(scope="module")
def encoded() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).standard_normal((FRAMES, 128)).astype(np.float32))


@pytest.fixture(scope="module", params=[np.float32, np.float16])
def graph(weights: Weights, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    path = tmp_path_factory.mktemp("graph") / f"{request.param.__name__}.onnx"
    save_graph(decoder_graph(weights, request.param).model(OPSET), path)
    return path


@pytest.mark.parametrize("chunks", [[TOKENS], [TOKENS[:3], TOKENS[3:]], [[token] for token in TOKENS]])
def test_the_graph_says_what_the_reference_says_however_the_tokens_are_fed(
    weights: Weights, encoded: torch.Tensor, graph: Path, chunks: list[list[int]]
) -> None:
    reference = Reference(weights)
    logits, seen = reference.decode(TOKENS, encoded)
    ends = np.cumsum([len(chunk) for chunk in chunks]) - 1
    tolerance = 1e-4 if graph.stem == "float32" else 2e-2

    found, looks = run_decoder_graph(graph, reference.cross(encoded), chunks)

    np.testing.assert_allclose(found, logits.numpy()[ends], atol=tolerance)
    expected = np.stack([seen[layer][head].numpy()[ends] for layer, head in HEADS])
    np.testing.assert_allclose(looks, expected, atol=tolerance / 10)
