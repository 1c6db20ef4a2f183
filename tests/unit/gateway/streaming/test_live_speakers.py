"""Speakers of a live session: soon by its latest seconds, at its end as a file would have had them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from gateway.errors import BadParameter
from gateway.recognition.diarized_recognizer import FAILED, TOO_SLOW, DiarizationTimeout
from gateway.recognition.diarizer import DiarizationFailed
from gateway.streaming import messages
from gateway.streaming.commands import StreamConfig, changed, read_config
from gateway.streaming.live_speakers import LiveSpeakers
from speech.audio import SAMPLE_RATE, Pcm
from speech.diarization.turns import find_turns
from speech.diarization.windows import (
    FRAME,
    FRAMES,
    STEP,
    VECTOR,
    WINDOW,
    LocalSpeech,
    chunk_bounds,
    join_chunks,
    window_count,
)
from speech.transcript import Word


def voice(person: int) -> np.ndarray:
    vector = np.zeros(VECTOR, np.float32)
    vector[person] = 1.0
    return vector


def heard_in(pcm: Pcm) -> LocalSpeech:
    """Who speaks is written into the samples: person number n is a stretch of the value n, silence is 0."""
    windows = window_count(len(pcm))
    activity = np.zeros((windows, FRAMES), np.uint8)
    pieces, vectors = [], []
    for window in range(windows):
        part = np.zeros(WINDOW, np.int16)
        own = pcm[window * STEP : window * STEP + WINDOW]
        part[: len(own)] = own
        said = part[(np.arange(FRAMES) * FRAME * SAMPLE_RATE).astype(int)]
        for local, person in enumerate(np.unique(said[said > 0])[:3]):
            places = np.flatnonzero(said == person)
            activity[window, places] = local + 1
            for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
                if len(run) * FRAME >= 0.25:
                    pieces.append((window, local, run[0], run[-1] + 1, 1))
                    vectors.append(voice(int(person)))
    return LocalSpeech(
        activity, np.array(pieces, np.int32).reshape(-1, 5), np.array(vectors, np.float32).reshape(-1, VECTOR)
    )


class Hears:
    """A diarizer of what is written, that keeps the lengths of its chunks."""

    def __init__(self) -> None:
        self.chunks: list[int] = []

    async def hear_chunk(self, pcm: Pcm) -> LocalSpeech:
        self.chunks.append(len(pcm))
        return heard_in(pcm)


def conversation(people: Sequence[int], seconds: float) -> Pcm:
    """Each speaks so long, with a pause behind it."""
    pause = np.zeros(SAMPLE_RATE // 2, np.int16)
    return np.concatenate([part for n in people for part in (np.full(int(seconds * SAMPLE_RATE), n, np.int16), pause)])


async def test_words_get_speakers_as_they_come() -> None:
    pcm = conversation([1, 2, 1, 3, 2], 2.5)
    speakers = LiveSpeakers(Hears())
    named = []
    for number in range(5):
        speakers.append(pcm[number * 48_000 : (number + 1) * 48_000].tobytes())
        named += await speakers.label([Word("so", 3 * number + 1.0, 3 * number + 1.4, 0.9)])
    await speakers.close()

    assert [word.speaker for word in named] == [f"Speaker {n}" for n in (1, 2, 1, 3, 2)]


@pytest.mark.parametrize("seconds", [0, 3, 67.5, 68, 150, 190])
async def test_the_end_hears_the_chunks_of_a_file(seconds: float) -> None:
    pcm = np.resize(conversation([1, 2, 3, 1], 4.0), int(seconds * SAMPLE_RATE))
    diarizer = Hears()
    speakers = LiveSpeakers(diarizer)
    for start in range(0, len(pcm), 16_000):
        speakers.append(pcm[start : start + 16_000].tobytes())
        await asyncio.sleep(0)
    turns = await speakers.finish()
    await speakers.close()

    bounds = chunk_bounds(len(pcm)) if len(pcm) else []
    assert sorted(diarizer.chunks) == sorted(end - start for start, end in bounds)
    if seconds:
        whole = join_chunks([heard_in(pcm[start:end]) for start, end in bounds])
        assert turns == find_turns(whole, len(pcm) / SAMPLE_RATE)
    else:
        assert turns == ()


class Fails(Hears):
    async def hear_chunk(self, pcm: Pcm) -> LocalSpeech:
        raise DiarizationFailed("away")


class Hangs(Hears):
    async def hear_chunk(self, pcm: Pcm) -> LocalSpeech:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_diarizer_that_fails_costs_the_speakers_alone() -> None:
    speakers = LiveSpeakers(Fails())
    speakers.append(conversation([1], 2.0).tobytes())
    word = Word("so", 0.5, 0.9, 0.9)

    assert await speakers.label([word]) == [word]
    assert await speakers.finish() == FAILED
    await speakers.close()


async def test_a_diarizer_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.streaming.live_speakers.PATIENCE", 0.01)
    speakers = LiveSpeakers(Hangs(), DiarizationTimeout(0.01, 0.0))
    speakers.append(conversation([1], 2.0).tobytes())
    word = Word("so", 0.5, 0.9, 0.9)

    assert await speakers.label([word]) == [word]
    assert await speakers.finish() == TOO_SLOW
    await speakers.close()


def test_a_word_names_its_speaker_where_there_is_one() -> None:
    words = [Word("Hello", 0.1, 0.4, 0.9, "Speaker 1"), Word("there", 0.5, 0.8, 0.8)]
    for message in (messages.partial_text(words, "en"), messages.final_text(words, "en")):
        assert [word.get("speaker") for word in message["words"]] == ["Speaker 1", None]
        assert "speaker" not in message["words"][1]


def test_speakers_are_asked_for_before_the_audio() -> None:
    assert [read_config({"diarize": each}).diarize for each in (True, False, None)] == [True, False, False]
    assert read_config({"diarize": True}).ignored == []
    for wrong in (1, "true", [True]):
        with pytest.raises(BadParameter, match=r"diarize is .*; a config accepts true and false"):
            read_config({"diarize": wrong})
    with pytest.raises(BadParameter, match="diarize is set before the audio"):
        changed(StreamConfig(), read_config({"diarize": True}))
