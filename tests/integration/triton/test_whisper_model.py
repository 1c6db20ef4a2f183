from __future__ import annotations

import asyncio
from dataclasses import replace

import grpc
import numpy as np
import pytest

from gateway.triton.client import TritonClient, TritonFailure
from gateway.triton.embedded import EmbeddedTriton
from speech.audio import Pcm
from speech.tensors import AUDIO, LANGUAGE, Priority
from tests.integration.triton.windows import MODEL, metrics, transcribe
from tests.recordings import DATA, read_pcm

COUNTED = ("admissions", "cancelled", "finished")

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_window_is_transcribed_with_word_times(server: TritonClient, passage: Pcm) -> None:
    result = await transcribe(server, passage, language="")
    assert result.text.startswith("And Mr. John Dashwood had then leisure to consider how much there might be")
    assert (result.language, result.truncated) == ("en", False)
    assert result.language_probability > 0.5
    assert [word.text for word in result.words] == result.text.split()
    times = [time for word in result.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < 1.0
    assert 6.0 < times[-1] <= len(passage) / 16000


async def test_a_text_does_not_depend_on_its_batch_mates(server: TritonClient, sentence: Pcm, passage: Pcm) -> None:
    both = np.concatenate([passage, sentence])
    alone = [await transcribe(server, audio) for audio in (sentence, passage, both)]
    together = await asyncio.gather(*(transcribe(server, audio) for audio in (both, sentence, passage, both, passage)))
    assert [together[index].text for index in (1, 2, 0)] == [result.text for result in alone]
    assert together[3].text == together[0].text


async def test_real_recordings_read_the_same_alone_and_together(server: TritonClient, english: list[Pcm]) -> None:
    alone = [(await transcribe(server, audio)).text for audio in english]
    together = await asyncio.gather(*(transcribe(server, audio) for audio in english))
    assert [result.text for result in together] == alone


async def test_a_prompt_sets_the_spelling(server: TritonClient, passage: Pcm) -> None:
    result = await transcribe(server, passage, prompt="A story about Mr. Jon Dashwoode.")
    assert "Dashwoode" in result.text


@pytest.mark.parametrize(
    ("samples", "fields", "told"),
    [
        (480_001, {}, "480000"),
        (16_000, {"language": "klingon"}, "klingon"),
        (16_000, {"priority": "urgent"}, "urgent"),
    ],
    ids=["longer than 30 s", "no such language", "no such priority"],
)
async def test_a_bad_window_is_refused_alone(
    server: TritonClient, samples: int, fields: dict[str, str], told: str
) -> None:
    good, bad = await asyncio.gather(
        transcribe(server, np.zeros(16_000, np.int16)),
        transcribe(server, np.zeros(samples, np.int16), **fields),
        return_exceptions=True,
    )
    assert not isinstance(good, BaseException)
    assert isinstance(bad, TritonFailure)
    assert bad.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told in bad.message


async def test_samples_of_another_type_are_refused(server: TritonClient, sentence: Pcm) -> None:
    floats = replace(AUDIO, datatype="FP32")
    with pytest.raises(TritonFailure, match="INT16"):
        await server.infer(MODEL, {floats: np.zeros(160, np.float32), LANGUAGE: "en"}, timeout=60.0)
    assert (await transcribe(server, sentence)).text


async def test_a_cancelled_call_gives_its_window_up(triton: EmbeddedTriton, server: TritonClient, passage: Pcm) -> None:
    before = await metrics(triton.metrics_url)
    long = np.concatenate([passage] * 4)
    answered = 0

    async def ask_again_and_again() -> None:
        nonlocal answered
        while True:
            await transcribe(server, long)
            answered += 1

    async def done() -> dict[str, float]:
        now = await metrics(triton.metrics_url)
        return {name: now[f"whisper_{name}_total"] - before[f"whisper_{name}_total"] for name in COUNTED}

    calls = [asyncio.create_task(ask_again_and_again()) for _ in range(12)]
    async with asyncio.timeout(60):
        while not (await done())["admissions"]:
            await asyncio.sleep(0.2)
    for call in calls:  # all are open: whatever the machine has answered by now was asked again
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(60):
        while not (given_up := await done())["cancelled"]:
            await asyncio.sleep(0.2)
        while given_up["cancelled"] + given_up["finished"] < answered + len(calls):
            await asyncio.sleep(0.2)
            given_up = await done()


async def test_a_live_window_passes_the_files_that_wait(server: TritonClient, sentence: Pcm, passage: Pcm) -> None:
    order: list[str] = []

    async def ask(name: str, audio: Pcm, priority: Priority) -> None:
        await transcribe(server, audio, priority=priority.value, caller=name)
        order.append(name)

    files = [asyncio.create_task(ask(f"file {n}", passage, Priority.FILE)) for n in range(10)]
    await asyncio.sleep(0)  # they are sent first
    await ask("live", sentence, Priority.LIVE)
    await asyncio.gather(*files)
    assert order.index("live") <= 3  # what was decoding already may end before it


async def test_a_short_file_does_not_wait_behind_a_long_one(server: TritonClient, sentence: Pcm, passage: Pcm) -> None:
    order: list[str] = []

    async def ask(name: str, audio: Pcm) -> None:
        await transcribe(server, audio, caller=name)
        order.append(name)

    long = [asyncio.create_task(ask("long", passage)) for _ in range(14)]
    await asyncio.sleep(0)  # they are sent first
    await ask("short", sentence)
    await asyncio.gather(*long)
    assert order.index("short") <= 8


async def test_metrics_tell_what_was_done(triton: EmbeddedTriton, server: TritonClient, sentence: Pcm) -> None:
    before = await metrics(triton.metrics_url)
    await transcribe(server, sentence)
    async with asyncio.timeout(10):  # Triton publishes them every second, and those of the test before may still come
        while (after := await metrics(triton.metrics_url))["whisper_audio_seconds_total"] < (
            before["whisper_audio_seconds_total"] + 2.9
        ):
            await asyncio.sleep(0.2)
    assert after["whisper_finished_total"] > before["whisper_finished_total"]
    assert after["whisper_tokens_total"] > before["whisper_tokens_total"]


async def test_speech_of_another_language_is_translated(server: TritonClient) -> None:
    spanish = read_pcm(DATA / "spanish.opus")[: 8 * 16_000]

    said = await transcribe(server, spanish, language="es")
    translated = await transcribe(server, spanish, language="es", task="translate")

    assert translated.language == "es"
    assert {"the", "of", "and", "to", "a"} & set(translated.text.lower().split()) > set()
    assert translated.text != said.text
