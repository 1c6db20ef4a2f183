"""The compiled networks compute what the definitions say, but for 8 bits, and each window and row for itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.diarizer_panels import embedding_panels, segmentation_panels
from export.parity import probe_audio
from export.speaker_embedding import mel_filters, spectrum_matrix
from speech.diarization.cpu.dot_kernels import HAS_KERNELS, compile_kernels
from speech.diarization.cpu.embedding import EmbeddingKernels
from speech.diarization.cpu.kernel_networks import PANELS_FILE, KernelNetworks
from speech.diarization.cpu.segmentation import SegmentationKernels
from speech.diarization.embeddings import ROW
from speech.diarization.windows import STEP, WINDOW
from tests.unit.export import diarizer_reference as reference

pytestmark = pytest.mark.skipif(not HAS_KERNELS, reason="this CPU has neither AVX2 nor VNNI")


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    compile_kernels()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, packed."""
    folder = tmp_path_factory.mktemp("diarizer")
    panels = segmentation_panels(reference.segmentation_tensors()) | embedding_panels(reference.embedding_tensors())
    np.savez(folder / PANELS_FILE, **panels)
    return folder


def error(found: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    """Relative root mean square."""
    return float(np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean()))


def test_the_segmentation_is_pyannet() -> None:
    tensors = reference.segmentation_tensors()

    logits = SegmentationKernels(segmentation_panels(tensors)).logits(probe_audio(10))[0]

    expected = reference.segment(tensors, probe_audio(10))
    found = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert error(found, expected) < 0.05
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95


def test_the_embedding_is_cam_plus_plus() -> None:
    tensors = reference.embedding_tensors()
    mel = np.random.default_rng(1).normal(size=(2 * ROW, 80)).astype(np.float32)

    found = EmbeddingKernels(embedding_panels(tensors)).features(mel)

    assert found.shape == (ROW, 512)
    assert error(found, reference.embed(tensors, mel)) < 0.1


def test_the_filterbank_is_kaldis(folder: Path) -> None:
    samples = probe_audio(2)

    found = KernelNetworks(folder, threads=1).mel(samples, len(samples) // 320)

    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64) * 32768, 400)[::160]
    cosines, sines = np.split(windows @ spectrum_matrix().T, 2, axis=1)
    power = (cosines**2 + sines**2) @ mel_filters().T
    np.testing.assert_allclose(found[: len(power)], np.log(np.maximum(power, 1.2e-7)), atol=2e-3)


def test_a_window_and_a_row_have_the_same_result_whatever_is_beside_them(folder: Path) -> None:
    samples = np.concatenate([probe_audio(10), probe_audio(6)[::-1]])
    rows = np.random.default_rng(2).normal(size=(3, 2 * ROW, 80)).astype(np.float32)
    alone, together = KernelNetworks(folder, threads=1), KernelNetworks(folder, threads=2)

    windows, other = together.classes([samples, samples[:16_000]])

    third = samples[2 * STEP : 2 * STEP + WINDOW]
    np.testing.assert_array_equal(windows[2:3], alone.classes([third])[0][:1])
    np.testing.assert_array_equal(other, alone.classes([samples[:16_000]])[0])
    np.testing.assert_array_equal(together.features(rows)[1:2], alone.features(rows[1:2]))
