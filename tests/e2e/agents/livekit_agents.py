"""Says what LiveKit's OpenAI plugin hears of a recording, streamed and whole: `livekit_agents.py ADDRESS KEY WAV`."""

from __future__ import annotations

import asyncio
import sys
import wave

import aiohttp
from livekit import rtc
from livekit.agents import stt
from livekit.plugins import openai

PIECE = 2400  # bytes


async def main(address: str, key: str, path: str) -> None:
    with wave.open(path) as recording:
        pcm = recording.readframes(recording.getnframes())
    async with aiohttp.ClientSession() as session:
        model = openai.STT(
            model="gpt-4o-transcribe", base_url=f"{address}/v1", api_key=key, use_realtime=True, language="en"
        )
        model._session = session  # an agent's worker brings it
        stream = model.stream()

        async def speak() -> None:
            silence = bytes(2 * 24_000)
            for start in range(0, len(pcm + silence), PIECE):
                piece = (pcm + silence)[start : start + PIECE]
                stream.push_frame(rtc.AudioFrame(piece, 24_000, 1, len(piece) // 2))
                await asyncio.sleep(0.02)

        speaking = asyncio.create_task(speak())
        async for event in stream:
            if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
                print("streamed:", event.alternatives[0].text, flush=True)
                break
        await speaking
        await stream.aclose()
        whole = openai.STT(model="whisper-1", base_url=f"{address}/v1", api_key=key)
        event = await whole.recognize(rtc.AudioFrame(pcm, 24_000, 1, len(pcm) // 2))
        print("whole:", event.alternatives[0].text, flush=True)


asyncio.run(main(*sys.argv[1:]))
