"""Says what openai-agents hears of a recording, whole and streamed: `openai_agents.py ADDRESS KEY WAV` (24 kHz)."""

from __future__ import annotations

import asyncio
import sys
import wave

import numpy as np
from agents.voice import AudioInput, StreamedAudioInput, STTModelSettings
from agents.voice.models.openai_stt import OpenAISTTModel
from openai import AsyncOpenAI

PIECE = 1200  # samples


async def main(address: str, key: str, path: str) -> None:
    with wave.open(path) as recording:
        pcm = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    model = OpenAISTTModel("gpt-4o-transcribe", AsyncOpenAI(base_url=f"{address}/v1", api_key=key))
    print("whole:", await model.transcribe(AudioInput(buffer=pcm), STTModelSettings(), False, False), flush=True)

    sound = StreamedAudioInput()
    session = await model.create_session(sound, STTModelSettings(), False, False)

    async def speak() -> None:
        for start in range(0, len(pcm), PIECE):
            await sound.add_audio(pcm[start : start + PIECE])
            await asyncio.sleep(0.02)
        await sound.add_audio(None)

    speaking = asyncio.create_task(speak())
    async for turn in session.transcribe_turns():
        print("streamed:", turn, flush=True)
    await speaking
    await session.close()


asyncio.run(main(*sys.argv[1:]))
