"""Recordings whose word times are known from how they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import aligned_speech
from benchmarks.aligned_speech import joined, speech_piece
from speech.audio import SAMPLE_RATE, Pcm


def tone(start: float, end: float, seconds: float, noise: float) -> Pcm:
    """A tone from `start` to `end` in noise of that amplitude."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    voiced = 8000 * np.sin(2 * np.pi * 200 * times) * ((times >= start) & (times < end))
    return (voiced + noise * np.random.default_rng(0).standard_normal(len(times))).astype(np.int16)


@pytest.mark.parametrize("noise", [0.0, 20.0])
def test_edges_of_speech_are_found_in_its_samples(noise: float) -> None:
    piece = speech_piece("now", tone(0.5, 1.25, 2.0, noise))

    assert piece is not None
    assert (piece.end - piece.start) / SAMPLE_RATE == pytest.approx(0.75, abs=0.01)
    assert piece.start == piece.length - piece.end  # as much is kept before as after


def test_edges_in_noise_are_not_known() -> None:
    assert speech_piece("now", tone(0.5, 1.25, 2.0, noise=1000.0)) is None


def test_joined_pieces_stand_where_they_are_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligned_speech, "CACHE", tmp_path)
    pieces = [speech_piece(text, tone(0.2, 0.9, 1.2, noise=0.0)) for text in ("one", "two words")]

    (aligned,) = joined("made", pieces, together=2, pauses=(0.3, 0.3))

    loud = np.flatnonzero(np.abs(aligned.recording.pcm.astype(int)) > 400) / SAMPLE_RATE
    one, two, words = aligned.words
    assert (two.text, two.end, words.start) == ("two", None, None)
    assert one.end is not None
    assert two.start is not None
    assert one.start == pytest.approx(loud[0], abs=0.006)
    assert one.end == pytest.approx(loud[loud < two.start][-1], abs=0.006)
    assert two.start == pytest.approx(loud[loud > one.end][0], abs=0.006)
    assert words.end == pytest.approx(loud[-1], abs=0.006)
