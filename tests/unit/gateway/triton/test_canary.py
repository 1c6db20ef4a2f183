"""What a Triton has to hear before a rollout goes on."""

from __future__ import annotations

import json
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from gateway.triton import canary
from gateway.triton.canary import CanaryFailed, CanaryLimits, judge_canary, main, read_recordings, words_of
from speech.tensors import RESULT, write_result
from speech.transcript import WindowResult


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with wave.open(str(tmp_path / "one.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.array([1, -2, 3], "<i2").tobytes())
    (tmp_path / "references.json").write_text(json.dumps({"one.wav": "Ill-disposed, Mr. Young!"}))
    return tmp_path


class SpokenClient:
    """Stands for a Triton that hears always the same."""

    said = "ill disposed mr young"

    def __init__(self, *_: object) -> None:
        pass

    async def infer(self, *_: object, **__: object) -> dict[str, bytes]:
        payload = write_result(WindowResult((), self.said, "en", 1.0, 0.0, 0.0))
        return {RESULT.name: struct.pack("<I", len(payload)) + payload}  # as Triton sends strings

    async def close(self) -> None:
        pass


def test_recordings_are_read_with_what_is_said_in_them(folder: Path) -> None:
    (recording,) = read_recordings(folder)

    assert recording.pcm.tolist() == [1, -2, 3]
    assert recording.words == words_of("ill disposed MR young") == ("ill", "disposed", "mr", "young")


def test_words_that_are_right_are_no_reason_to_stop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "TritonClient", SpokenClient)

    assert main(["localhost:8001", "whisper-base", "--folder", str(folder)]) == 0


def test_words_that_are_wrong_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(canary, "TritonClient", SpokenClient)
    monkeypatch.setattr(SpokenClient, "said", "a well disposed lady")

    assert main(["localhost:8001", "whisper-base", "--folder", str(folder)]) == 1
    assert "of 4 words are wrong; 20% may be" in capsys.readouterr().err


def test_an_answer_that_comes_late_is_one_too() -> None:
    judge_canary(1, 10, 1.0, CanaryLimits())
    with pytest.raises(CanaryFailed, match=r"took 11\.0 s; 10 s are allowed"):
        judge_canary(0, 10, 11.0, CanaryLimits())


def test_a_folder_without_recordings_says_what_it_should_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["localhost:8001", "whisper-base", "--folder", str(tmp_path)]) == 1
    assert "references.json with WAV files beside it" in capsys.readouterr().err
