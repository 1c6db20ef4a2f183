"""How long a live session waits for a client that sends nothing."""

from __future__ import annotations

import time

import numpy as np
import pytest

from gateway.streaming.audio_input import AudioInput
from gateway.streaming.policy import StreamPolicy
from speech.activity import CHUNK
from speech.audio import SAMPLE_RATE, Pcm

MUTED = 0.6  # seconds
FRAME = bytes(SAMPLE_RATE // 10 * 2)


def silence(pcm: Pcm) -> np.ndarray:
    return np.zeros(len(pcm) // CHUNK, dtype=np.float32)


@pytest.mark.parametrize(
    ("speed", "frames", "patience"),
    [(1.0, 600, MUTED), (1.01, 600, MUTED), (1000.0, 30, 3.0), (2.0, 40, 1.7)],
)
async def test_sound_that_came_in_a_burst_is_waited_for_until_it_can_have_been_spoken(
    monkeypatch: pytest.MonkeyPatch, speed: float, frames: int, patience: float
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    heard = AudioInput(silence, StreamPolicy(muted_seconds=MUTED))
    for _ in range(frames):
        now += 0.1 / speed
        await heard.feed(FRAME)

    assert heard.patience == pytest.approx(patience, abs=0.2)
