"""One live session: audio arrives, utterances open and close, text is decoded again and again and settles.

Audio flows one way: `feed` → buffer → voice activity → window → Whisper → agreement → messages. Nothing
is forgotten before its words are committed, whatever the load: a session that falls behind decodes less
often, and the recogniser retries a window whose Triton is unavailable until there is one again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gateway.recognition.windows import is_speech
from gateway.streaming import messages
from gateway.streaming.buffer import AudioBuffer
from gateway.streaming.endpoint import Endpointer, EndpointPolicy
from gateway.streaming.language import LanguageVote
from gateway.streaming.messages import Message
from gateway.transcript.text import join
from speech.activity import CHUNK, Probabilities
from speech.agreement import Agreement, split, widest_pause
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult, Word

Recognize = Callable[[Pcm, str | None], Awaitable[WindowResult]]  # samples, language (None: detect); retries itself
DetectActivity = Callable[[Pcm], Probabilities]  # speech probability of each whole chunk; keeps state between calls
Emit = Callable[[Message], Awaitable[None]]


def seconds(count: float) -> int:
    return int(count * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """Samples unless the name says otherwise."""

    endpoint: EndpointPolicy = field(default_factory=EndpointPolicy)
    first_update: int = seconds(0.3)  # of speech, before its first decoding
    update: int = seconds(0.8)  # of new audio between two decodings, when the machine is not busy
    load_factor: float = 1.5  # new audio between two decodings, in lengths of the last one
    slowest_update: int = seconds(8.0)
    quiet: int = seconds(0.3)  # of silence after which a sentence is decoded without waiting for `update`
    unsettled: int = seconds(0.3)  # at the end of a window, where words are not committed yet
    padding: int = seconds(0.3)  # of audio kept around speech
    trim: int = seconds(12.0)  # window from which committed audio leaves it
    breath: int = seconds(3.0)  # pause after which a new utterance does not go on in the window of the last one
    longest: int = seconds(25.0)  # window that is committed though nobody paused
    stride: int = seconds(1.0)  # of audio listened to at a time
    backlog: int = seconds(600.0)  # of audio that may wait before the client is made to wait (19 MB)


class StreamSession:
    """Feeds in, messages out; `run` returns when everything that was fed is final."""

    def __init__(
        self, recognize: Recognize, detect: DetectActivity, emit: Emit, language: str | None, policy: StreamPolicy
    ) -> None:
        self._recognize, self._detect, self._emit = recognize, detect, emit
        self._policy = policy
        self._vote = LanguageVote(language)
        self._buffer = AudioBuffer()
        self._endpoint = Endpointer(policy.endpoint)
        self._activities: deque[float] = deque()  # of chunks after `_endpoint.position`
        self._agreement = Agreement()
        self._window = 0  # samples: where the open window starts
        self._open_window = False
        self._decoded = 0  # samples: up to where the open window was decoded
        self._final = 0  # samples: up to where all speech is final
        self._interval = policy.update
        self._stopped = self._handing_over = False
        self._resume = 0  # samples: where a session that is handed over resumes elsewhere
        self._changed = asyncio.Condition()
        self._words: list[Word] = []

    @property
    def duration(self) -> float:
        """Seconds of audio received."""
        return self._buffer.end / SAMPLE_RATE

    @property
    def resume(self) -> float:
        """Seconds from which another gateway has to hear what this one heard only in part, after `hand_over`."""
        return self._resume / SAMPLE_RATE

    @property
    def language(self) -> str:
        return self._vote.best

    @property
    def text(self) -> str:
        """Everything that is final so far."""
        return join(self._words, self.language)

    def expect(self, language: str | None) -> None:
        """The language that will be spoken, ISO 639-1; None: find out. Before the first audio."""
        self._vote = LanguageVote(language)

    async def feed(self, frame: bytes) -> None:
        """Takes audio; waits while the session is too far behind."""
        async with self._changed:
            self._buffer.append(frame)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._waiting < self._policy.backlog or self._stopped)

    async def stop(self) -> None:
        """No more audio will come."""
        async with self._changed:
            self._stopped = True
            self._changed.notify_all()

    async def hand_over(self) -> None:
        """No more audio will come here: what is not final goes to another gateway."""
        self._handing_over = True
        await self.stop()

    async def run(self) -> None:
        """Raises what `recognize` raises, Unavailable when its retries are exhausted."""
        while await self._audio_came():
            await self._read_activity()
            if self._endpoint.speech_start is not None:
                if self._length >= self._policy.longest:
                    await self._cut()
                elif self._due():
                    await self._update()
            elif not self._has_uncommitted:
                self._idle()
            elif not self._lagging or self._length >= self._policy.trim:
                await self._close()
        if self._handing_over and self._endpoint.speech_start is not None:
            await self._commit_before_hand_over()
            return
        self._resume = max(self._endpoint.speech_end, self._heard - self._idle_tail, 0)
        if self._has_uncommitted:
            await self._close()

    # Voice activity

    @property
    def _waiting(self) -> int:
        """Samples received and not yet listened to."""
        return self._buffer.end - self._endpoint.position

    @property
    def _heard(self) -> int:
        """Samples listened to."""
        return min(self._endpoint.position, self._buffer.end)

    @property
    def _lagging(self) -> bool:
        """More audio is there than is worth showing piece by piece."""
        return self._waiting >= self._policy.stride

    @property
    def _length(self) -> int:
        """Samples in the window."""
        return self._heard - self._window

    @property
    def _has_uncommitted(self) -> bool:
        """Speech was heard that is not final."""
        return self._endpoint.speech_end > self._final

    @property
    def _idle_tail(self) -> int:
        return self._policy.padding + self._policy.endpoint.onset_chunks * CHUNK

    async def _audio_came(self) -> bool:
        """Waits for a whole chunk; False when the session is over and everything was heard."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting >= CHUNK or self._stopped)
            return self._waiting > 0

    async def _read_activity(self) -> None:
        """Hears up to a stride, or to the end of an utterance. Opens the window of a new one."""
        if not self._activities:
            self._activities.extend(float(p) for p in self._detect(self._next_stride()))
        was_open, closed = self._endpoint.speech_start is not None, False
        while self._activities and not closed:
            closed = self._endpoint.hear(self._activities.popleft())
        if not was_open and self._endpoint.speech_start is not None:
            self._open(self._endpoint.speech_start)
        if closed:
            self._endpoint.close()
        async with self._changed:
            self._changed.notify_all()

    def _next_stride(self) -> Pcm:
        """Whole chunks of audio not yet heard; the last one of a session is padded with silence."""
        start = self._endpoint.position
        take = min(self._waiting, self._policy.stride)
        if take >= CHUNK:
            return self._buffer.samples(start, start + take // CHUNK * CHUNK)
        return np.pad(self._buffer.samples(start, start + take), (0, CHUNK - take))

    def _open(self, speech_start: int) -> None:
        """A new utterance goes on in the window of the last one, whose audio is its context, or starts its own."""
        if self._open_window:
            return
        self._open_window = True
        self._window = max(speech_start - self._policy.padding, self._buffer.start)
        self._decoded = self._window

    def _idle(self) -> None:
        """Nobody speaks: forgets the last window once it is over, and all sound but the latest."""
        pause = self._endpoint.position - self._endpoint.speech_end
        if self._agreement.committed and pause < self._policy.breath:
            self._trim()
            return
        self._agreement, self._open_window = Agreement(), False
        self._buffer.forget_before(self._endpoint.position - self._idle_tail)

    # Decoding

    def _due(self) -> bool:
        if self._lagging:
            return False  # hear what is there first
        heard = self._endpoint.position
        start = self._endpoint.speech_start or 0
        if self._decoded <= start:
            return heard - start >= self._policy.first_update
        if self._endpoint.speech_end <= self._decoded:
            return False  # nothing was said since
        fallen_quiet = self._endpoint.silence >= self._policy.quiet
        return fallen_quiet or heard - self._decoded >= self._interval

    async def _update(self) -> None:
        words = await self._decode(self._heard)
        until = (self._heard - self._policy.unsettled) / SAMPLE_RATE
        await self._commit(self._agreement.update(words, until))
        await self._emit(messages.partial_text(self._agreement.provisional, self.language))
        self._trim()

    async def _close(self) -> None:
        """The utterance has ended: all of it is final."""
        end = min(self._endpoint.speech_end + self._policy.padding, self._heard)
        covered = self._decoded >= min(self._endpoint.speech_end + self._policy.padding // 2, end)
        words = None if covered else await self._decode(end)
        await self._commit(self._agreement.finish(words))
        self._final = self._endpoint.speech_end
        self._trim()

    async def _cut(self) -> None:
        """Nobody pauses: what comes before the widest late gap between words is final, the rest goes on."""
        words = await self._decode(self._heard)
        cut = self._late_gap(words, self._policy.longest)
        await self._commit(self._agreement.finish([word for word in words if word.end <= cut]))
        self._move_window(min(seconds(cut), self._heard))

    async def _commit_before_hand_over(self) -> None:
        """Somebody was speaking: what comes before the widest pause since the last final word is final.

        The last word is never part of it, for its end may not have been heard.
        """
        words = await self._decode(self._heard)
        known = self._agreement.committed
        open_words = [*known[-1:], *words[split(words, known) :]]
        pause = widest_pause(open_words)
        if pause is None:
            self._resume = seconds(known[-1].end) if known else self._window
            return
        before, after = pause
        kept = open_words[len(known[-1:]) : open_words.index(after)]
        await self._commit(self._agreement.finish([*known, *kept]))
        self._resume = min(seconds((before.end + after.start) / 2), self._heard)

    def _trim(self) -> None:
        """Committed audio leaves a long window at its widest pause, so that decoding stays short."""
        if self._length >= self._policy.trim and len(self._agreement.committed) > 1:
            self._move_window(seconds(self._late_gap(self._agreement.committed, self._policy.trim)))

    def _late_gap(self, words: Sequence[Word], length: int) -> float:
        """Seconds: the middle of the widest pause in the later half of a window of `length` samples."""
        middle = (self._window + length // 2) / SAMPLE_RATE
        late = [word for word in words if word.end >= middle]
        pause = widest_pause(late)
        if pause is None:
            return middle if not late else min(late[0].start, middle)
        before, after = pause
        return (before.end + after.start) / 2

    def _move_window(self, sample: int) -> None:
        self._window = max(sample, self._window)
        self._decoded = max(self._decoded, self._window)
        self._agreement.forget_before(self._window / SAMPLE_RATE)
        self._buffer.forget_before(self._window)

    async def _decode(self, end: int) -> list[Word]:
        """Words of the open window up to sample `end`, in session time."""
        pcm = self._buffer.samples(self._window, end)
        began = time.monotonic()
        result = await self._recognize(pcm, self._vote.settled)
        self._pace(time.monotonic() - began)
        if self._vote.hear(result.language, result.language_probability, (end - self._decoded) / SAMPLE_RATE):
            await self._emit(messages.language_settled(self._vote.best, self._vote.share))
        self._decoded = end
        offset = self._window / SAMPLE_RATE
        words = result.words if is_speech(result) else ()
        return [replace(word, start=word.start + offset, end=word.end + offset) for word in words]

    def _pace(self, elapsed: float) -> None:
        """Under load the next decoding waits for more audio: it updates less often, and never falls behind."""
        wanted = seconds(elapsed * self._policy.load_factor)
        self._interval = min(max(self._policy.update, wanted), self._policy.slowest_update)

    async def _commit(self, words: Sequence[Word]) -> None:
        if words:
            self._words += words
            await self._emit(messages.final_text(words, self.language))
