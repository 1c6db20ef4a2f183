"""When an open utterance is decoded again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.streaming.buffer import AudioBuffer
from gateway.streaming.end_of_turn import TurnPolicy
from gateway.streaming.endpoint import Endpointer
from gateway.streaming.pace import UpdatePace
from gateway.streaming.policy import StreamPolicy, samples
from gateway.streaming.window import SpeechWindow
from speech.activity import CHUNK
from speech.transcript import Word

POLICY = StreamPolicy(first_update=4 * CHUNK, update=10 * CHUNK, quiet=3 * CHUNK)
SHOWN = Word("Yes", 0.0, 0.2, 0.9)


def due_after(pace: UpdatePace, window: SpeechWindow, endpoint: Endpointer, probabilities: list[float]) -> int | None:
    """Chunks until a decoding is due; None: none of them asks for it."""
    for count, probability in enumerate(probabilities, 1):
        endpoint.add(probability)
        if endpoint.speech_start is not None and pace.is_due(endpoint, window):
            window.decoded = endpoint.position
            return count
    return None


@pytest.fixture
def window() -> SpeechWindow:
    return SpeechWindow(AudioBuffer(), POLICY)


@pytest.fixture
def endpoint() -> Endpointer:
    return Endpointer(POLICY.endpoint)


def test_until_something_is_shown_it_is_tried_often(window: SpeechWindow, endpoint: Endpointer) -> None:
    pace = UpdatePace(POLICY)

    assert due_after(pace, window, endpoint, [0.9] * 20) == 4
    assert due_after(pace, window, endpoint, [0.9] * 20) == 5
    window.agreement.update([SHOWN])
    assert due_after(pace, window, endpoint, [0.9] * 20) == 10


def test_a_silence_is_decoded_once_and_not_before_it_is_one(window: SpeechWindow, endpoint: Endpointer) -> None:
    pace = UpdatePace(replace(POLICY, turn=TurnPolicy()))
    window.agreement.update([SHOWN])
    due_after(pace, window, endpoint, [0.9] * 10)

    assert due_after(pace, window, endpoint, [*[0.9] * 8, *[0.1] * 2, 0.9]) == 11  # speech went on, and it was time
    assert due_after(pace, window, endpoint, [0.9, *[0.1] * 5]) == 4
    assert due_after(pace, window, endpoint, [0.1] * 12) is None


@pytest.mark.parametrize(("sessions", "chunks"), [(1, 12), (2, 20), (4, 40), (16, 40)])
def test_who_shares_the_machine_is_decoded_less_often(
    sessions: int, chunks: int, window: SpeechWindow, endpoint: Endpointer
) -> None:
    pace = UpdatePace(POLICY)
    pace.sessions = lambda: sessions
    window.agreement.update([SHOWN])
    due_after(pace, window, endpoint, [0.9] * 10)

    pace.learn(10 * CHUNK / 16_000)

    assert due_after(pace, window, endpoint, [0.9] * 60) == pytest.approx(chunks, abs=1)


def test_it_never_waits_longer_than_the_slowest_update(window: SpeechWindow, endpoint: Endpointer) -> None:
    pace = UpdatePace(replace(POLICY, slowest_update=samples(2.0)))
    window.agreement.update([SHOWN])
    due_after(pace, window, endpoint, [0.9] * 10)

    pace.learn(60.0)

    assert due_after(pace, window, endpoint, [0.9] * 99) == 63
