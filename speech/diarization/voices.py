"""How somebody sounds, as one vector, and whose of several voices that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from speech.diarization.clustering import REDUNDANCY, Floats, length_correction, normalise, piece_seconds
from speech.diarization.windows import PIECE, LocalSpeech

# Calibrated cosine from which two voices are one person's. In the development recordings of 2 to 8 people, with
# references of 2 to 3 s, 27 of 29 speakers lie above 0.88 and the other two said 1 and 2 s in all; of 82 pairs of two
# people the highest lies at 0.66.
SAME = 0.75
SHORTEST = 0.5  # seconds of speech that make a voice


@dataclass(frozen=True, slots=True)
class Voice:
    vector: Floats  # (VECTOR,), unit length
    seconds: float  # of speech behind it

    def similarity(self, other: Voice) -> float:
        """Cosine, over what one person's would be for so much speech: about 1 for one person."""
        seconds = np.array([self.seconds, other.seconds], np.float32)
        return float(self.vector @ other.vector * length_correction(seconds).prod())


def reference_voice(speech: LocalSpeech) -> Voice | None:
    """Of a recording in which one person speaks; None where there is too little of it."""
    alone = speech.pieces[:, PIECE.alone] == 1
    if not alone.any():
        return None
    seconds = piece_seconds(speech)[alone]
    total = float(seconds.sum()) / min(REDUNDANCY, len(speech.activity))
    if total < SHORTEST:
        return None
    return Voice(normalise((speech.vectors[alone] * seconds[:, None]).sum(axis=0)), total)


def recognise(voices: Mapping[str, Voice], known: Mapping[str, Voice]) -> dict[str, str]:
    """Whose each voice is: speaker → name, for those that are like a known one.

    One person may have been taken for two, so a name may come twice; of a voice that is like two known ones, the
    more similar one's is taken.
    """
    found = {}
    for speaker, voice in voices.items():
        similar = {name: voice.similarity(reference) for name, reference in known.items()}
        best = max(similar, key=lambda name: similar[name], default=None)
        if best is not None and similar[best] >= SAME:
            found[speaker] = best
    return found
