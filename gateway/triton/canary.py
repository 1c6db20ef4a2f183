"""Hears a few recordings in a Triton and compares the words with what is said: a model that answers may still be wrong.

`python -m gateway.triton.canary HOST:PORT MODEL [--folder FOLDER] [--errors 0.2] [--seconds 10]` ends with 0 if the
words are right and in time. As the startup probe of a container it holds a rollout at the first replica that hears
wrongly; `--folder` holds 16-bit WAV files (mono, 16 kHz) and references.json: {"file.wav": "what is said"}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.triton.client import NO_ACCESS_CONTROL, TritonAccess, TritonClient, TritonFailure, Value, read_element
from speech.agreement import normal, prefix_distances
from speech.audio import SAMPLE_RATE, Pcm
from speech.tensors import AUDIO, CALLER, LANGUAGE, PRIORITY, RESULT, Priority, Tensor, read_result

FOLDER = Path(os.environ.get("STT_CANARY", "/opt/canary"))
REFERENCES = "references.json"


class CanaryFailed(Exception):
    """The recordings are not heard as they should be, or cannot be read."""


@dataclass(frozen=True, slots=True)
class CanaryRecording:
    name: str
    pcm: Pcm
    words: tuple[str, ...]  # normalized


@dataclass(frozen=True, slots=True)
class CanaryLimits:
    errors: float = 0.2  # of the words of all recordings, at most
    seconds: float = 10.0  # for the slowest answer


def read_recordings(folder: Path) -> list[CanaryRecording]:
    """raises: CanaryFailed"""
    try:
        references: dict[str, str] = json.loads((folder / REFERENCES).read_text(encoding="utf-8"))
        return [CanaryRecording(name, _read_wave(folder / name), words_of(text)) for name, text in references.items()]
    except (OSError, ValueError, EOFError, wave.Error) as error:
        raise CanaryFailed(f"{folder} holds no {REFERENCES} with WAV files beside it: {error}") from error


def words_of(text: str) -> tuple[str, ...]:
    """As words are compared: no case, no punctuation, a hyphen parts them."""
    return tuple(normal(word) for word in text.replace("-", " ").split() if any(map(str.isalnum, word)))


async def hear(url: str, model: str, recordings: Sequence[CanaryRecording], access: TritonAccess) -> tuple[int, float]:
    """Word errors of all, and seconds of the slowest answer. raises: TritonFailure"""
    client = TritonClient(url, access)
    wrong, slowest = 0, 0.0
    try:
        for recording in recordings:
            inputs: dict[Tensor, Value] = {
                AUDIO: recording.pcm,
                LANGUAGE: "en",
                PRIORITY: Priority.LIVE.value,
                CALLER: "canary",
            }
            began = time.monotonic()
            answer = await client.infer(model, inputs, timeout=60.0)
            slowest = max(slowest, time.monotonic() - began)
            heard = words_of(read_result(read_element(answer[RESULT.name])).text)
            errors = prefix_distances(recording.words, heard)[-1]
            print(f"{recording.name}: {errors} of {len(recording.words)} words wrong: {' '.join(heard)}")
            wrong += errors
    finally:
        await client.close()
    return wrong, slowest


def judge_canary(errors: int, words: int, slowest: float, limits: CanaryLimits) -> None:
    """raises: CanaryFailed"""
    if errors > limits.errors * words:
        raise CanaryFailed(f"{errors} of {words} words are wrong; {limits.errors:.0%} may be")
    if slowest > limits.seconds:
        raise CanaryFailed(f"an answer took {slowest:.1f} s; {limits.seconds:g} s are allowed")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.triton.canary", description=__doc__)
    parser.add_argument("url", metavar="HOST:PORT")
    parser.add_argument("model")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    usual = CanaryLimits()
    parser.add_argument("--errors", type=float, default=usual.errors, help="share of words that may be wrong")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="for the slowest answer")
    options = parser.parse_args(arguments)
    certificate = os.environ.get("STT_TRITON_CERTIFICATE")
    try:
        access = TritonAccess(certificate=Path(certificate).read_bytes()) if certificate else NO_ACCESS_CONTROL
        recordings = read_recordings(options.folder)
        wrong, slowest = asyncio.run(hear(options.url, options.model, recordings, access))
        words = sum(len(recording.words) for recording in recordings)
        judge_canary(wrong, words, slowest, CanaryLimits(options.errors, options.seconds))
    except (CanaryFailed, TritonFailure, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _read_wave(path: Path) -> Pcm:
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, SAMPLE_RATE):
            raise ValueError(f"{path.name} is not 16-bit mono of {SAMPLE_RATE} Hz")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
