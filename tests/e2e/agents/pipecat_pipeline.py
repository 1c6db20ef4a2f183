"""Says what Pipecat's OpenAI service hears of a recording, streamed: `pipecat_pipeline.py ADDRESS KEY WAV` (24 kHz)."""

from __future__ import annotations

import asyncio
import sys
import wave
from typing import Any

from pipecat.frames.frames import ErrorFrame, InputAudioRawFrame, TranscriptionFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService

RATE = 24_000  # Hz; Pipecat takes its input for 16 kHz unless it is told
PIECE = 960  # bytes
SILENCE = 100  # pieces, after which the turn has ended


class Listener(FrameProcessor):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    async def process_frame(self, frame: Any, direction: Any) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            print("streamed:", frame.text, flush=True)
            self.heard.set()
        if isinstance(frame, ErrorFrame):
            print("error:", frame.error, flush=True)
        await self.push_frame(frame, direction)


async def main(address: str, key: str, path: str) -> None:
    with wave.open(path) as recording:
        pcm = recording.readframes(recording.getnframes()) + bytes(PIECE * SILENCE)
    live = address.replace("http", "ws", 1)
    service = OpenAIRealtimeSTTService(
        api_key=key, base_url=f"{live}/v1/realtime", turn_detection={"type": "server_vad"}
    )
    listener = Listener()
    task = PipelineTask(
        Pipeline([service, listener]), params=PipelineParams(audio_in_sample_rate=RATE), idle_timeout_secs=None
    )

    async def speak() -> None:
        await asyncio.sleep(2)  # until the pipeline runs
        for start in range(0, len(pcm), PIECE):
            piece = InputAudioRawFrame(audio=pcm[start : start + PIECE], sample_rate=RATE, num_channels=1)
            await task.queue_frame(piece)
            await asyncio.sleep(0.02)
        await listener.heard.wait()
        await task.cancel()

    speaking = asyncio.create_task(speak())
    await PipelineRunner(handle_sigint=False).run(task)
    await speaking


asyncio.run(main(*sys.argv[1:]))
