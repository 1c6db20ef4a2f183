"""Log-mel against the recipe of openai/whisper, written with torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speech.audio import InvalidAudio, Samples
from speech.whisper.log_mel import HOP, MAX_SAMPLES, N_FFT, log_mel, mel_filters


def sound(seconds: float) -> Samples:
    time = np.arange(int(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(0).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * 300 * time) * np.sin(time) + 0.01 * noise).astype(np.float32)


def whole_window(samples: Samples, n_mels: int) -> np.ndarray:
    padded = torch.nn.functional.pad(torch.from_numpy(samples), (0, MAX_SAMPLES - len(samples)))
    spectrum = torch.stft(padded, N_FFT, HOP, window=torch.hann_window(N_FFT), return_complex=True)
    mel = torch.from_numpy(mel_filters(n_mels)) @ spectrum[:, :-1].abs() ** 2
    power = mel.clamp(min=1e-10).log10()
    return ((torch.maximum(power, power.max() - 8) + 4) / 4).numpy()


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
