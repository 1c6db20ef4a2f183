"""What can go wrong between the gateway and a summarizer, in words that a client may read.

SummarizerAway    it is off, starting, restarting or out of reach
SummarizerFailed  it answered, and the answer is of no use
"""

from __future__ import annotations


class SummarizerAway(Exception):
    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class SummarizerFailed(Exception):
    pass
