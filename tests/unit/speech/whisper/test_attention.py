import numpy as np
import pytest

from speech.whisper.attention import STEP_FRAMES, attention_profile
from speech.whisper.words import Span

WORDS = [Span("one", 0, 1, 0, 1), Span("two,", 1, 3, 1, 2)]  # the third token is the comma


def weights(*rows: tuple[int, int], frames: int) -> np.ndarray:
    """Two heads; each row looks evenly at its frames, the last one at the end."""
    found = np.full((2, len(rows), frames), 1e-6, np.float32)
    for row, (first, stop) in enumerate(rows):
        found[:, row, first:stop] = 1.0 / (stop - first)
    return found


def test_every_spoken_token_looks_somewhere_once() -> None:
    profile = attention_profile(weights((0, 10), (10, 20), (60, 70), (70, 71), frames=73), WORDS)

    assert len(profile) == -(-73 // STEP_FRAMES)
    assert sum(profile) == pytest.approx(2.0, abs=0.01)


def test_speech_that_no_word_looks_at_gets_nothing() -> None:
    profile = attention_profile(weights((0, 20), (60, 80), (20, 60), (80, 81), frames=100), WORDS)

    assert max(profile[20 // STEP_FRAMES : 60 // STEP_FRAMES]) < 0.001
    assert min(profile[: 20 // STEP_FRAMES]) > 0.2
