"""What the tests ask a Whisper in Triton."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import numpy as np

from gateway.triton.client import TritonClient, Value, read_element
from speech.audio import Pcm
from speech.tensors import AUDIO, CALLER, LANGUAGE, PRIORITY, PROMPT, RESULT, TASK, Priority, Tensor, read_result
from speech.transcript import WindowResult

MODEL = "whisper-base"


async def transcribe(server: TritonClient, audio: Pcm | np.ndarray[Any, Any], **fields: str) -> WindowResult:
    """fields: language, prompt, priority, caller, task."""
    return await transcribe_within(120.0, server, audio, **fields)


async def transcribe_within(
    timeout: float, server: TritonClient, audio: Pcm | np.ndarray[Any, Any], **fields: str
) -> WindowResult:
    """timeout: seconds"""
    inputs: dict[Tensor, Value] = {
        AUDIO: audio,
        LANGUAGE: fields.get("language", "en"),
        PROMPT: fields.get("prompt", ""),
        PRIORITY: fields.get("priority", Priority.FILE.value),
        CALLER: fields.get("caller", ""),
        **({TASK: fields["task"]} if "task" in fields else {}),
    }
    outputs = await server.infer(MODEL, inputs, timeout)
    return read_result(read_element(outputs[RESULT.name]))


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for a condition; fails if it does not come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def metrics(url: str) -> dict[str, float]:
    """Triton's metrics of the model, by name."""
    text = await asyncio.to_thread(lambda: urlopen(url).read().decode())
    lines = [line.split(" ") for line in text.splitlines() if line.startswith("whisper_")]
    return {name.split("{")[0]: float(value) for name, value in lines}
