"""So many live sessions at once: when words came, which were wrong, and whether that was soon enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.playback import Played, ShownWord
from benchmarks.scoring import count_errors
from benchmarks.turn_edges import EdgeErrors, edge_errors

HELD_LAG = 2.0  # seconds, 95th percentile from spoken to shown
LONGEST_SILENCE = 0.64  # seconds, after which a turn ends in any policy
COLUMNS = (
    "who", "sessions", "recordings", "words", "first partial p50", "p95", "shown p50", "p95", "word final p50", "p95",
    "end of turn p50", "p95", "stop to final p50", "p95", "words cut wrongly %", "wrong beside an end %",
    "ended early %", "updates per s", "held",
)  # fmt: skip
NOTE = (
    "Seconds. Shown and final: from the end of a word to its message. End of turn: from the end of the recording's "
    "speech, by voice activity, to its last word being final, where silence followed; early: sooner than by the "
    "longest silence. Cut wrongly: words beside the end of a turn inside a recording that are not what was said, and "
    "that the same recording as a file has right."
)


@dataclass(frozen=True, slots=True)
class Filed:
    """A recording through /v1/transcribe."""

    text: str
    first_word: float  # seconds
    speech_end: float  # seconds, by voice activity


@dataclass(frozen=True, slots=True)
class LiveLoad:
    """One level."""

    who: str
    sessions: int
    played: Sequence[Played]
    filed: dict[str, Filed]  # by recording's id

    @property
    def words(self) -> list[ShownWord]:
        return [word for played in self.played for word in played.words]

    @property
    def shown_lags(self) -> list[float]:
        return [word.shown - word.end for word in self.words]

    @property
    def held(self) -> bool:
        return percentile(self.shown_lags, 95) < HELD_LAG

    @property
    def turn_lags(self) -> list[float]:
        """From the end of a recording's speech to its last word being final, where silence followed."""
        ends = [(p.last_final, self.filed[p.recording.id].speech_end) for p in self.played if p.tail]
        return [final - end for final, end in ends if final is not None]

    @property
    def first_lags(self) -> list[float]:
        return [p.first_partial - self.filed[p.recording.id].first_word for p in self.played if p.first_partial]

    @property
    def said(self) -> int:
        """Words of all references."""
        texts = [played.recording.text or "" for played in self.played]
        return sum(count_errors(text, text).words for text in texts)

    @property
    def edges(self) -> EdgeErrors:
        found = EdgeErrors()
        for played in self.played:
            heard, filed = [word.text for word in played.words], self.filed[played.recording.id].text
            found += edge_errors(played.recording.text or "", heard, played.turn_ends, filed)
        return found

    @property
    def early(self) -> float:
        """Percent of the ends that were told sooner than by the longest silence."""
        lags = self.turn_lags
        return 100 * float(np.mean([lag < LONGEST_SILENCE for lag in lags])) if lags else float("nan")

    def row(self) -> list[object]:
        finals = [word.final - word.end for word in self.words]
        stops = [p.stop_to_final for p in self.played if not p.tail]
        updates = [p.updates / p.recording.duration for p in self.played]
        lags = (self.first_lags, self.shown_lags, finals, self.turn_lags, stops)
        spread = [percentile(values, q) for values in lags for q in (50, 95)]
        costs: list[object] = ["not told"] * 3
        if any(played.turn_ends for played in self.played):
            edges, said = self.edges, max(self.said, 1)
            costs = [100 * edges.cut / said, 100 * edges.wrong / said, self.early]
        held = "yes" if self.held else "no"
        many = len(self.played)
        return [self.who, self.sessions, many, self.said, *spread, *costs, float(np.median(updates)), held]


def percentile(values: Sequence[float], q: float) -> float:
    return float(np.percentile(values, q)) if values else float("nan")
