"""Log-mel against the recipe of openai/whisper, written out in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from speech.audio import InvalidAudio, Samples
from speech.whisper.log_mel import HOP, MAX_SAMPLES, N_FFT, log_mel, mel_filters


def sound(seconds: float) -> Samples:
    time = np.arange(int(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(0).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * 300 * time) * np.sin(time) + 0.01 * noise).astype(np.float32)


def whole_window(samples: Samples, n_mels: int) -> np.ndarray[Any, Any]:
    """Padded to 30 s, framed around every hop, the sound mirrored at its ends; in float64."""
    padded = np.pad(samples.astype(np.float64), (0, MAX_SAMPLES - len(samples)))
    mirrored = np.pad(padded, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, N_FFT)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    spectrum = np.fft.rfft(frames * hann).T
    mel = mel_filters(n_mels) @ np.abs(spectrum[:, :-1]) ** 2
    power = np.log10(np.maximum(mel, 1e-10))
    return (np.maximum(power, power.max() - 8) + 4) / 4


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("seconds", [0.5, 7.3, 30.0])
def test_log_mel_equals_the_original_over_thirty_seconds(seconds: float, n_mels: int) -> None:
    samples = sound(seconds)

    np.testing.assert_allclose(log_mel(samples, n_mels), whole_window(samples, n_mels), atol=1e-4)


def test_a_shorter_context_is_the_beginning_of_the_whole() -> None:
    samples = sound(7.3)

    np.testing.assert_array_equal(log_mel(samples, 80, 1000), log_mel(samples, 80)[:, :1000])


def test_silence_is_flat() -> None:
    assert np.unique(log_mel(np.zeros(16_000, np.float32), 80)).size == 1


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidAudio, match="do not fit"):
        log_mel(np.zeros(MAX_SAMPLES + 1, np.float32), 80)


def test_filters_have_unit_area_and_cover_the_band() -> None:
    filters = mel_filters(80)

    np.testing.assert_allclose(filters[40:].sum(axis=1) * 40, 1, atol=0.1)  # 40 Hz a bin
    assert (filters.sum(axis=0)[2:-1] > 0).all()
