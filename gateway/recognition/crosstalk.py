"""Channels of one recording: what one microphone picks up of another's speaker is not said in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.media.recording import Recording
from speech.activity import CHUNK
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import Word

WINDOW = 1024  # samples of one spectrum: 64 ms
HOP = 512  # samples
BLOCK = 40  # chunks of voice activity that are judged together: 1.3 s
STEP = 20  # chunks from one such block to the next
QUIETER = 0.5  # of the other's energy at most: -3 dB
EXPLAINED = 0.55  # share of a channel's energy that follows from the other's, from which it is the other's
SAME = 0.95  # share from which channels of equal level hold the same
SPOKEN = 0.25  # probability of speech
LOUDER = 0.7  # of the other's level at most, for a word that both say: -3 dB
NEAR = 0.4  # seconds between the same word in two channels

Spectra = NDArray[np.complex64]  # (frames, frequencies)


def without_leakage(channels: Sequence[Recording]) -> list[Recording]:
    """The channels with no speech where they hold only what a louder one says; the samples stay as they are."""
    kept = [channel.speech.copy() for channel in channels]
    chunks = max((len(channel.speech) for channel in channels), default=0)
    for first in range(0, chunks, STEP):
        span = slice(first, first + BLOCK)
        spoken = [at for at, channel in enumerate(channels) if (channel.speech[span] > SPOKEN).any()]
        if len(spoken) < 2:
            continue
        spectra = {at: _spectra(channels[at].pcm[first * CHUNK : (first + BLOCK) * CHUNK]) for at in spoken}
        for at in spoken:
            if any(_is_leakage(spectra[at], spectra[other], at > other) for other in spoken if other != at):
                kept[at][first + (BLOCK - STEP) // 2 : first + (BLOCK + STEP) // 2] = 0.0
                if first == 0:
                    kept[at][: (BLOCK - STEP) // 2] = 0.0
    return [replace(channel, speech=speech) for channel, speech in zip(channels, kept, strict=True)]


def _is_leakage(own: Spectra, other: Spectra, later: bool) -> bool:
    """later: whether the channel comes after the other, as where both hold the same"""
    energy, louder = float(np.sum(np.abs(own) ** 2)), float(np.sum(np.abs(other) ** 2))
    if not energy or not louder:
        return False
    share = explained(own, other)
    return (energy < QUIETER * louder and share > EXPLAINED) or (later and energy < 2 * louder and share > SAME)


def explained(own: Spectra, other: Spectra) -> float:
    """Share of a channel's energy that a filter of the other's sound could make: coherence, weighted by energy."""
    cross = np.abs(np.sum(own * other.conj(), axis=0)) ** 2
    energy, others = np.sum(np.abs(own) ** 2, axis=0), np.sum(np.abs(other) ** 2, axis=0)
    coherent = cross / np.maximum(energy * others, 1e-9)
    # By chance alone it is one part in the number of spectra.
    chance = 1.0 / max(2, len(own))
    return float(np.sum(np.maximum(0.0, coherent - chance) / (1 - chance) * energy) / np.sum(energy))


def _spectra(pcm: Pcm) -> Spectra:
    if len(pcm) < WINDOW:
        pcm = np.pad(pcm, (0, WINDOW - len(pcm)))
    frames = np.lib.stride_tricks.sliding_window_view(pcm.astype(np.float32), WINDOW)[::HOP]
    spectra: Spectra = np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1).astype(np.complex64)
    return spectra


def without_doubles(words: Sequence[Sequence[Word]], channels: Sequence[Recording]) -> list[list[Word]]:
    """The words of each channel without those that a clearly louder one says at the same time."""
    starts = [np.array([word.start for word in said]) for said in words]
    levels = [[_level(word, channel) for word in said] for said, channel in zip(words, channels, strict=True)]

    def is_double(at: int, word: Word, level: float) -> bool:
        for other, others in enumerate(words):
            if other == at:
                continue
            first, stop = np.searchsorted(starts[other], [word.start - NEAR, word.start + NEAR])
            for twin in range(first, stop):
                if _letters(word) == _letters(others[twin]) and level < LOUDER * levels[other][twin]:
                    return True
        return False

    return [
        [word for word, level in zip(said, levels[at], strict=True) if not is_double(at, word, level)]
        for at, said in enumerate(words)
    ]


def _letters(word: Word) -> str:
    return re.sub(r"\W", "", word.text).lower()


def _level(word: Word, channel: Recording) -> float:
    """RMS of its sound."""
    sound = channel.pcm[round(word.start * SAMPLE_RATE) : round(word.end * SAMPLE_RATE)].astype(np.float32)
    return float(np.sqrt(np.mean(sound * sound))) if len(sound) else 0.0
