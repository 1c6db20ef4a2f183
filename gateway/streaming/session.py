"""One live session: audio arrives, utterances open and close, text is decoded again and again and settles.

Audio flows one way: `feed` → buffer → voice activity → window → Whisper → agreement → messages. Nothing
is forgotten before its words are committed, whatever the load: a session that falls behind decodes less
often, and the recogniser retries a window whose Triton is unavailable until there is one again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from gateway.recognition.doubts import NO_SPEECH
from gateway.streaming.audio_input import AudioInput, DetectActivity
from gateway.streaming.decoding import Emit, Recognize, SpeechDecoder
from gateway.streaming.final_text import FinalText
from gateway.streaming.live_speakers import SpeakerLabels
from gateway.streaming.missed_speech import find_missed_words
from gateway.streaming.pace import UpdatePace
from gateway.streaming.policy import StreamPolicy, samples
from gateway.streaming.turns import TurnTracker
from gateway.streaming.utterances import NoObserver, UtteranceObserver
from gateway.streaming.window import SpeechWindow
from speech.activity import CHUNK, CHUNK_SECONDS, Region
from speech.audio import SAMPLE_RATE
from speech.transcript import Coverage, Word


class StreamSession:
    """Takes audio by `feed` and emits messages; `run` returns when all that was fed is final."""

    def __init__(
        self, recognize: Recognize, detect: DetectActivity, emit: Emit, language: str | None, policy: StreamPolicy
    ) -> None:
        """language: ISO 639-1; None: detect"""
        self.observer: UtteranceObserver = NoObserver()
        self._policy = policy
        self._input = AudioInput(detect, policy)
        self._window = SpeechWindow(self._input.buffer, policy)
        self._pace = UpdatePace(policy)
        self._decoder = SpeechDecoder(recognize, self._input, emit, language, self._pace.learn)
        self._text = FinalText(emit, self._decoder)
        self._turn = TurnTracker(policy.turn, emit if policy.tells_turns else None)
        self._final = 0  # samples: up to where all speech is final
        self._handing_over, self._resume = False, 0  # samples: where a session that is handed over resumes elsewhere

    def detect_in(self, executor: Executor | None) -> None:
        """In whose threads voice activity is found, so that many sessions do not stop the event loop."""
        self._input.executor = executor

    def bound_backlog(self, most_waiting: Callable[[], float]) -> None:
        """most_waiting: seconds of audio that may wait now, before the client is made to wait"""
        self._input.most_waiting = most_waiting

    def share_machine(self, sessions: Callable[[], int]) -> None:
        """sessions: how many there are now, this one included: the more, the less often each is decoded"""
        self._pace.sessions = sessions

    def label_speakers(self, speakers: SpeakerLabels) -> None:
        """Who gives the words their speakers."""
        self._text.speakers = speakers

    @property
    def duration(self) -> float:
        """Seconds of audio received."""
        return self._input.duration

    @property
    def resume(self) -> float:
        """Seconds from which another gateway has to hear what this one heard only in part, after `hand_over`."""
        return self._resume / SAMPLE_RATE

    @property
    def language(self) -> str:
        return self._decoder.vote.best

    @property
    def words(self) -> list[Word]:
        """That are final."""
        return self._text.words

    @property
    def text(self) -> str:
        """Everything that is final so far."""
        return self._text.text

    @property
    def doubts(self) -> list[str]:
        """What may be wrong in the final text, as the warnings of a file tell it."""
        if not self.words:
            return [NO_SPEECH] if self._input.duration and not self._handing_over else []
        return self._text.doubts

    def coverage(self, until: float) -> Coverage:
        """How much of the speech the final text accounts for. until: seconds of audio whose text it is"""
        return self._text.coverage(self._input.speech[: round(until / CHUNK_SECONDS)], until)

    def reconfigure(self, recognize: Recognize, language: str | None) -> None:
        """From the next decoding on. language: ISO 639-1; None: detect; one that is asked for already stays settled"""
        self._decoder.reconfigure(recognize, language)

    async def feed(self, frame: bytes) -> None:
        """Takes audio; waits while the session is too far behind."""
        self._text.speakers.append(frame)
        await self._input.feed(frame)

    async def stop(self) -> None:
        """No more audio will come."""
        await self._input.end()

    async def hand_over(self) -> None:
        """No more audio will come here: what is not final goes to another gateway."""
        self._handing_over = True
        await self._input.end()

    async def run(self) -> None:
        """Raises what `recognize` raises, Unavailable when its retries are exhausted."""
        while await self._next_sound():
            speech_start = await self._input.advance()
            if speech_start is not None:
                self._window.open(speech_start)
                self._turn.began(speech_start)
                await self.observer.began(speech_start / SAMPLE_RATE)
            await self._react()
        await self._conclude()

    async def _next_sound(self) -> bool:
        """Waits for audio to analyse; if it stays away, what was said before is final. False at the end of it all."""
        if self._has_uncommitted:
            try:
                return await self._input.wait(self._input.patience)
            except TimeoutError:
                self._input.endpoint.close()
                await self._close()
        return await self._input.wait()

    async def _react(self) -> None:
        """Decodes, commits or forgets, as the audio that was just analysed asks for."""
        if self._input.speaking:
            if self._length >= self._policy.longest:
                await self._cut()
            elif not self._input.lagging and self._pace.is_due(self._input.endpoint, self._window):
                await self._update()
            elif await self._turn.is_over(self._input.endpoint):
                self._input.endpoint.close()
        if self._input.speaking:
            return
        if not self._has_uncommitted:
            self._idle()
        elif self._policy.every_pause or not self._input.lagging or self._length >= self._policy.trim:
            await self._close()

    async def _conclude(self) -> None:
        if self._handing_over and self._input.speaking:
            await self._commit_before_hand_over()
            return
        self._resume = max(self._input.endpoint.speech_end, self._input.analysed - self._idle_tail, 0)
        if self._has_uncommitted:
            await self._close()

    @property
    def _length(self) -> int:
        """Samples in the window."""
        return self._input.analysed - self._window.start

    @property
    def _has_uncommitted(self) -> bool:
        """There was speech that is not final."""
        return self._input.endpoint.speech_end > self._final

    @property
    def _idle_tail(self) -> int:
        """Samples that are kept while nobody speaks: an utterance may have begun in them."""
        return self._policy.padding + self._policy.endpoint.onset_chunks * CHUNK

    async def _update(self) -> None:
        """A hypothesis of the growing window: what agrees with the last one becomes final."""
        end = self._input.analysed
        words = await self._decoder.decode(self._window, end)
        until = (end - self._policy.unsettled) / SAMPLE_RATE
        agreement = self._window.agreement
        await self._text.add(agreement.update(words, until))
        await self._text.preview(agreement.provisional)
        if self._policy.turn is not None and self._input.endpoint.silence:
            evidence = self._decoder.evidence(self._window, self._input.endpoint.silence)
            await self._turn.weigh(evidence, self._input.endpoint)
        self._window.trim(self._input.analysed)

    async def _close(self) -> None:
        """The utterance has ended: all of it is final."""
        speech_end = self._input.endpoint.speech_end
        await self.observer.ended(speech_end / SAMPLE_RATE)
        end = min(speech_end + self._policy.padding, self._input.analysed)
        covered = self._window.decoded >= min(speech_end + self._policy.enough_silence, end)
        words = None if covered else await self._decoder.decode(self._window, end)
        known = len(self._window.agreement.committed)
        await self._text.add(self._window.agreement.finish(await self._completed(words, end)))
        if self._decoder.unspoken and len(self._window.agreement.committed) == known:
            self._input.dismiss(max(self._window.start, self._final), end)
        self._final = speech_end
        self._window.trim(self._input.analysed)
        await self._turn.ended(speech_end)
        await self.observer.settled()

    async def _cut(self) -> None:
        """Nobody pauses: what comes before the widest late gap between words is final, the rest goes on."""
        end = self._input.analysed
        words = await self._completed(await self._decoder.decode(self._window, end), end)
        cut = self._window.late_pause(words, self._policy.longest)
        await self._text.add(self._window.agreement.finish([word for word in words if word.end <= cut]))
        self._window.move_to(min(samples(cut), self._input.analysed))

    def _idle(self) -> None:
        """Nobody speaks: forgets the last window once it is over, and all audio but the latest."""
        endpoint = self._input.endpoint
        muted = endpoint.silence < self._idle_tail  # in the middle of speech, whose word may go on
        if muted or (self._window.agreement.committed and endpoint.silence < self._policy.breath):
            self._window.trim(self._input.analysed)
        else:
            self._window.close(keep_from=endpoint.position - self._idle_tail)

    async def _commit_before_hand_over(self) -> None:
        """Somebody is speaking: what comes before the widest pause since the last final word is final.

        The last word is never part of it, for its end may not have been heard.
        """
        words = await self._decoder.decode(self._window, self._input.analysed)
        kept, resume = self._window.before_widest_pause(words)
        await self._text.add(self._window.agreement.finish([*self._window.agreement.committed, *kept]))
        self._resume = min(samples(resume), self._input.analysed)

    async def _completed(self, words: Sequence[Word] | None, end: int) -> list[Word]:
        """A decoding of the window (None: the last one) with the words of speech that it passed over."""
        known = self._window.agreement.committed
        rest = self._window.agreement.continuation(words)
        if self._decoder.unspoken:
            return [*known, *rest]
        start = max(self._final / SAMPLE_RATE, self._window.offset, *(word.end for word in known[-1:]))
        span = Region(start, max(start, end / SAMPLE_RATE))
        return [*known, *await find_missed_words(rest, known, self._input.speech, span, self._decoder.decode_span)]
