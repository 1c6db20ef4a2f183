"""The exported graphs of the published weights, on real speech."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
GRAPHS = ROOT / "model_repository" / "diarizer" / "1"


@pytest.fixture(scope="module")
def samples() -> NDArray[np.float32]:
    """10 s of two people on the telephone."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(DATA / "telephone.flac"), "-t", "10"]
    raw = subprocess.run([*command, "-f", "s16le", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.int16).astype(np.float32) / 32768


def run(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(str(GRAPHS / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    output: NDArray[np.float32] = session.run(None, {"input": values[None]})[0][0]
    return output


def test_they_say_what_the_graphs_that_torch_wrote_said(samples: NDArray[np.float32]) -> None:
    """Those were written by torch 2.13 from the same weights; the error rates of docs/diarization.md are theirs."""
    classes = run("segmentation", samples)
    mel = run("filterbank", samples[: 400 * 160 + 240])
    features = run("embedding", mel - mel.mean(axis=0))

    with np.load(DATA / "export" / "diarizer-of-telephone.npz") as expected:
        np.testing.assert_allclose(classes[::4], expected["segmentation"], atol=2e-4)
        np.testing.assert_allclose(np.exp(classes[::4]), np.exp(expected["segmentation"]), atol=1e-4)
        np.testing.assert_array_equal(classes[::4].argmax(axis=1), expected["segmentation"].argmax(axis=1))
        np.testing.assert_allclose(mel[::40, ::4], expected["filterbank"], atol=1e-4)
        np.testing.assert_allclose(features[::20, ::8], expected["embedding"], atol=1e-4)
