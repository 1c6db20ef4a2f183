"""How often an open utterance is decoded: often on an idle machine, less often where many sessions share it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.streaming.endpoint import Endpointer
from gateway.streaming.policy import StreamPolicy, samples
from gateway.streaming.window import SpeechWindow

# New audio between two decodings, in lengths of the last one. A session alone leaves the machine some rest; of several
# each waits for the others' turns, so that a decoding is soon at hand when it is asked for.
LEAST_FACTOR, MOST_FACTOR = 1.25, 4.0


class UpdatePace:
    def __init__(self, policy: StreamPolicy) -> None:
        self.sessions: Callable[[], int] = lambda: 1  # that share the machine
        self._policy = policy
        self._interval = policy.update  # samples of new audio between two decodings

    def learn(self, elapsed: float) -> None:
        """Takes in how long a decoding took, in seconds."""
        factor = min(max(float(self.sessions()), LEAST_FACTOR), MOST_FACTOR)
        self._interval = min(max(self._policy.update, samples(elapsed * factor)), self._policy.slowest_update)

    def is_due(self, endpoint: Endpointer, window: SpeechWindow) -> bool:
        """Whether the open utterance is worth another decoding."""
        if endpoint.speech_end <= window.decoded:
            return False  # nothing was said since
        if self._policy.turn is not None and endpoint.silence:
            return endpoint.silence >= self._policy.quiet  # not sooner: a silence is decoded once
        start = endpoint.speech_start or 0
        if window.decoded <= start:
            return endpoint.position - start >= self._policy.first_update
        return endpoint.silence >= self._policy.quiet or endpoint.position - window.decoded >= self._interval_of(window)

    def _interval_of(self, window: SpeechWindow) -> int:
        """Where nothing is shown yet, the next decoding comes sooner."""
        shown = window.agreement.committed or window.agreement.provisional
        return self._interval if shown else max(self._policy.first_update, self._interval // 2)
