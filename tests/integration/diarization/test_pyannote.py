"""pyannote.audio's own pipeline on the pinned files, in its own environment."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import pytest_asyncio

from gateway.recognition.diarizer import DiarizationFailed
from gateway.recognition.pyannote import PyannoteConfig, PyannoteDiarizer
from speech.audio import Pcm

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-pyannote" / "bin" / "python"
WEIGHTS = ROOT / "var" / "pyannote"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def telephone() -> Pcm:
    file = ROOT / "tests" / "data" / "telephone.flac"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(file), "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, dtype=np.int16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pyannote() -> AsyncIterator[PyannoteDiarizer]:
    if not PYTHON.exists() or not (WEIGHTS / "pytorch_model.bin").is_file():
        pytest.skip("no .venv-pyannote or no var/pyannote: docs/diarization.md says how they are made")
    diarizer = PyannoteDiarizer(PyannoteConfig(PYTHON, WEIGHTS))
    yield diarizer
    await diarizer.close()


async def test_it_finds_the_two_speakers_of_a_telephone_call(pyannote: PyannoteDiarizer, telephone: Pcm) -> None:
    turns = await pyannote.turns(telephone)

    assert {turn.speaker for turn in turns} == {"Speaker 1", "Speaker 2"}
    assert sum(turn.end - turn.start for turn in turns) > 15


async def test_nothing_said_is_no_turn(pyannote: PyannoteDiarizer) -> None:
    assert await pyannote.turns(np.zeros(16_000 * 5, np.int16)) == ()


async def test_an_environment_that_cannot_run_costs_the_turns_and_says_so(telephone: Pcm, tmp_path: Path) -> None:
    diarizer = PyannoteDiarizer(PyannoteConfig(tmp_path / "no-python", tmp_path))
    with pytest.raises(DiarizationFailed):
        await diarizer.turns(telephone)
