"""Where a decoded text lies in its window: the rows of attention that belong to its tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.whisper.batching.rules import StopReason
from speech.whisper.engine import PendingAlignment


@dataclass(frozen=True, slots=True)
class TextAlignment:
    """The rows that predicted a text's n tokens and what followed them, of those that are fetched.

    A token limit leaves no step after the last token, so the last row stands for the missing one too: word
    timing needs an end of the last token, and there is none better.
    """

    fetched: PendingAlignment
    tokens: int
    stop: StopReason

    def result(self) -> NDArray[np.float32]:
        """(heads, n + 1, frames)"""
        rows = self.fetched.result()[:, : self.tokens + 1]
        if self.stop is StopReason.TOKEN_LIMIT and rows.shape[1] == self.tokens:
            return np.concatenate([rows, rows[:, -1:]], axis=1)
        return np.ascontiguousarray(rows)
