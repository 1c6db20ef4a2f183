"""Words at pauses begin and end where the sound does."""

from __future__ import annotations

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE, Pcm
from speech.whisper.word_edges import out_of_pauses, pauses


def sound(*voiced: tuple[float, float], seconds: float = 3.0, noise: float = 0.0) -> Pcm:
    """A tone in these stretches of seconds, in noise of that amplitude."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    heard = noise * np.random.default_rng(0).standard_normal(len(times))
    for start, end in voiced:
        heard += 8000 * np.sin(2 * np.pi * 200 * times) * ((times >= start) & (times < end))
    return heard.astype(np.int16)


@pytest.mark.parametrize("noise", [0.0, 20.0])
def test_pauses_are_found_in_the_sound(noise: float) -> None:
    found = pauses(sound((0.5, 1.0), (1.05, 1.5), (2.0, 2.8), noise=noise))

    assert found == pytest.approx(np.array([[0.0, 0.5], [1.5, 2.0], [2.8, 3.0]]), abs=0.011)


@pytest.mark.parametrize("audio", [sound((0.5, 1.0), noise=3000.0), sound(), np.zeros(0, np.int16)])
def test_where_speech_does_not_stand_out_no_pause_is_known(audio: Pcm) -> None:
    assert len(pauses(audio)) == 0


@pytest.mark.parametrize(
    ("begin", "end", "right"),
    [
        ([0.1, 1.0], [1.0, 1.9], [(0.5, 1.0), (1.4, 1.8)]),  # the pause fell to the second word
        ([0.5, 1.4], [1.4, 1.8], [(0.5, 1.0), (1.4, 1.8)]),  # to the first
        ([0.6, 1.2], [1.2, 2.5], [(0.5, 1.0), (1.4, 1.8)]),  # to both; the last one runs into the end
        ([0.55, 0.9], [0.9, 1.6], [(0.5, 1.0), (1.4, 1.8)]),  # the second one begins before the pause
        ([0.5, 0.7], [0.7, 1.0], [(0.5, 0.7), (0.7, 1.0)]),  # no pause between these
    ],
)
def test_boundaries_near_a_pause_move_to_its_edges(
    begin: list[float], end: list[float], right: list[tuple[float, float]]
) -> None:
    silent = np.array([[0.0, 0.5], [1.0, 1.4], [1.8, 3.0]])

    starts, ends = out_of_pauses(np.array(begin), np.array(end), silent)

    assert starts == pytest.approx([start for start, _ in right])
    assert ends == pytest.approx([end for _, end in right])


def test_words_stay_in_order_and_keep_a_length() -> None:
    chance = np.random.default_rng(0)
    for _ in range(200):
        edges = np.sort(chance.uniform(0, 3, 21))
        silent = np.sort(chance.uniform(0, 3, 10)).reshape(-1, 2)

        starts, ends = out_of_pauses(edges[:-1].copy(), edges[1:].copy(), silent)

        assert (starts < ends).all()
        assert (starts[1:] >= ends[:-1] - 1e-9).all()


def test_a_word_far_from_a_pause_is_left_alone() -> None:
    starts, ends = out_of_pauses(np.array([1.0]), np.array([1.4]), np.array([[2.0, 3.0]]))

    assert (starts.tolist(), ends.tolist()) == ([1.0], [1.4])
