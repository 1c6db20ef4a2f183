import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.errors import Unavailable
from gateway.media.recording import Recording
from gateway.recognition.coverage import measure
from gateway.recognition.languages import spoken_languages
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from gateway.transcript.segments import segment
from speech.activity import CHUNK
from speech.audio import Pcm
from speech.tensors import Task
from speech.transcript import WindowResult, Word
from speech.windows import plan
from tests.unit.gateway.noted_threads import NotedThreads

REQUEST = RecognitionRequest(model="base")
SECOND = 16_000


def recording(*stretches: tuple[float, float], seconds: float) -> Recording:
    """Samples that tell their own time (in tenths of seconds), with speech in the given stretches."""
    pcm = (np.arange(int(seconds * SECOND)) // 1600).astype(np.int16)
    speech = np.zeros(len(pcm) // CHUNK + 1, dtype=np.float32)
    for start, end in stretches:
        speech[int(start * SECOND / CHUNK) : int(end * SECOND / CHUNK)] = 1
    return Recording(pcm, speech)


class Listener:
    """Hears one word a second, named by the time of its middle; what it does not hear is set by the tests."""

    def __init__(self) -> None:
        self.requests: list[RecognitionRequest] = []
        self.deaf_after = 1000  # words of a window that begins at 0
        self.languages = {0: "en"}  # first tenth of a second of a window → language
        self.no_speech = 0.0
        self.certainty = 0.9

    async def __call__(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        self.requests.append(request)
        await asyncio.sleep(0)
        first = int(pcm[0])
        count = min(len(pcm) // SECOND, self.deaf_after if first < 10 else 1000)
        times = [int(pcm[at * SECOND + SECOND // 2]) // 10 for at in range(count)]
        words = tuple(Word(f"w{time}", at + 0.1, at + 0.9, 0.9) for at, time in enumerate(times))
        text = " ".join(word.text for word in words)
        near = min(self.languages, key=lambda tenth: abs(tenth - first))
        language = request.language or self.languages[near]
        return WindowResult(words, text, language, self.certainty, -2 * self.no_speech, self.no_speech)


async def test_words_stand_where_they_were_said() -> None:
    transcript = await Recognizer(Listener()).transcribe(recording((0, 20), (60, 70), seconds=80), REQUEST)
    words = [word for piece in transcript.segments for word in piece.words]
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(abs(int(word.text[1:]) - word.start) < 1 for word in words)
    assert max(word.start for word in words) > 65


async def test_speech_that_was_left_out_is_read_again() -> None:
    listener = Listener()
    listener.deaf_after = 2
    transcript = await Recognizer(listener).transcribe(recording((0, 20), seconds=20), REQUEST)
    assert len(listener.requests) > 1
    assert transcript.text.split()[:2] == ["w0", "w1"]
    assert "w18" in transcript.text
    assert len(transcript.text.split()) == len(set(transcript.text.split()))
    assert transcript.warnings == ()


async def test_what_stays_missing_is_told() -> None:
    async def deaf(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        return WindowResult((), "", "en", 0.9, 0.0, 0.1)

    transcript = await Recognizer(deaf).transcribe(recording((2, 8), seconds=10), REQUEST)
    assert transcript.text == ""
    assert "from 2.0 s to 8.0 s" in transcript.warnings[0]
    (gap,) = transcript.coverage.gaps
    assert (round(gap.start), round(gap.end), transcript.coverage.covered_seconds) == (2, 8, 0.0)


async def test_words_invented_on_noise_are_dropped() -> None:
    listener = Listener()
    listener.no_speech = 0.9
    transcript = await Recognizer(listener).transcribe(recording((0, 5), seconds=10), REQUEST)
    assert (transcript.text, transcript.segments, transcript.warnings) == ("", (), ())


async def test_silence_asks_no_model() -> None:
    listener = Listener()
    transcript = await Recognizer(listener).transcribe(recording(seconds=10), REQUEST)
    assert (transcript.text, transcript.duration, listener.requests) == ("", 10.0, [])


async def test_an_unsure_window_follows_the_language_of_the_others() -> None:
    listener = Listener()
    listener.languages = {0: "de", 300: "nl", 600: "de"}
    listener.certainty = 0.6
    transcript = await Recognizer(listener).transcribe(recording((0, 25), (30, 55), (60, 85), seconds=90), REQUEST)
    assert transcript.language == "de"
    assert [request.language for request in listener.requests[3:]] == ["de"]


async def test_a_given_language_is_kept() -> None:
    listener = Listener()
    asked = RecognitionRequest(model="base", language="fr", prompt="Triton", caller="me")
    transcript = await Recognizer(listener).transcribe(recording((0, 5), seconds=5), asked)
    assert transcript.language == "fr"
    assert listener.requests[0] == asked


async def test_a_failed_window_ends_the_others() -> None:
    running = 0

    async def failing(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        nonlocal running
        if pcm[0] > 500:
            raise Unavailable("away")
        running += 1
        try:
            await asyncio.sleep(60)
        finally:
            running -= 1
        raise AssertionError("nobody cancelled this")

    with pytest.raises(Unavailable):
        await Recognizer(failing).transcribe(recording((0, 20), (60, 70), seconds=80), REQUEST)
    assert running == 0


async def test_progress_reaches_all_speech() -> None:
    told: list[tuple[float, float]] = []
    await Recognizer(Listener()).transcribe(
        recording((0, 20), (60, 70), seconds=80), REQUEST, lambda done, total: told.append((done, total))
    )
    assert told[-1][0] == pytest.approx(told[-1][1])


async def test_a_window_that_was_guessed_is_read_again_in_pieces() -> None:
    listener = Listener()

    async def guessing(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        result = await listener(pcm, request)
        if len(pcm) > 15 * SECOND:
            return replace(result, words=(Word("Sho", 0, 9, 0.1),), average_logprob=-5.0)
        return result

    transcript = await Recognizer(guessing).transcribe(recording((0, 20), seconds=20), REQUEST)
    assert "Sho" not in transcript.text
    assert {"w1", "w10", "w18"} <= set(transcript.text.split())


async def test_a_language_that_is_a_guess_is_told_unless_it_was_named() -> None:
    listener = Listener()
    listener.certainty = 0.3

    guessed = await Recognizer(listener).transcribe(recording((0, 10), seconds=10), REQUEST)
    named = await Recognizer(listener).transcribe(recording((0, 10), seconds=10), replace(REQUEST, language="en"))

    assert "The language is a guess: English (30%)" in guessed.warnings[0]
    assert named.warnings == ()


async def test_a_translation_is_english_and_what_it_leaves_out_is_not_read_again() -> None:
    listener = Listener()
    listener.languages = {0: "ja"}
    listener.deaf_after = 2
    request = replace(REQUEST, task=Task.TRANSLATE)
    transcript = await Recognizer(listener).transcribe(recording((0, 20), seconds=20), request)

    assert (transcript.language, transcript.text, transcript.warnings) == ("en", "w0 w1", ())
    assert len(listener.requests) == 1


async def test_each_language_of_a_recording_is_read_in_itself() -> None:
    listener = Listener()

    async def bilingual(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        result = await listener(pcm, request)
        return replace(result, region_languages=({"en": 0.99}, {"fr": 0.98})[: len(request.regions)])

    transcript = await Recognizer(bilingual).transcribe(recording((0, 6), (7, 13), seconds=13), REQUEST)

    assert transcript.languages == ("en", "fr")
    assert [request.language for request in listener.requests] == [None, "en", "fr"]
    assert [piece.language for piece in transcript.segments] == ["en", "fr"]
    assert len(transcript.text.split()) == len(set(transcript.text.split()))


async def test_a_language_that_is_not_clear_beside_another_is_read_alone() -> None:
    listener = Listener()

    async def coloured(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        result = await listener(pcm, request)
        together = ({"en": 0.99}, {"la": 0.4, "en": 0.3})
        return replace(result, region_languages=together if len(request.regions) == 2 else ({"it": 0.98},))

    transcript = await Recognizer(coloured).transcribe(recording((0, 6), (7, 13), seconds=13), REQUEST)

    assert transcript.languages == ("en", "it")
    assert [request.language for request in listener.requests] == [None, None, "en", "it"]


async def test_words_of_next_to_no_probability_are_not_shown() -> None:
    async def improbable(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        words = (Word("one", 0.0, 0.5, 0.9), Word("Ardau", 0.5, 1.0, 0.019), Word("two", 1.0, 1.5, 0.02))
        return WindowResult(words, "one Ardau two", "en", 0.9, -0.2, 0.1)

    transcript = await Recognizer(improbable).transcribe(recording((0, 1.5), seconds=2), REQUEST)

    assert transcript.text == "one two"


async def test_what_grows_with_a_recording_is_done_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = NotedThreads()
    steps: dict[str, Callable[..., Any]] = {
        "plan": plan,
        "segment": segment,
        "measure": measure,
        "spoken_languages": spoken_languages,
    }
    for name, work in steps.items():
        monkeypatch.setattr(f"gateway.recognition.recognizer.{name}", beside.noted(name, work))
    await Recognizer(Listener()).transcribe(recording((0, 20), (60, 70), seconds=80), REQUEST)

    assert sorted(beside.threads) == sorted(steps)
    assert threading.main_thread() not in beside.threads.values()
