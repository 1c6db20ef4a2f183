"""The session's promise: whatever the frames, the pauses and the load, every word once and in order.

Speech is written into the samples: word number i is a stretch of the value i, silence is 0, so that a
recogniser can be asked what a window holds and nothing needs to be scripted.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import Unavailable
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.whisper import TritonWhisper, retry_policies
from gateway.settings import StreamSettings, TritonSettings
from gateway.streaming.end_of_turn import TurnPolicy
from gateway.streaming.messages import Message
from gateway.streaming.policy import StreamPolicy, turn_policy
from gateway.streaming.session import StreamSession
from gateway.streaming.utterances import NoObserver
from gateway.triton.fleet import Fleet, watched
from speech.activity import CHUNK, Probabilities
from speech.audio import SAMPLE_RATE, Pcm
from speech.tensors import Priority
from speech.transcript import WindowResult, Word
from tests.unit.gateway.triton.triton_fakes import Triton, listening

WORD, GAP = 4800, 1600  # samples
SENTENCE = ("Close", "the", "door,", "please.")
# Pauses of speech of which two words were lost when it came in frames of 6 s.
IN_LARGE_FRAMES = [
    *(0.8, 0.2, 0.2, 2.0, 0.2, 0.8, 0.5, 0.8, 0.5, 0.0, 0.0, 0.2, 0.5, 2.0, 2.0, 0.0, 0.0, 2.0, 2.0, 0.2, 2.0, 0.8),
    *(2.0, 0.5, 0.2, 2.0, 0.5, 2.0, 0.2, 0.0, 0.5, 0.2, 0.05, 0.8, 0.0, 0.5, 0.0, 0.05, 0.2, 0.05, 2.0, 0.05, 0.5, 0.5),
]


def loudness(pcm: Pcm) -> Probabilities:
    """Voice activity of written speech: a chunk speaks when half of it does."""
    return (np.count_nonzero(pcm.reshape(-1, CHUNK), axis=1) > CHUNK / 2).astype(np.float32)


def speech(pauses: list[float]) -> tuple[Pcm, list[str]]:
    """A word before each pause (seconds)."""
    pieces = [np.zeros(SAMPLE_RATE // 2, np.int16)]
    for number, pause in enumerate(pauses, 1):
        pieces += [np.full(WORD, number, np.int16), np.zeros(GAP + int(pause * SAMPLE_RATE), np.int16)]
    return np.concatenate(pieces), [f"w{n}" for n in range(1, len(pauses) + 1)]


async def read(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
    await asyncio.sleep(0)
    return replace(written_words(pcm), language=language or "en")


def written_words(pcm: Pcm) -> WindowResult:
    """The words that were written into the samples; one cut to under a tenth is left out."""
    words = []
    for number in np.unique(pcm[pcm > 0]):
        places = np.flatnonzero(pcm == number)
        if len(places) >= WORD / 10:
            start, end = places[0] / SAMPLE_RATE, (places[-1] + 1) / SAMPLE_RATE
            words.append(Word(f"w{number}", start, end, 0.9))
    return WindowResult(tuple(words), "", "en", 0.9, -0.2, 0.0)


async def transcribe(
    pcm: Pcm, frames: list[int], recognize: object = read, policy: StreamPolicy | None = None, hands_over: bool = False
) -> tuple[StreamSession, list[Message]]:
    sent: list[Message] = []

    async def emit(message: Message) -> None:
        sent.append(message)

    session = StreamSession(recognize, loudness, emit, "en", policy or StreamPolicy())  # type: ignore[arg-type]
    await play(session, pcm, frames, hands_over)
    return session, sent


async def play(session: StreamSession, pcm: Pcm, frames: list[int], hands_over: bool = False) -> None:
    """Feeds all of it, and waits for what comes of it."""
    running = asyncio.create_task(session.run())
    audio, start, turn = pcm.tobytes(), 0, 0
    while start < len(audio):
        size = frames[turn % len(frames)]
        await session.feed(audio[start : start + size])
        await asyncio.sleep(0)
        start, turn = start + size, turn + 1
    await (session.hand_over() if hands_over else session.stop())
    await running


def finals(sent: list[Message]) -> list[str]:
    return [word["word"] for m in sent if m["type"] == "transcript" for word in m["words"]]


async def test_what_may_be_wrong_is_told_as_for_a_file() -> None:
    async def unheard(_message: Message) -> None:
        pass

    async def mumbled(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        heard = written_words(pcm)
        words = tuple(replace(word, confidence=0.2) for word in heard.words)
        return replace(heard, words=words, language="hu", language_probability=0.3)

    pcm, _ = speech([0.0, 0.0, 2.0])
    given, _ = await transcribe(pcm, [8192], mumbled)
    guessed = StreamSession(mumbled, loudness, unheard, None, StreamPolicy())
    await play(guessed, pcm, [8192])
    clear, _ = await transcribe(pcm, [8192])

    (doubtful_words,) = given.doubts
    assert re.fullmatch(r"The words from 0\.\d s to [12]\.\d s are doubtful \(confidence 0\.20\)\.", doubtful_words)
    assert guessed.doubts == [
        "The language is a guess: Hungarian (30%). Name it with `language` if that is wrong.",
        doubtful_words,
    ]
    assert clear.doubts == []


async def test_the_end_tells_how_much_of_the_speech_has_words() -> None:
    async def deaf_at_the_end(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        heard = written_words(pcm)
        return replace(heard, words=heard.words[:1])

    async def sees_no_speech(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        return replace(written_words(pcm), words=(), no_speech_probability=0.9, average_logprob=-2.0)

    pcm, _ = speech([0.0] * 6)
    whole, _ = await transcribe(pcm, [8192])
    part, _ = await transcribe(pcm, [8192], deaf_at_the_end)
    mistaken, _ = await transcribe(pcm, [8192], sees_no_speech)

    assert whole.coverage(whole.duration).gaps == ()
    (gap,) = part.coverage(part.duration).gaps
    assert 0.8 < gap.start < 1.6
    assert gap.end > 2.4
    assert part.coverage(part.duration).covered_seconds < part.coverage(part.duration).speech_seconds
    assert mistaken.coverage(mistaken.duration).speech_seconds == 0.0


@pytest.mark.parametrize("frames", [[3200], [200_001]], ids=["as it is spoken", "in a burst"])
@pytest.mark.parametrize("pauses", [[0.0] * 16, [*[0.0] * 7, 1.0, *[0.0] * 8], [0.0] * 150], ids=["one", "two", "long"])
async def test_what_a_decoding_passes_over_is_decoded_again_by_itself(pauses: list[float], frames: list[int]) -> None:
    async def ends_early(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        """As Whisper does now and then after the first of two sentences that are alike."""
        heard = written_words(pcm)
        return replace(heard, words=heard.words[: 9 if len(heard.words) > 13 else None])

    pcm, expected = speech(pauses)
    session, sent = await transcribe(pcm, frames, ends_early)

    assert finals(sent) == expected
    assert session.coverage(session.duration).gaps == ()


async def test_a_sentence_that_is_said_twice_is_final_twice() -> None:
    async def first_of_them(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        """The same four words again and again; of more than five, only the first four."""
        heard = written_words(pcm).words
        words = tuple(replace(word, text=SENTENCE[(int(word.text[1:]) - 1) % 4]) for word in heard)
        return replace(written_words(pcm), words=words[: 4 if len(words) > 5 else None])

    pcm, _ = speech([*[0.0] * 3, 1.0] * 2)
    _, sent = await transcribe(pcm, [3200], first_of_them)

    assert finals(sent) == [*SENTENCE] * 2


async def test_what_nobody_believes_is_not_filled_in() -> None:
    async def guesses(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        heard = written_words(pcm)
        if pcm[SAMPLE_RATE // 2] == 1:  # the first word: it is the whole window
            return replace(heard, words=heard.words[:4])
        return replace(heard, words=tuple(replace(word, confidence=0.2) for word in heard.words))

    pcm, expected = speech([0.0] * 12)
    _, sent = await transcribe(pcm, [200_001], guesses)

    assert finals(sent) == expected[:4]


async def test_where_nobody_spoke_that_is_told_unless_another_gateway_goes_on() -> None:
    silence = np.zeros(SAMPLE_RATE, np.int16)
    ended, _ = await transcribe(silence, [8192])
    handed_over, _ = await transcribe(silence, [8192], hands_over=True)

    assert (ended.doubts, handed_over.doubts) == (["No speech was heard."], [])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.8, 2.0]), min_size=1, max_size=90),
    st.lists(st.sampled_from([1, 333, 1024, 8192, 32000, 200_001]), min_size=1, max_size=3),
)
@example(pauses=IN_LARGE_FRAMES, frames=[200_001])
async def test_every_word_is_final_once_and_in_order(pauses: list[float], frames: list[int]) -> None:
    pcm, expected = speech(pauses)
    frames = [max(size, len(pcm) // 2000) for size in frames]
    session, sent = await transcribe(pcm, frames)
    assert finals(sent) == expected
    assert session.text.split() == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.8, 2.0]), min_size=1, max_size=60),
    st.lists(st.sampled_from([333, 1024, 3200, 32000]), min_size=1, max_size=3),
)
async def test_turns_that_end_early_lose_and_double_nothing(pauses: list[float], frames: list[int]) -> None:
    async def read_sentences(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        heard = await read(pcm, language)
        return replace(heard, words=tuple(replace(w, text=f"{w.text}.") for w in heard.words), end_probability=0.99)

    pcm, expected = speech(pauses)
    frames = [max(size, len(pcm) // 2000) for size in frames]
    session, sent = await transcribe(pcm, frames, read_sentences, turn_policy(TurnPolicy(), told=True))

    assert finals(sent) == [f"{word}." for word in expected]
    assert session.text == " ".join(finals(sent))
    check_turns(sent)


def check_turns(sent: list[Message]) -> None:
    """Each ends once, after all of its words, and what may be over ends or is resumed."""
    told = [m for m in sent if m["type"] == "turn"]
    may_be_over, ended = False, 0.0
    for m in told:
        assert (m["event"] == "resumed") <= may_be_over
        assert m["start"] >= ended and m["time"] >= m["start"]
        may_be_over = m["event"] == "eager_end"
        ended = m["time"] if m["event"] == "end" else ended
    assert told and told[-1]["event"] == "end"
    last = max(i for i, m in enumerate(sent) if m["type"] == "transcript")
    assert sent.index(told[-1]) > last


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.5, 2.0]), min_size=1, max_size=60), st.floats(0, 1))
async def test_what_one_gateway_hands_over_is_final_once_and_in_order(pauses: list[float], share: float) -> None:
    pcm, expected = speech(pauses)
    first, said = await transcribe(pcm[: int(share * len(pcm))], [3200], hands_over=True)
    _, rest = await transcribe(pcm[round(first.resume * SAMPLE_RATE) :], [3200])
    assert finals(said) + finals(rest) == expected
    assert first.duration - first.resume < 10


async def test_speech_without_a_pause_is_committed_before_it_ends() -> None:
    pcm, expected = speech([0.0] * 150)  # a minute
    _, sent = await transcribe(pcm, [16000])
    assert finals(sent) == expected
    assert len([m for m in sent if m["type"] == "transcript"]) > 5


async def test_a_client_that_mutes_gets_its_last_words_and_goes_on_later() -> None:
    sent: list[Message] = []
    settled = asyncio.Event()

    class Settles(NoObserver):
        async def settled(self) -> None:
            settled.set()

    async def emit(message: Message) -> None:
        sent.append(message)

    pcm, words = speech([0.0, 0.0, 0.0, 0.0])
    half = SAMPLE_RATE // 2 + 2 * (WORD + GAP) - GAP // 2  # where the client mutes: just after a word
    session = StreamSession(read, loudness, emit, "en", StreamPolicy(muted_seconds=0.05))
    session.observer = Settles()
    running = asyncio.create_task(session.run())
    for frame in np.array_split(pcm[:half], 20):
        await session.feed(frame.tobytes())
    async with asyncio.timeout(60):
        await settled.wait()
    before = finals(sent)
    await session.feed(pcm[half:].tobytes())
    await session.stop()
    await running

    assert before == words[:2]
    assert finals(sent) == words


async def test_a_word_in_which_the_client_mutes_is_heard_when_it_goes_on() -> None:
    sent: list[Message] = []
    settled = asyncio.Event()
    word = SAMPLE_RATE  # samples

    class Settles(NoObserver):
        async def settled(self) -> None:
            settled.set()

    async def emit(message: Message) -> None:
        sent.append(message)

    async def read_whole(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        heard = await read(pcm, language)
        if np.count_nonzero(pcm) < word:
            return replace(heard, words=(), average_logprob=-2.0, no_speech_probability=1.0)
        return heard

    pcm = np.concatenate([np.zeros(word, np.int16), np.ones(word, np.int16), np.zeros(word, np.int16)])
    cut = word + word * 3 // 4
    session = StreamSession(read_whole, loudness, emit, "en", StreamPolicy(muted_seconds=0.05))
    session.observer = Settles()
    running = asyncio.create_task(session.run())
    for frame in np.array_split(pcm[:cut], 20):
        await session.feed(frame.tobytes())
    async with asyncio.timeout(60):
        await settled.wait()
    before = finals(sent)
    for frame in np.array_split(pcm[cut:], 100):  # less than what opens an utterance
        await session.feed(frame.tobytes())
        await asyncio.sleep(0.001)
    await session.stop()
    await running

    assert before == []
    assert finals(sent) == ["w1"]


async def test_a_service_that_stands_still_takes_no_client_for_muted() -> None:
    """It reads what came meanwhile only after its own clock has gone on."""
    ends: list[float] = []

    class Ends(NoObserver):
        async def ended(self, second: float) -> None:
            ends.append(second)

    async def unheard(_message: Message) -> None:
        pass

    pcm, _ = speech([0.0, 0.0])
    cut = SAMPLE_RATE // 2 + WORD * 3 // 4
    session = StreamSession(read, loudness, unheard, "en", StreamPolicy(muted_seconds=0.1))
    session.observer = Ends()
    running = asyncio.create_task(session.run())
    for frame in np.array_split(pcm[:cut], 20):
        await session.feed(frame.tobytes())
        await asyncio.sleep(len(frame) / SAMPLE_RATE)  # as it is spoken
    time.sleep(1.5)  # as a process that gets no time does
    for _ in range(3):  # turns of the loop until it has read what came
        await asyncio.sleep(0)
    await session.feed(pcm[cut:].tobytes())
    await session.stop()
    await running

    assert len(ends) == 1


@pytest.mark.parametrize("every_pause", [True, False])
async def test_each_pause_may_be_told_however_fast_the_speech_comes(every_pause: bool) -> None:
    told: list[float] = []

    class Ends(NoObserver):
        async def ended(self, second: float) -> None:
            told.append(second)

    async def unheard(_message: Message) -> None:
        pass

    pcm, _ = speech([0.0, 1.0, 0.0, 1.0])
    session = StreamSession(read, loudness, unheard, "en", StreamPolicy(every_pause=every_pause))
    session.observer = Ends()
    await play(session, pcm, [len(pcm) * 2])

    assert len(told) == (2 if every_pause else 1)


async def test_silence_is_never_decoded() -> None:
    async def fail(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        raise AssertionError("silence was decoded")

    _, sent = await transcribe(np.zeros(20 * SAMPLE_RATE, np.int16), [32000], fail)
    assert sent == []


async def test_a_triton_that_fails_now_and_then_loses_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.triton.retry.FIRST_BACKOFF", 0.001)
    chance = random.Random(1)

    async def fail_sometimes(triton: Triton, context: Any) -> None:
        if chance.random() < 0.6:
            await context.abort(grpc.StatusCode.INTERNAL, "the engine failed")

    triton = Triton(fail_sometimes, result=written_words)
    async with (
        listening(triton) as urls,
        watched(Fleet(urls, ["whisper-base"], TritonSettings())) as fleet,
    ):
        whisper = TritonWhisper(fleet, retry_policies(TritonSettings(), StreamSettings()))

        async def recognize(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
            request = RecognitionRequest(model="base", language=language, priority=Priority.LIVE)
            return await whisper.recognize(pcm, request)

        pcm, expected = speech([0.0, 0.3, 1.0, 0.0] * 10)
        _, sent = await transcribe(pcm, [8000], recognize)

    assert finals(sent) == expected


async def test_a_triton_that_stays_away_is_an_error() -> None:
    async def away(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        raise Unavailable("away", retry_after=1)

    pcm, _ = speech([0.0] * 4)
    with pytest.raises(Unavailable):
        await transcribe(pcm, [8000], away)


@pytest.mark.parametrize(("of_session", "of_machine"), [(2.0, math.inf), (600.0, 2.0)])
async def test_a_client_that_sends_too_fast_is_made_to_wait(of_session: float, of_machine: float) -> None:
    allowed = asyncio.Event()

    async def held(pcm: Pcm, language: str | None, draft: str = "") -> WindowResult:
        await allowed.wait()
        return await read(pcm, language)

    async def emit(message: Message) -> None: ...

    session = StreamSession(held, loudness, emit, "en", StreamPolicy(backlog=round(of_session * SAMPLE_RATE)))
    session.bound_backlog(lambda: of_machine)
    running = asyncio.create_task(session.run())
    pcm, expected = speech([0.0] * 150)
    sending = asyncio.create_task(session.feed(pcm.tobytes()))
    await asyncio.sleep(0.05)
    assert not sending.done()
    allowed.set()
    await sending
    await session.stop()
    await running
    assert session.text.split() == expected
