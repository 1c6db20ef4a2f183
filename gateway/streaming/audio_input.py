"""The audio of a live session as it arrives, and where voice activity detection finds speech in it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from gateway.streaming.buffer import SAMPLE_BYTES, AudioBuffer
from gateway.streaming.endpoint import Endpointer
from gateway.streaming.policy import StreamPolicy
from speech.activity import CHUNK, Probabilities
from speech.audio import SAMPLE_RATE, Pcm

MOST_PATIENCE = 10.0  # seconds
LEAST_PATIENCE = 0.05  # seconds, also after a long decoding
STANDSTILL = 0.2  # seconds by which a wait is longer than it was to be, where this process got no time
LEAD_FORGOTTEN = 1.2  # seconds in each one: a client's clock that is fast is no burst
CALMING = 0.95  # of its unsteadiness that an input keeps from frame to frame

DetectActivity = Callable[[Pcm], Probabilities]  # speech probability of each whole chunk; keeps state between calls


class AudioInput:
    """The client's side calls `feed` and `end`, the session's side `wait` and `advance`.

    Positions are samples from the start of the session.
    """

    def __init__(self, detect: DetectActivity, policy: StreamPolicy) -> None:
        self.buffer = AudioBuffer()
        self.endpoint = Endpointer(policy.endpoint)
        self.executor: Executor | None = None  # in whose threads voice activity is found; None: on the loop
        self.most_waiting: Callable[[], float] = lambda: math.inf  # seconds that may wait, beside the policy's
        self._detect = detect
        self._policy = policy
        self._activities: deque[float] = deque()  # of chunks after `endpoint.position`
        self._speech = bytearray()  # probability of each chunk that was analysed, of 255: 112 KB an hour
        self._ended = False
        self._fed_at: float | None = None  # of the monotonic clock, when the last frame came
        self._unsteady = 0.0  # seconds: how long a frame was away of late
        self._ahead = 0.0  # seconds of sound that came sooner than it can have been spoken
        self._changed = asyncio.Condition()

    @property
    def duration(self) -> float:
        """Seconds of audio received."""
        return self.buffer.end / SAMPLE_RATE

    @property
    def analysed(self) -> int:
        """Up to where voice activity is known."""
        return min(self.endpoint.position, self.buffer.end)

    @property
    def speaking(self) -> bool:
        """An utterance is open."""
        return self.endpoint.speech_start is not None

    @property
    def lagging(self) -> bool:
        """More audio waits than is worth showing piece by piece."""
        return self._waiting >= self._policy.stride

    @property
    def speech(self) -> Probabilities:
        """Of all chunks that were analysed, to 1/255."""
        probabilities: Probabilities = np.frombuffer(bytes(self._speech), np.uint8).astype(np.float32) / 255
        return probabilities

    def dismiss(self, start: int, end: int) -> None:
        """What voice activity took for speech between two samples was none."""
        chunks = slice(start // CHUNK, min(-(-end // CHUNK), len(self._speech)))
        self._speech[chunks] = bytes(len(range(*chunks.indices(len(self._speech)))))

    @property
    def _waiting(self) -> int:
        """Samples received and not yet analysed."""
        return self.buffer.end - self.endpoint.position

    def _most_waiting(self) -> float:
        """Samples."""
        return min(self._policy.backlog, self.most_waiting() * SAMPLE_RATE)

    @property
    def patience(self) -> float | None:
        """Seconds left until its client has muted: more where sound comes in large or unsteady pieces, or in a burst.

        None: whatever stays away, it has not.
        """
        least = self._policy.muted_seconds
        if least is None or self._fed_at is None:
            return None
        patience = min(max(least, 2 * self._unsteady, self._ahead), MOST_PATIENCE)
        return max(self._fed_at + patience - time.monotonic(), LEAST_PATIENCE)

    async def feed(self, frame: bytes) -> None:
        """Takes audio; waits while the session is too far behind."""
        self._time(len(frame) / SAMPLE_BYTES / SAMPLE_RATE)
        async with self._changed:
            self.buffer.append(frame)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._waiting < self._most_waiting() or self._ended)

    async def end(self) -> None:
        """No more audio will come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def wait(self, seconds: float | None = None) -> bool:
        """Waits for a whole chunk; False when the input has ended and was analysed to its end.

        seconds: at most, in which this process ran; None: for ever
        raises: TimeoutError
        """
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(seconds), self._changed:
                    await self._changed.wait_for(self._is_enough)
                    return self._waiting > 0
            except TimeoutError:
                stood_still = seconds is not None and time.monotonic() - began > seconds + STANDSTILL
                if not stood_still and not self._is_enough():
                    raise
                # What came while this process stood still has not been read yet: the client did not mute.

    def _is_enough(self) -> bool:
        return self._waiting >= CHUNK or self._ended

    async def advance(self) -> int | None:
        """Analyses up to a stride, or to the end of an utterance.

        returns: the sample where an utterance began, None if none did
        """
        if not self._activities:
            self._activities.extend(map(float, await self._detected(self._next_stride())))
        was_speaking, closed = self.speaking, False
        while self._activities and not closed:
            probability = self._activities.popleft()
            self._speech.append(min(255, int(256 * probability)))
            closed = self.endpoint.add(probability)
        began = None if was_speaking else self.endpoint.speech_start
        if closed:
            self.endpoint.close()
        async with self._changed:
            self._changed.notify_all()
        return began

    async def _detected(self, stride: Pcm) -> Probabilities:
        if self.executor is None:
            return self._detect(stride)
        return await asyncio.get_running_loop().run_in_executor(self.executor, self._detect, stride)

    def _time(self, seconds: float) -> None:
        """Learns how steadily frames come. seconds: of the next one's sound"""
        now = time.monotonic()
        away = 0.0 if self._fed_at is None else now - self._fed_at
        self._fed_at = now
        self._ahead = max(0.0, self._ahead - LEAD_FORGOTTEN * away) + seconds
        self._unsteady = max(
            away if away < MOST_PATIENCE else 0.0, min(seconds, MOST_PATIENCE), self._unsteady * CALMING
        )

    def _next_stride(self) -> Pcm:
        """Whole chunks of audio not yet analysed; the last one of a session is padded with silence."""
        start = self.endpoint.position
        take = min(self._waiting, self._policy.stride)
        if take >= CHUNK:
            return self.buffer.samples(start, start + take // CHUNK * CHUNK)
        return np.pad(self.buffer.samples(start, start + take), (0, CHUNK - take))
