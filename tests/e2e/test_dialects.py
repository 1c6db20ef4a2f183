"""Other people's protocols against the real service and its models, by their own clients."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soxr

from tests.e2e.service_process import ServiceProcess, stt_keys
from tests.recordings import DATA, read_pcm
from tests.unit.gateway.dialects.conftest import data_url, wav

SAID = "John Dashwood"
FILM = 3600  # seconds; two hours took 31 MB


@pytest.fixture(scope="module")
def sdk(service: ServiceProcess, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=key, max_retries=0, timeout=300) as client:
        yield client


def test_case_01_05_a_recording_is_transcribed(sdk: openai.OpenAI, dashwood: Path) -> None:
    answer = sdk.audio.transcriptions.create(
        file=dashwood, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )

    assert SAID in answer.text and answer.language == "english"
    assert answer.words and answer.segments


def test_case_09_11_a_conversation_has_known_speakers(sdk: openai.OpenAI) -> None:
    telephone, lines = DATA / "telephone.flac", (DATA / "telephone.rttm").read_text().splitlines()
    turns = sorted(((float(part[4]), float(part[3]), part[7]) for part in map(str.split, lines)), reverse=True)
    seconds, start, speaker = turns[0]
    pcm = read_pcm(telephone)[int(start * 16_000) : int((start + min(seconds, 5.0)) * 16_000)]
    answer = sdk.audio.transcriptions.create(
        file=telephone,
        model="gpt-4o-transcribe-diarize",
        response_format="diarized_json",
        chunking_strategy="auto",
        known_speaker_names=["Ann"],
        known_speaker_references=[data_url(wav(pcm))],
    )

    assert {segment.speaker for segment in answer.segments} == {"Ann", "A"}
    middle = start + seconds / 2
    assert any(each.speaker == "Ann" and each.start <= middle <= each.end for each in answer.segments), speaker


def test_case_12_a_stream(sdk: openai.OpenAI, dashwood: Path) -> None:
    *deltas, done = sdk.audio.transcriptions.create(file=dashwood, model="gpt-4o-transcribe", stream=True)

    assert done.type == "transcript.text.done" and SAID in done.text
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta") == done.text


def test_case_22_a_translation_is_english(sdk: openai.OpenAI) -> None:
    answer = sdk.audio.translations.create(file=DATA / "spanish.opus", model="whisper-1")

    assert {"the", "of", "to", "and"} <= set(answer.text.lower().split())


def test_case_29_without_credits_nothing_is_tried_again(metered: ServiceProcess, dashwood: Path) -> None:
    key = stt_keys(metered.data, "create", "--tier", "paid", "--credits", "0").stdout.strip()
    with (
        openai.OpenAI(base_url=f"{metered.url}/v1", api_key=key) as poor,
        pytest.raises(openai.APIStatusError) as failure,
    ):
        poor.audio.transcriptions.create(file=dashwood, model="whisper-1")

    assert failure.value.status_code == 402
    assert failure.value.response.headers["x-should-retry"] == "false"
    assert failure.value.code == "insufficient_quota"


async def test_case_31_speech_is_transcribed_while_it_is_spoken(service: ServiceProcess, key: str) -> None:
    sound = soxr.resample(
        np.concatenate([read_pcm(DATA / "dashwood.flac"), np.zeros(24_000, np.int16)]), 16_000, 24_000
    )
    client = openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key=key)
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        for start in range(0, len(sound), 1_200):
            audio = base64.b64encode(sound[start : start + 1_200].tobytes()).decode()
            await connection.input_audio_buffer.append(audio=audio)
        told: list[Any] = []
        async with asyncio.timeout(120):
            while not (told and told[-1].type.endswith(".completed")):
                told.append(await connection.recv())

    assert SAID in told[-1].transcript
    assert "".join(event.delta for event in told if event.type.endswith(".delta")) == told[-1].transcript


def test_case_40_a_film_of_bare_samples_takes_bounded_memory(service: ServiceProcess) -> None:
    """One without speech, as Bazarr sends it; its memory does not grow with its length."""

    def form() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="audio_file"; filename="audio_file"\r\n\r\n'
        for _ in range(FILM // 60):
            yield bytes(60 * 32_000)
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    query = {"task": "transcribe", "language": "en", "output": "srt", "encode": "false"}
    with anonymous_memory(service) as sizes:
        answer = httpx.post(f"{service.url}/asr", params=query, content=form(), headers=headers, timeout=600)

    assert (answer.status_code, answer.text) == (200, "")
    assert max(sizes) - sizes[0] < 90  # the samples are 110


@contextmanager
def anonymous_memory(service: ServiceProcess) -> Iterator[list[float]]:
    """Megabytes of the gateway's process, again and again while the block runs; the samples on disk do not count."""
    status, sizes, ended = Path(f"/proc/{service.process.pid}/status"), list[float](), threading.Event()

    def watch() -> None:
        while not ended.is_set():
            line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
            sizes.append(int(line.split()[1]) / 1024)
            ended.wait(0.05)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield sizes
    finally:
        ended.set()
        watching.join()
