"""The log-mel that a GPU computes is the one that the CPU computes."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from export.graph import FLOAT, Graph
from export.log_mel import log_mel_nodes
from speech.whisper.log_mel import HOP, log_mel


@pytest.mark.parametrize(
    ("seconds", "n_mels", "frames"), [(0.0, 80, 3000), (7.3, 128, 3000), (7.3, 80, 1536), (30.0, 80, 3000)]
)
def test_the_graph_hears_what_numpy_hears(seconds: float, n_mels: int, frames: int) -> None:
    graph = Graph("log_mel")
    mel = log_mel_nodes(graph, graph.input("audio", FLOAT, ["batch", "samples"]), n_mels)
    graph.output(mel, "mel", FLOAT, ["batch", n_mels, "frames"])
    loud = np.random.default_rng(0).normal(0, 0.2, int(seconds * 16_000)).astype(np.float32)
    audio = np.zeros((2, frames * HOP), np.float32)
    audio[0, : len(loud)] = loud  # beside silence: a window's range is its own

    session = ort.InferenceSession(graph.model(24).SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"audio": audio})

    np.testing.assert_allclose(found[0], log_mel(loud, n_mels, frames), atol=2e-4)
    np.testing.assert_allclose(found[1], log_mel(np.zeros(0, np.float32), n_mels, frames), atol=1e-6)
