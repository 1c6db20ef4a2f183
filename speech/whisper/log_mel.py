"""Log-mel spectrogram, computed as Whisper's training did, only over the frames that will be encoded."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, InvalidAudio, Samples

Mel = NDArray[np.float32]  # (n_mels, frames), one frame per 10 ms

N_FFT = 400  # 25 ms
HOP = 160  # 10 ms
MAX_SAMPLES = 30 * SAMPLE_RATE
MAX_FRAMES = MAX_SAMPLES // HOP
FRAMES_PER_CONTEXT = 2  # the encoder's second convolution halves the frames
DYNAMIC_RANGE = 8.0  # log10 of power below the loudest cell
LEAST_POWER = np.float32(1e-10)


def log_mel(samples: Samples, n_mels: int, frames: int = MAX_FRAMES) -> Mel:
    """Log-mel spectrogram that Whisper's encoder was trained on, cut to the first `frames`.

    samples: float32 (n,), mono, 16 kHz, in [-1, 1], n ≤ 480_000 (30 s); what follows is silence
    returns: float32 (n_mels, frames), one frame per 10 ms
    raises: InvalidAudio if longer than 30 s or longer than `frames`
    source: Radford et al. 2022; openai/whisper audio.py
    """
    if len(samples) > min(MAX_SAMPLES, frames * HOP):
        raise InvalidAudio(f"{len(samples)} samples do not fit into {frames} frames of {HOP} samples")
    filled = min(frames, len(samples) // HOP + 2)  # later frames see only silence
    power = _power_spectrum(samples, filled)
    log_power = np.full((frames, n_mels), np.log10(LEAST_POWER), np.float32)
    np.log10(np.maximum(power @ mel_filters(n_mels).T, LEAST_POWER), out=log_power[:filled])
    np.maximum(log_power, log_power.max() - DYNAMIC_RANGE, out=log_power)
    return np.ascontiguousarray(((log_power + 4.0) / 4.0).T)


def _power_spectrum(samples: Samples, frames: int) -> NDArray[np.float32]:
    """Squared magnitudes of the centred short-time Fourier transform: (frames, N_FFT // 2 + 1)."""
    padded = np.zeros(frames * HOP + N_FFT, np.float32)
    half = N_FFT // 2
    padded[half : half + len(samples)] = samples[: len(padded) - half]
    padded[:half] = padded[half + 1 : N_FFT + 1][::-1]  # reflect
    if len(samples) == MAX_SAMPLES:
        end = half + len(samples)
        padded[end : end + half] = samples[-half - 1 : -1][::-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP][:frames]
    spectrum = np.fft.rfft(windows * hann())
    return (spectrum.real**2 + spectrum.imag**2).astype(np.float32)


@lru_cache
def hann() -> NDArray[np.float32]:
    """Periodic Hann window: (N_FFT,)."""
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
    return window


@lru_cache
def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Triangular filters on Slaney's mel scale, each of unit area: (n_mels, N_FFT // 2 + 1).

    source: Slaney 1998, Auditory Toolbox; the same numbers as librosa.filters.mel
    """
    frequencies = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    edges = _mel_to_hertz(np.linspace(0, _hertz_to_mel(SAMPLE_RATE / 2), n_mels + 2))
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    filters: NDArray[np.float32] = (triangles * area[:, None]).astype(np.float32)
    return filters


LINEAR_HERTZ = 200.0 / 3  # below 1 kHz a mel is this many Hz
LOG_START_HERTZ = 1000.0
LOG_START_MEL = LOG_START_HERTZ / LINEAR_HERTZ
LOG_STEP = np.log(6.4) / 27.0  # above 1 kHz, 27 mels multiply the frequency by 6.4


def _hertz_to_mel(hertz: float) -> float:
    if hertz < LOG_START_HERTZ:
        return hertz / LINEAR_HERTZ
    return float(LOG_START_MEL + np.log(hertz / LOG_START_HERTZ) / LOG_STEP)


def _mel_to_hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = LOG_START_HERTZ * np.exp(LOG_STEP * (mels - LOG_START_MEL))
    return np.where(mels < LOG_START_MEL, mels * LINEAR_HERTZ, logarithmic)
