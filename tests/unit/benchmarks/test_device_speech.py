"""What a machine with a GPU has heard is scored on another."""

from __future__ import annotations

import json
import wave
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from benchmarks import score
from benchmarks.device.speech import hear_clips
from speech.transcript import WindowResult
from speech.whisper.batching.sequence import Request


class OneWordScheduler:
    """Hears every recording as its first sample's number of words; the last one fails."""

    def submit(self, request: Request) -> Future[WindowResult]:
        heard: Future[WindowResult] = Future()
        if request.audio[0] < 0:
            heard.set_exception(RuntimeError("the device is lost"))
        else:
            heard.set_result(WindowResult((), " ".join(["yes"] * int(request.audio[0])), "en", 1.0, 0.0, 0.0))
        return heard


def test_texts_are_kept_after_each_clip_and_scored_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    references = {"a.wav": "Yes, yes!", "b.wav": "yes yes", "c.wav": "lost"}
    for name, first in zip(references, (2, 1, -1), strict=True):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(np.full(16_000, first, "<i2").tobytes())
    (tmp_path / "references.json").write_text(json.dumps(references))

    with pytest.raises(RuntimeError, match="the device is lost"):
        hear_clips(OneWordScheduler(), tmp_path, tmp_path)  # type: ignore[arg-type]
    assert score.main([str(tmp_path / "texts.json")]) == 0

    told = capsys.readouterr().out
    assert "| a.wav | 0 | 2 | yes yes |" in told
    assert "| b.wav | 1 | 2 | yes |" in told
    assert "WER 25.0" in told and "2 s of audio" in told
