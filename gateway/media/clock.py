"""A file's clock → where its samples belong. Pauses of the clock become silence; no sample is ever dropped."""

from __future__ import annotations

from speech.audio import SAMPLE_RATE

TOLERANCE = 0.1  # seconds that clock and samples may be apart
LONGEST_PAUSE = 3600.0  # seconds: a clock that jumps further is at fault


class SampleClock:
    """Of one decoded track. Seconds by the file's clock in, samples of silence out.

    A clock that jumps back (joined recordings) or absurdly far is followed from its new place on, as if nothing lay
    between. One that runs a little slower than the samples is not: the next pause makes up for it.
    """

    def __init__(self, origin: float = 0.0) -> None:
        """origin: seconds by the file's clock where the track's time begins"""
        self.filled = 0  # samples of silence in all
        self._offset = -origin  # seconds from the file's clock to the track's time
        self._expected = origin  # by the file's clock
        self._position = 0  # samples

    def place(self, start: float, samples: int) -> int:
        """How many samples of silence come before these. start: seconds by the file's clock"""
        jump = start - self._expected
        if jump < -TOLERANCE or jump > LONGEST_PAUSE:
            self._offset += self._position / SAMPLE_RATE - (start + self._offset)
        pause = start + self._offset - self._position / SAMPLE_RATE
        silence = round(pause * SAMPLE_RATE) if TOLERANCE <= pause <= LONGEST_PAUSE else 0
        self._expected = start + samples / SAMPLE_RATE
        self._position += silence + samples
        self.filled += silence
        return silence
