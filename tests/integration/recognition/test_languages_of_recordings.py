"""Recordings in more than one language, and short clips, through the real model."""

from __future__ import annotations

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import Transcript
from tests.integration.recognition.conftest import Hear
from tests.recordings import DATA, read_pcm

ENGLISH = read_pcm(DATA / "rather-selfish.flac")
FRENCH = read_pcm(DATA / "french.opus")[: 6 * SAMPLE_RATE]


def joined(*pieces: Pcm, pause: float) -> Pcm:
    """pause: seconds of silence between the pieces"""
    silence = np.zeros(round(pause * SAMPLE_RATE), np.int16)
    return np.concatenate([part for piece in pieces for part in (piece, silence)])


def words_in(transcript: Transcript, language: str) -> str:
    return " ".join(piece.text for piece in transcript.segments if piece.language == language).lower()


@pytest.mark.parametrize("pause", [0.6, 4.0])
async def test_a_sentence_in_another_language_is_heard_in_it(hear: Hear, pause: float) -> None:
    transcript = await hear(joined(ENGLISH, FRENCH, ENGLISH, pause=pause))

    assert transcript.languages == ("en", "fr")
    assert words_in(transcript, "en").count("rather selfish") == 2
    assert "désactiver" in words_in(transcript, "fr")


async def test_only_allowed_languages_are_heard(hear: Hear) -> None:
    transcript = await hear(joined(ENGLISH, FRENCH, pause=1.0), languages=("en", "de"))

    assert set(transcript.languages) <= {"en", "de"}
    assert "rather selfish" in words_in(transcript, "en")
