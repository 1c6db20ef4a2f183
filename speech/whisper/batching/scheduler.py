"""Continuous batching: many windows decoded together, each answered when it ends.

One thread owns the engine. Its turns: drop what was cancelled, give free slots to waiting windows, step all
sequences in slots at once, answer those that finished. Word timing is left to workers beside it, so that the
engine does not wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from speech.audio import SAMPLE_RATE, InvalidAudio
from speech.keyterms import LONGEST_TERM, MOST_TERMS
from speech.tensors import QUEUE_IS_FULL
from speech.transcript import WindowResult
from speech.whisper.batching.decode_loop import DecodeLoop
from speech.whisper.batching.rules import Attempt, FallbackSchedule
from speech.whisper.batching.sequence import Hypothesis, Request, Sequence, State, compose
from speech.whisper.batching.slot_allocator import AdmissionPolicy, SlotAllocator
from speech.whisper.batching.statistics import Statistics
from speech.whisper.engine import DeviceLost, Engine, EngineError
from speech.whisper.tokenizer import Tokenizer

LONGEST = 30 * SAMPLE_RATE  # samples of a window
POLL_DECODING = 0.02  # seconds between two checks whether a window in a slot was cancelled
POLL_WAITING = 0.25  # likewise of a waiting one

log = logging.getLogger(__name__)


class Overloaded(RuntimeError):
    """Too many windows wait already."""


class Closed(RuntimeError):
    """The scheduler has stopped, or is stopping, and takes no more windows."""


class Scheduler:
    """Transcribes windows with one engine. `submit` from any thread; `close` when done.

    engine: owned from now on; nobody else may call it
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        policy: AdmissionPolicy | None = None,
        on_device_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """on_device_lost: called from the scheduler's thread, before the windows that it has fail."""
        self.statistics = Statistics()
        self._tokenizer = tokenizer
        self._policy = policy or AdmissionPolicy.for_slots(engine.slots)
        self._allocator = SlotAllocator(engine.slots, engine.encode_batch, self._policy)
        self._decode_loop = DecodeLoop(engine, tokenizer, FallbackSchedule(), self.statistics)
        self._on_device_lost = on_device_lost
        self._turns = 0
        self._turn_began = time.monotonic()
        self._next_poll = [0.0, 0.0]  # of the decoding, of the waiting; seconds, monotonic
        self._changed = threading.Condition()
        self._inbox: deque[Sequence] = deque()
        self._closing = False
        self._abandoned = False
        self._workers = ThreadPoolExecutor(self._policy.workers, "whisper-words")
        self._thread = threading.Thread(target=self._run, name="whisper-scheduler", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[WindowResult]:
        """Queues a window. Cancelling the future, or request.is_cancelled, gives the window up.

        raises: InvalidAudio, UnknownLanguage, CannotTranslate for what no attempt could do; Overloaded, Closed for
        not now
        The future fails with EngineError if the engine failed on this window.
        """
        check(request, self._tokenizer)
        attempt = Attempt(prompted=bool(request.prompt.strip()))
        language, terms = _given(request), request.keyterms
        sequence = Sequence(request, Future(), time.monotonic(), attempt, language=language, terms=terms)
        with self._changed:
            if self._closing:
                raise Closed("the model is stopping and takes no more windows")
            if len(self._inbox) + len(self._allocator) >= self._policy.longest_queue:
                raise Overloaded(f"{self._policy.longest_queue} {QUEUE_IS_FULL}; try again later")
            self._inbox.append(sequence)
            self._changed.notify()
        return sequence.future

    def stalled_seconds(self) -> float:
        """Since the thread last began a turn while it has work; 0 when it is idle. Long means that the engine hangs."""
        return time.monotonic() - self._turn_began if self._decode_loop.occupied or self._allocator else 0.0

    def close(self, grace: float = 30.0) -> None:
        """Drains: takes no more windows, finishes those it has for up to `grace` seconds, fails the rest."""
        with self._changed:
            self._closing = True
            self._abandoned = self._abandoned or grace <= 0
            self._changed.notify()
        self._thread.join(grace)
        self._abandoned = True
        self._thread.join()
        self._workers.shutdown()

    def _run(self) -> None:
        while self._wait():
            try:
                self._turn()
            except DeviceLost as error:
                log.critical("the device is lost: %s", error)
                self._on_device_lost()
                self._abandoned = self._closing = True
            except Exception as error:  # a fault of one turn must not end the service
                log.exception("a turn of the scheduler failed")
                self._decode_loop.fail_all(EngineError(f"the scheduler failed: {error}"))
            self._deliver()
        self._abandon()

    def _wait(self) -> bool:
        """Takes in what arrived; sleeps while there is nothing to do. False when it is time to stop."""
        with self._changed:
            while not (self._inbox or self._allocator or self._decode_loop.occupied or self._closing):
                self.statistics.decoding = self.statistics.waiting = 0
                self.statistics.waiting_seconds = 0.0
                self._changed.wait()
            while self._inbox:
                self._allocator.push(self._inbox.popleft())
            self.statistics.waiting = len(self._allocator)
            self.statistics.waiting_seconds = self._allocator.seconds
            self._turn_began = time.monotonic()
            return not self._abandoned and bool(self._allocator or self._decode_loop.occupied or not self._closing)

    def _turn(self) -> None:
        now = self._turn_began
        self._poll(now)
        new = self._allocator.allocate(self._decode_loop.occupied, now)
        for sequence in new:
            self.statistics.admitted(now - sequence.arrived)
        self._decode_loop.admit(new)
        # Live windows step alone, files along with them now and then so that they never starve.
        self._turns += 1
        slots = self._decode_loop.runnable(live_only=bool(self._turns % self._policy.files_every))
        self._decode_loop.step(slots if slots.size else self._decode_loop.runnable(live_only=False))

    def _poll(self, now: float) -> None:
        """Drops what nobody waits for. Asking costs a call into the server, so not more often than needed."""
        if now >= self._next_poll[0]:
            self._next_poll[0] = now + POLL_DECODING
            for sequence in [each for each in self._decode_loop.occupied.values() if each.is_cancelled()]:
                self.statistics.cancelled += 1
                self._decode_loop.release(sequence)
        if now >= self._next_poll[1]:
            self._next_poll[1] = now + POLL_WAITING
            self.statistics.cancelled += self._allocator.drop_cancelled()

    def _deliver(self) -> None:
        outcome = self._decode_loop.take_outcome()
        for sequence, hypothesis in outcome.answered:
            self._workers.submit(self._answer, sequence, hypothesis)
        for sequence, error in outcome.failed:
            log.warning("a window failed: %s", error)
            self._fail(sequence, error)
        for sequence in outcome.returned:
            self._allocator.push(sequence)

    def _answer(self, sequence: Sequence, hypothesis: Hypothesis) -> None:
        try:
            result = compose(sequence, hypothesis, self._tokenizer)
        except Exception as error:  # one window fails alone
            log.exception("a window's words could not be made")
            self._fail(sequence, error)
            return
        if sequence.future.set_running_or_notify_cancel():
            self.statistics.finished += 1
            sequence.future.set_result(result)

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        if sequence.future.set_running_or_notify_cancel():
            self.statistics.failed += 1
            sequence.future.set_exception(error)

    def _abandon(self) -> None:
        closed = Closed("the model stopped before this window was done")
        self._decode_loop.fail_all(closed)
        self._deliver()
        for sequence in self._allocator:
            sequence.move(State.DONE)
            self._fail(sequence, closed)


def check(request: Request, tokenizer: Tokenizer) -> None:
    """Raises InvalidAudio, UnknownLanguage or CannotTranslate if no attempt could succeed."""
    audio = request.audio
    if audio.ndim != 1 or audio.dtype != np.int16:
        raise InvalidAudio(f"audio must be int16 of one dimension, not {audio.dtype} {audio.shape}")
    if not 1 <= len(audio) <= LONGEST:
        raise InvalidAudio(f"a window holds 1 to {LONGEST} samples (30 s at 16 kHz), not {len(audio)}")
    for language in request.languages or tokenizer.languages[:1]:
        tokenizer.sot_sequence(language, request.task)
    if len(request.keyterms) > MOST_TERMS or any(len(term) > LONGEST_TERM for term in request.keyterms):
        raise ValueError(f"a window has at most {MOST_TERMS} key terms of {LONGEST_TERM} characters")
    for first, stop in request.regions:
        if not 0 <= first < stop <= len(audio):
            raise InvalidAudio(f"a region lies inside the window's {len(audio)} samples, not from {first} to {stop}")


def _given(request: Request) -> str:
    """The language where only one is possible."""
    return request.languages[0] if len(request.languages) == 1 else ""
