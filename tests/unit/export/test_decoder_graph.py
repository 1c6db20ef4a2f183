"""The decoder graph in ONNX Runtime says what the reference says, token by token and all at once."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from random_weights import dimensions, random_weights

from export.decoder import OPSET, decoder_graph
from export.reference import Reference
from export.weights import Weights

TOKENS = [1, 5, 9, 77, 400, 3]
FRAMES = 40


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(dimensions(128, (1, 2), vocabulary=51864))


@pytest.fixture(scope="module")
def session(weights: Weights) -> ort.InferenceSession:
    model = decoder_graph(weights).model(OPSET)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def feed(weights: Weights) -> dict[str, NDArray[np.float32]]:
    encoded = np.random.default_rng(1).standard_normal((FRAMES, 128)).astype(np.float32)
    return {"encoded": encoded, "cross": Reference(weights).cross(_torch(encoded))}


def _torch(array: NDArray[np.float32]):  # type: ignore[no-untyped-def]
    import torch

    return torch.from_numpy(array)


def _run(session: ort.InferenceSession, weights: Weights, cross: NDArray[np.float32], chunks: list[list[int]]):  # type: ignore[no-untyped-def]
    heads, layers = weights.dimensions.n_text_head, weights.dimensions.n_text_layer
    caches = {}
    for layer in range(layers):
        for part, name in enumerate(("key", "value")):
            caches[f"self_{name}_{layer}"] = np.zeros((1, heads, 448, 64), np.float32)
            heard = cross[:, layer, part].reshape(FRAMES, heads, 64).transpose(1, 0, 2)[None]
            caches[f"cross_{name}_{layer}"] = np.ascontiguousarray(heard)
    names = [output.name for output in session.get_outputs()]
    position = 0
    for chunk in chunks:
        ids = {"ids": np.array([chunk]), "position": np.array([position])}
        answers = dict(zip(names, session.run(None, {**ids, **caches}), strict=True))
        caches |= {name.removeprefix("new_"): answers[name] for name in names if name.startswith("new_")}
        position += len(chunk)
    return answers["logits"][0]


@pytest.mark.parametrize("chunks", [[TOKENS], [TOKENS[:3], TOKENS[3:]], [[token] for token in TOKENS]])
def test_logits_equal_the_reference_however_the_tokens_are_fed(session, weights, feed, chunks):  # type: ignore[no-untyped-def]
    logits, _ = Reference(weights).decode(TOKENS, _torch(feed["encoded"]))

    found = _run(session, weights, feed["cross"], chunks)

    np.testing.assert_allclose(found, logits[-1].numpy(), atol=1e-4)
