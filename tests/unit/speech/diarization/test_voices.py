from __future__ import annotations

import numpy as np
import pytest

from speech.diarization.voices import Voice, recognise, reference_voice
from speech.diarization.windows import FRAME, FRAMES, VECTOR, LocalSpeech


def vector(*parts: float) -> np.ndarray:
    full = np.zeros(VECTOR, np.float32)
    full[: len(parts)] = parts
    return full / np.linalg.norm(full)


ANN, BEN = Voice(vector(1, 0), 5.0), Voice(vector(0, 1), 5.0)


def test_a_voice_is_the_known_one_that_it_is_most_like() -> None:
    heard = {"Speaker 1": Voice(vector(0.1, 1), 20.0), "Speaker 2": Voice(vector(1, 0.7), 20.0)}

    assert recognise(heard, {"Ann": ANN, "Ben": BEN}) == {"Speaker 1": "Ben", "Speaker 2": "Ann"}


def test_a_voice_that_is_like_none_has_no_name() -> None:
    assert recognise({"Speaker 1": Voice(vector(0.3, 0.3, 1), 20.0)}, {"Ann": ANN, "Ben": BEN}) == {}
    assert recognise({"Speaker 1": ANN}, {}) == {}


def test_little_speech_is_not_held_against_a_voice() -> None:
    short, long = Voice(vector(1, 1), 1.0), Voice(vector(1, 1), 60.0)

    assert short.similarity(ANN) > long.similarity(ANN)


def local(pieces: list[tuple[int, int, int]]) -> LocalSpeech:
    """pieces: (first frame, end, alone)"""
    rows = np.array([(0, 0, *piece) for piece in pieces], np.int32).reshape(-1, 5)
    vectors = np.stack([vector(1, 0) if alone else vector(0, 1) for *_, alone in pieces] or [vector(1)])[: len(rows)]
    return LocalSpeech(np.zeros((1, FRAMES), np.uint8), rows, vectors)


def test_a_reference_is_what_one_person_says_alone() -> None:
    voice = reference_voice(local([(0, 100, 1), (100, 140, 0), (140, 240, 1)]))

    assert voice is not None
    assert voice.vector @ ANN.vector == pytest.approx(1.0)
    assert voice.seconds == pytest.approx(200 * FRAME)


@pytest.mark.parametrize("pieces", [[], [(0, 200, 0)], [(0, 10, 1)]], ids=["nothing", "never alone", "too short"])
def test_a_reference_without_a_voice_is_none(pieces: list[tuple[int, int, int]]) -> None:
    assert reference_voice(local(pieces)) is None
