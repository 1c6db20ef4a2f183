from __future__ import annotations

import asyncio

import grpc
import numpy as np
import pytest
from conftest import Connect
from windows import metrics, transcribe

from gateway.inference.triton import TritonFailure
from gateway.inference.triton_server import EmbeddedTriton
from speech.audio import Pcm
from speech.tensors import Priority

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_window_is_transcribed_with_word_times(triton: EmbeddedTriton, connect: Connect, sentence: Pcm) -> None:
    result = await transcribe(connect(triton), sentence, language="")
    assert result.text.lower().replace("-", " ").strip(".") == "he was not an ill disposed young man"
    assert (result.language, result.truncated) == ("en", False)
    assert result.language_probability > 0.5
    assert [word.text for word in result.words] == result.text.split()
    times = [time for word in result.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] and times[-1] <= len(sentence) / 16000


async def test_a_text_does_not_depend_on_its_batch_mates(
    triton: EmbeddedTriton, connect: Connect, sentence: Pcm, passage: Pcm
) -> None:
    server = connect(triton)
    both = np.concatenate([passage, sentence])
    alone = [await transcribe(server, audio) for audio in (sentence, passage, both)]
    together = await asyncio.gather(*(transcribe(server, audio) for audio in (both, sentence, passage, both, passage)))
    assert [together[index].text for index in (1, 2, 0)] == [result.text for result in alone]
    assert together[3].text == together[0].text


async def test_real_recordings_read_the_same_alone_and_together(
    triton: EmbeddedTriton, connect: Connect, recordings: list[Pcm]
) -> None:
    server = connect(triton)
    alone = [(await transcribe(server, audio)).text for audio in recordings]
    together = await asyncio.gather(*(transcribe(server, audio) for audio in recordings))
    assert [result.text for result in together] == alone


async def test_a_prompt_sets_the_spelling(triton: EmbeddedTriton, connect: Connect, passage: Pcm) -> None:
    server = connect(triton)
    result = await transcribe(server, passage, prompt="A story about Mr. Jon Dashwoode.")
    assert "Dashwoode" in result.text


@pytest.mark.parametrize(
    ("audio", "fields", "told"),
    [
        (np.zeros(480_001, np.int16), {}, "480000"),
        (np.zeros(16_000, np.float32), {}, "AUDIO"),
        (np.zeros(16_000, np.int16), {"language": "klingon"}, "klingon"),
        (np.zeros(16_000, np.int16), {"priority": "urgent"}, "urgent"),
    ],
    ids=["longer than 30 s", "float samples", "no such language", "no such priority"],
)
async def test_a_bad_window_is_refused_alone(
    triton: EmbeddedTriton, connect: Connect, sentence: Pcm, audio: np.ndarray, fields: dict[str, str], told: str
) -> None:
    server = connect(triton)
    good, bad = await asyncio.gather(
        transcribe(server, sentence), transcribe(server, audio, **fields), return_exceptions=True
    )
    assert not isinstance(good, BaseException)
    assert isinstance(bad, TritonFailure)
    assert bad.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told in bad.message


async def test_a_cancelled_call_gives_its_window_up(triton: EmbeddedTriton, connect: Connect, passage: Pcm) -> None:
    server = connect(triton)
    before = await metrics(triton.metrics_url)
    long = np.concatenate([passage] * 4)
    calls = [asyncio.create_task(transcribe(server, long)) for _ in range(12)]
    await asyncio.sleep(0.3)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(10):
        while (await metrics(triton.metrics_url))["whisper_cancelled_total"] < before["whisper_cancelled_total"] + 12:
            await asyncio.sleep(0.2)


async def test_a_live_window_passes_the_files_that_wait(
    triton: EmbeddedTriton, connect: Connect, sentence: Pcm, passage: Pcm
) -> None:
    server = connect(triton)
    order: list[str] = []

    async def ask(name: str, audio: Pcm, priority: Priority) -> None:
        await transcribe(server, audio, priority=priority.value, caller=name)
        order.append(name)

    files = [asyncio.create_task(ask(f"file {n}", np.concatenate([passage] * 3), Priority.FILE)) for n in range(10)]
    await asyncio.sleep(0.2)
    await ask("live", sentence, Priority.LIVE)
    await asyncio.gather(*files)
    assert order.index("live") <= 3  # what was decoding already may end before it


async def test_a_short_file_does_not_wait_behind_a_long_one(
    triton: EmbeddedTriton, connect: Connect, sentence: Pcm, passage: Pcm
) -> None:
    server = connect(triton)
    order: list[str] = []

    async def ask(name: str, audio: Pcm) -> None:
        await transcribe(server, audio, caller=name)
        order.append(name)

    long = [asyncio.create_task(ask("long", np.concatenate([passage] * 3))) for _ in range(14)]
    await asyncio.sleep(0.2)
    await ask("short", sentence)
    await asyncio.gather(*long)
    assert order.index("short") <= 8


async def test_metrics_tell_what_was_done(triton: EmbeddedTriton, connect: Connect, sentence: Pcm) -> None:
    server = connect(triton)
    before = await metrics(triton.metrics_url)
    await transcribe(server, sentence)
    async with asyncio.timeout(10):
        while (after := await metrics(triton.metrics_url))["whisper_finished_total"] <= before[
            "whisper_finished_total"
        ]:
            await asyncio.sleep(0.2)
    assert after["whisper_audio_seconds_total"] >= before["whisper_audio_seconds_total"] + 3.0
    assert after["whisper_tokens_total"] > before["whisper_tokens_total"]
