"""The diarizer's graphs compute what the networks' definitions say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from export import diarizer
from export.diarizer import export_diarizer
from export.graph import Graph
from export.parity import ParityError, probe_audio
from export.segmentation import segmentation_graph, sinc_filters
from export.speaker_embedding import (
    embedding_graph,
    embedding_projection,
    filterbank_graph,
    mel_filters,
    spectrum_matrix,
)
from export.weights import Tensors
from tests.unit.export import diarizer_reference as reference


def run(graph: Graph, values: NDArray[np.float32]) -> NDArray[np.float32]:
    model = graph.model(diarizer.OPSET).SerializeToString()
    output: NDArray[np.float32] = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(
        None, {"input": values}
    )[0]
    return output


def test_the_segmentation_is_pyannet() -> None:
    tensors = reference.segmentation_tensors()
    windows = np.stack([np.zeros(160_000, np.float32), probe_audio(10)])

    found = run(segmentation_graph(tensors), windows)

    assert found.shape == (2, 589, 7)
    np.testing.assert_allclose(found[1], reference.segment(tensors, windows[1]), atol=2e-4)
    np.testing.assert_allclose(np.exp(found).sum(axis=2), 1, atol=1e-5)


def test_the_sinc_filters_pass_their_bands() -> None:
    tensors = reference.segmentation_tensors()

    filters = sinc_filters(tensors)

    np.testing.assert_allclose(filters, reference.band_pass(tensors), atol=3e-5)
    power = np.abs(np.fft.rfft(filters[:, 0], 16_000)) ** 2
    middles = 50 + tensors["sincnet.conv1d.0.filterbank.low_hz_"][:, 0] + 65
    np.testing.assert_allclose(power.argmax(axis=1), np.tile(middles, 2), atol=65)


@pytest.mark.parametrize("frames", [200, 600])
def test_the_embedding_is_cam_plus_plus(frames: int) -> None:
    tensors = reference.embedding_tensors()
    mel = np.random.default_rng(1).normal(size=(2, frames, 80)).astype(np.float32)

    found = run(embedding_graph(tensors), mel)

    expected = reference.embed(tensors, mel[1])
    assert found.shape == (2, frames // 2, 512)
    np.testing.assert_allclose(found[1], expected, atol=1e-4 * np.abs(expected).max())


def test_the_projection_holds_the_last_normalisation() -> None:
    tensors = reference.embedding_tensors()
    pooled = np.random.default_rng(3).normal(size=1024)

    projection = embedding_projection(tensors)

    name = "xvector.dense.nonlinear.batchnorm"
    dense = tensors["xvector.dense.linear.weight"][:, :, 0].astype(np.float64) @ pooled
    expected = (dense - tensors[f"{name}.running_mean"]) / np.sqrt(tensors[f"{name}.running_var"] + 1e-5)
    np.testing.assert_allclose(projection["weight"] @ pooled + projection["bias"], expected, atol=1e-4)


def test_the_filterbank_is_kaldis() -> None:
    """Step by step, as Kaldi does it."""
    samples = probe_audio(2)

    found = run(filterbank_graph(), samples[None])[0]

    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    frames = []
    for start in range(0, len(samples) - 399, 160):
        frame = samples[start : start + 400].astype(np.float64) * 32768
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * window, 512)) ** 2
        frames.append(np.log(np.maximum(mel_filters() @ power, np.finfo(np.float32).eps)))
    assert spectrum_matrix().shape == (514, 400)
    np.testing.assert_allclose(found, frames, atol=2e-3)
    assert np.abs(found - frames).mean() < 2e-5


def test_mel_filters_rise_and_fall_between_their_neighbours_middles() -> None:
    filters = mel_filters()

    peaks = filters.argmax(axis=1)
    assert filters.shape == (80, 257)
    assert (np.diff(peaks) >= 0).all()
    assert filters[:, 0].max() == filters[:, -1].max() == 0
    middle = filters[:, 3:-9].sum(axis=0)  # of neighbours that overlap
    np.testing.assert_allclose(middle, 1, atol=1e-9)


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensors]:
    """Random ones, instead of those that were published."""
    tensors: dict[str, Tensors] = {
        "segmentation": reference.segmentation_tensors(),
        "embedding": reference.embedding_tensors(),
    }
    monkeypatch.setattr(diarizer, "fetch_pinned", lambda *_: Path())
    monkeypatch.setattr(diarizer, "read_weights", lambda _: (tensors["segmentation"], tensors["embedding"]))
    return tensors


def test_other_weights_than_torch_was_given_are_refused_and_nothing_stays(
    weights: dict[str, Tensors], tmp_path: Path
) -> None:
    with pytest.raises(ParityError, match="differs from the reference"):
        export_diarizer(tmp_path, tmp_path)

    assert not list((tmp_path / "diarizer" / "1").iterdir())


def test_weights_that_lack_a_tensor_are_refused(weights: dict[str, Tensors], tmp_path: Path) -> None:
    missing = "xvector.tdnn.linear.weight"
    weights["embedding"] = {name: tensor for name, tensor in weights["embedding"].items() if name != missing}

    with pytest.raises(ValueError, match=r"xvector\.tdnn\.linear\.weight is missing"):
        export_diarizer(tmp_path, tmp_path)
