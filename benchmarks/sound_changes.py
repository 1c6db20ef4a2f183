"""Ways in which recordings come: quiet, loud, fast, slow, far away, on the telephone, after music, faded, noisy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, Pcm

Floats = NDArray[np.float64]


def quieter(pcm: Pcm) -> Pcm:
    """By 40 dB."""
    return _pcm(pcm * 0.01)


def clipped(pcm: Pcm) -> Pcm:
    """Overdriven by 12 dB over its loudest sample."""
    return _pcm(pcm * (4.0 * 32767 / max(1, int(np.abs(pcm).max()))))


def faster(pcm: Pcm) -> Pcm:
    """Played at 1.2 times its speed, and higher."""
    return _resampled(pcm, 1.2)


def slower(pcm: Pcm) -> Pcm:
    """Played at 0.85 times its speed, and lower."""
    return _resampled(pcm, 0.85)


def reverberant(pcm: Pcm) -> Pcm:
    """In a room with a decay of 60 dB in half a second."""
    times = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    tail = np.random.default_rng(0).standard_normal(len(times)) * 10 ** (-3 * times / 0.5) * 0.05
    tail[0] = 1.0
    length = len(pcm) + len(tail)
    heard = np.fft.irfft(np.fft.rfft(pcm, length) * np.fft.rfft(tail, length), length)
    return _pcm(_as_loud(heard, pcm))


def telephone(pcm: Pcm) -> Pcm:
    """300 to 3400 Hz."""
    spectrum = np.fft.rfft(pcm)
    frequencies = np.fft.rfftfreq(len(pcm), 1 / SAMPLE_RATE)
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    return _pcm(np.fft.irfft(spectrum, len(pcm)))


def after_music(pcm: Pcm) -> Pcm:
    """After 8 s of chords, 6 dB below it."""
    times = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    chords = [(220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7)]
    music = np.concatenate([sum(np.sin(2 * np.pi * tone * times) for tone in chord) for chord in chords])
    return np.concatenate([_pcm(_as_loud(music, pcm) * 0.5), pcm])


def interrupted(pcm: Pcm) -> Pcm:
    """With 6 s of silence at its quietest fifth of a second between a quarter and three quarters."""
    size = SAMPLE_RATE // 5
    first, last = len(pcm) // 4 // size, 3 * len(pcm) // 4 // size
    pieces = pcm[first * size : last * size].reshape(-1, size).astype(np.float64)
    at = (first + int(np.argmin((pieces**2).mean(axis=1)))) * size + size // 2 if len(pieces) else len(pcm) // 2
    return np.concatenate([pcm[:at], np.zeros(6 * SAMPLE_RATE, np.int16), pcm[at:]])


def faded(pcm: Pcm) -> Pcm:
    """Its last third fades by 20 dB."""
    length = len(pcm) // 3
    gain = np.ones(len(pcm))
    gain[len(pcm) - length :] = 10 ** (-np.linspace(0, 1, length))
    return _pcm(pcm * gain)


def noisy(pcm: Pcm) -> Pcm:
    """In noise 10 dB below it."""
    noise = np.random.default_rng(0).standard_normal(len(pcm))
    return _pcm(pcm + _as_loud(noise, pcm) * 10 ** (-10 / 20))


SOUND_CHANGES: dict[str, Callable[[Pcm], Pcm]] = {
    "as it is": lambda pcm: pcm,
    "40 dB quieter": quieter,
    "clipped by 12 dB": clipped,
    "1.2 times as fast": faster,
    "0.85 times as fast": slower,
    "reverberant": reverberant,
    "telephone band": telephone,
    "after music": after_music,
    "6 s of silence within": interrupted,
    "faded at the end": faded,
    "noise 10 dB below": noisy,
}


def one_after_another(pieces: Sequence[Pcm], pause: float) -> Pcm:
    """Two speakers, or two languages. pause: seconds of silence between them"""
    silence = np.zeros(round(pause * SAMPLE_RATE), np.int16)
    return np.concatenate([part for piece in pieces for part in (piece, silence)][:-1])


def _resampled(pcm: Pcm, speed: float) -> Pcm:
    places = np.arange(0, len(pcm) - 1, speed)
    return _pcm(np.interp(places, np.arange(len(pcm)), pcm))


def _as_loud(sound: Floats, other: Pcm) -> Floats:
    loudness = np.sqrt(np.mean(other.astype(np.float64) ** 2)) / max(1e-9, float(np.sqrt(np.mean(sound**2))))
    louder: Floats = sound * loudness
    return louder


def _pcm(sound: Floats) -> Pcm:
    pcm: Pcm = np.clip(sound, -32768, 32767).astype(np.int16)
    return pcm
