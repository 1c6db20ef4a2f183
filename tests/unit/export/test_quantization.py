"""An encoder with 8-bit products hears nearly what the float16 one hears, within what it was calibrated on."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from export.decoder_session import open_graph
from export.encoder import audio_encoder_graph
from export.gpu_dialect import Float16Dialect
from export.graph import save_graph
from export.parity import relative_error
from export.quantization import FORMATS, ActivationPeaks, QuantizedDialect, calibrate
from export.random_weights import random_weights
from export.recordings import InvalidRecordings, read_windows
from export.targets import plans_target
from export.tensorrt import CardCompiler
from speech.audio import to_pcm
from speech.whisper.log_mel import MAX_SAMPLES
from tests.unit.export.small_whispers import dimensions

DATA = Path(__file__).parents[2] / "data"
WEIGHTS = random_weights(dimensions(128, (2, 1)))
NOISE = np.random.default_rng(0).normal(0, 0.1, MAX_SAMPLES).astype(np.float32)


@pytest.fixture(scope="module")
def peaks() -> ActivationPeaks:
    return calibrate(WEIGHTS, [NOISE[:80_000], NOISE])


def _encode(dialect: Float16Dialect, folder: Path) -> np.ndarray:
    save_graph(audio_encoder_graph(WEIGHTS, dialect).model(dialect.opset), folder / "encoder.onnx")
    (key, value) = open_graph(folder / "encoder.onnx").run(None, {"audio": to_pcm(NOISE)[None].view(np.uint8)})
    return np.stack([key, value]).astype(np.float32)


@pytest.mark.parametrize(("precision", "tolerance"), [("int8", 0.02), ("float8", 0.1)])
def test_the_keys_and_values_stay_near(
    precision: str, tolerance: float, peaks: ActivationPeaks, tmp_path: Path
) -> None:
    expected, found = (
        _encode(dialect, tmp_path) for dialect in (Float16Dialect(), QuantizedDialect(FORMATS[precision], peaks))
    )

    assert 0 < relative_error(found, expected) < tolerance


def test_every_dense_layer_is_calibrated_by_its_loudest_window(peaks: ActivationPeaks) -> None:
    quiet = calibrate(WEIGHTS, [NOISE[:80_000]])

    assert len(peaks) == 2 * 4 + 2
    assert all((peaks[name] >= quiet[name]).all() for name in peaks)
    assert peaks["encoder.blocks.1.mlp.2"].shape == (512,)


def test_recordings_of_any_kind_become_windows(tmp_path: Path) -> None:
    (tmp_path / "1.flac").write_bytes((DATA / "young-man.flac").read_bytes())
    with wave.open(str(tmp_path / "2.wav"), "wb") as long:
        long.setparams((1, 2, 8000, 0, "NONE", ""))
        long.writeframes(bytes(2 * 8000 * 31))

    sentence, first, rest = read_windows(tmp_path)

    assert np.abs(sentence).max() > 0.1
    assert (len(first), len(rest)) == (MAX_SAMPLES, 16_000)


def test_without_recordings_nothing_is_quantised(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecordings, match="--precision int8 needs --recordings"):
        plans_target("tensorrt", "int8", None, lambda: CardCompiler(tmp_path))
    with pytest.raises(InvalidRecordings, match="no recordings"):
        list(read_windows(tmp_path))
    (tmp_path / "notes.txt").write_text("no sound")
    with pytest.raises(InvalidRecordings, match=r"notes\.txt is no recording"):
        list(read_windows(tmp_path))
