"""LocalAgreement-2: repeated hypotheses of growing audio become text that never changes.

A live window is decoded again and again while it grows. Its beginning settles long before its end does:
what two decodings in a row agree on is committed, the rest stays provisional.
Source: Macháček, Dabre, Bojar 2023, "Turning Whisper into Real-Time Transcription System".
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from speech.transcript import Word

BOUNDARY_WEIGHT = 1.0  # edits that one second between a split and the committed end counts for
MAX_BOUNDARY = 3.0  # seconds beyond which a split is no worse


@dataclass(slots=True)
class Agreement:
    """The committed words of one window, and the provisional ones after them.

    Word times are seconds on one clock for all hypotheses (the session's), not the window's.
    """

    committed: list[Word] = field(default_factory=list)  # that the window's audio still holds
    provisional: tuple[Word, ...] = ()

    def update(self, hypothesis: Sequence[Word], until: float = math.inf) -> tuple[Word, ...]:
        """Takes a new decoding of the window; returns the words that it commits, oldest first.

        until: seconds; words that end later are not committed yet, the audio that decides them is too short
        """
        continuation = self.continuation(hypothesis)
        agreed = common_prefix(self.provisional, [word for word in continuation if word.end <= until])
        self.committed.extend(continuation[:agreed])
        self.provisional = continuation[agreed:]
        return continuation[:agreed]

    def continuation(self, hypothesis: Sequence[Word] | None) -> tuple[Word, ...]:
        """What a decoding (None: the last one given) says after the committed words."""
        if hypothesis is None:
            return self.provisional
        return tuple(hypothesis[split(hypothesis, self.committed) :])

    def finish(self, hypothesis: Sequence[Word] | None = None) -> tuple[Word, ...]:
        """Commits the whole decoding (None: the last one given); the window ends with it."""
        rest = self.continuation(hypothesis)
        self.committed.extend(rest)
        self.provisional = ()
        return rest

    def forget_before(self, time: float) -> None:
        """The window's audio now starts at `time` (seconds): words before it will not be decoded again."""
        self.committed = [word for word in self.committed if (word.start + word.end) / 2 >= time]


def widest_pause(words: Sequence[Word]) -> tuple[Word, Word] | None:
    """The words before and after the widest pause, the first of several; None where there are no two words."""
    return max(itertools.pairwise(words), key=lambda pair: pair[1].start - pair[0].end, default=None)


def common_prefix(one: Sequence[Word], other: Sequence[Word]) -> int:
    """How many leading words two hypotheses share, case and punctuation aside."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if normal(left.text) != normal(right.text):
            return index
    return min(len(one), len(other))


def split(hypothesis: Sequence[Word], committed: Sequence[Word]) -> int:
    """Where a new hypothesis goes on after the committed words: its first k words repeat them.

    k has the smallest edit distance to the committed words plus the distance in time from the committed end to the
    gap between word k and the next one, so that a word recognised differently the second time is neither doubled nor
    lost, and one that the window no longer holds whole does not take the next one with it.
    """
    if not committed:
        return 0
    end = committed[-1].end
    distances = prefix_distances([normal(w.text) for w in committed], [normal(w.text) for w in hypothesis])

    def cost(k: int) -> float:
        before = hypothesis[k - 1].end if k else -math.inf
        after = hypothesis[k].start if k < len(hypothesis) else math.inf
        return distances[k] + BOUNDARY_WEIGHT * min(max(before - end, end - after, 0.0), MAX_BOUNDARY)

    return min(range(len(hypothesis) + 1), key=cost)


def prefix_distances(reference: Sequence[str], words: Sequence[str]) -> list[int]:
    """Edit distance (Levenshtein, in words) between the whole reference and every prefix of `words`.

    returns: len(words) + 1 distances, index k for the prefix of k words
    """
    row = list(range(len(words) + 1))
    for count, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], count
        for k, word in enumerate(words, 1):
            diagonal, row[k] = row[k], min(row[k] + 1, row[k - 1] + 1, diagonal + (word != expected))
    return row


def normal(text: str) -> str:
    """A word as it is compared: folded case, letters and digits only (itself when nothing is left)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in folded if unicodedata.category(c)[0] in "LNM")
    return kept or folded.strip()
