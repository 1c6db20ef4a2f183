from __future__ import annotations

import base64
import io
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import openai
import pytest

from tests.recordings import DATA, read_pcm
from tests.unit.gateway.dialects.dialect_service import DialectService

Convert = Callable[..., bytes]


@pytest.fixture
def client(service: DialectService) -> Iterator[openai.OpenAI]:
    """The SDK as everybody has it."""
    with openai.OpenAI(base_url=service.base, api_key="dummy", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def pcm() -> np.ndarray:
    """Seven seconds of English."""
    return read_pcm(DATA / "dashwood.flac")


def wav(pcm: np.ndarray, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture(scope="session")
def clip(pcm: np.ndarray) -> bytes:
    return wav(pcm)


@pytest.fixture(scope="session")
def long_clip(pcm: np.ndarray) -> bytes:
    """Three minutes, of several sections."""
    return wav(np.tile(np.concatenate([pcm, np.zeros(16_000, np.int16)]), 24))


@pytest.fixture(scope="session")
def convert(clip: bytes) -> Convert:
    """The clip by ffmpeg: arguments of the output."""

    def run(*arguments: str) -> bytes:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", "-", *arguments, "-"]
        return subprocess.run(command, input=clip, capture_output=True, check=True).stdout

    return run


def data_url(sound: bytes) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(sound).decode()}"


__all__ = ["DATA", "Path", "data_url", "wav"]
