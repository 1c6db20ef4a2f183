"""Which language a window is in, and each of its regions, by what the engine says of its start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech.languages import weigh
from speech.whisper.batching.rules import FRAME_SAMPLES, frames_of, region_languages
from speech.whisper.batching.sequence import Sequence
from speech.whisper.engine import Engine, Prefill
from speech.whisper.tokenizer import Tokenizer

SHORTEST_MIXTURE = 4.0  # seconds of a window whose regions may differ in language
LEAST_LANGUAGE = 0.002  # probability from which a language is told


class WindowLanguages:
    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        self._engine = engine
        self._tokenizer = tokenizer

    def of_parts(self, sequence: Sequence) -> NDArray[np.float32] | None:
        """Of each region apart, (regions, languages); None where that is not known, or the window is too short to be
        more than one. Raises EngineError.
        """
        regions = sequence.request.regions
        if len(regions) < 2 or sequence.request.seconds < SHORTEST_MIXTURE or not self._engine.partial_contexts:
            return None
        last = sequence.context
        spans = [(min(first // FRAME_SAMPLES, last - 1), min(frames_of(stop), last)) for first, stop in regions]
        return self._engine.span_languages(sequence.slot, spans)

    def decide(self, sequence: Sequence, prefill: Prefill, of_parts: NDArray[np.float32] | None) -> None:
        """Notes the window's language, and what is known of its regions'."""
        whole = self._by_language(prefill.language_probabilities)
        sequence.region_languages = tuple(
            _noted(self._by_language(each))
            for each in region_languages(sequence.request.regions, prefill.language_probabilities, of_parts)
        )
        likely = weigh(whole, sequence.request.languages)
        sequence.language = max(likely, key=lambda language: likely[language])
        sequence.language_probability = round(whole[sequence.language], 4)
        sequence.no_speech = round(float(prefill.no_speech_probability), 4)

    def _by_language(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        return dict(zip(self._tokenizer.languages, probabilities.tolist(), strict=True))


def _noted(probabilities: dict[str, float]) -> dict[str, float]:
    """What is worth telling."""
    return {language: round(share, 4) for language, share in probabilities.items() if share >= LEAST_LANGUAGE}
