import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from speech.activity import CHUNK, Region, VoiceActivity, regions

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def activity() -> VoiceActivity:
    return VoiceActivity()


@pytest.fixture(scope="module")
def sentence() -> np.ndarray:
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-v", "error", "-i", DATA / "dashwood.flac", "-ar", "16000", "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, dtype=np.int16)


def test_a_sentence_between_silences_is_found(activity: VoiceActivity, sentence: np.ndarray) -> None:
    quiet = np.zeros(2 * 16_000, dtype=np.int16)
    found = regions(activity.probabilities(np.concatenate([quiet, sentence, quiet])))
    assert 1.9 < found[0].start < 2.7
    assert len(sentence) / 16_000 + 1.2 < found[-1].end < len(sentence) / 16_000 + 2.2


def test_a_stream_in_odd_pieces_hears_what_the_whole_says(activity: VoiceActivity, sentence: np.ndarray) -> None:
    stream = activity.stream()
    pieces = [stream.feed(sentence[at : at + 777]) for at in range(0, len(sentence), 777)]
    heard = np.concatenate([*pieces, stream.flush()])
    assert np.allclose(heard, activity.probabilities(sentence), atol=1e-5)


@pytest.mark.parametrize("sound", ["silence", "noise", "hum"])
def test_what_is_not_speech_has_no_region(activity: VoiceActivity, sound: str) -> None:
    time = np.arange(10 * 16_000) / 16_000
    samples = {
        "silence": np.zeros(len(time)),
        "noise": np.random.default_rng(1).normal(0, 2000, len(time)),
        "hum": 4000 * np.sin(2 * np.pi * 50 * time),
    }[sound]
    assert regions(activity.probabilities(samples.astype(np.int16))) == []


def test_nothing_has_no_probabilities(activity: VoiceActivity) -> None:
    assert len(activity.probabilities(np.zeros(0, dtype=np.int16))) == 0
    assert len(activity.probabilities(np.zeros(CHUNK + 1, dtype=np.int16))) == 2


def test_a_doubtful_stretch_counts_beside_a_sure_one_only() -> None:
    chance = np.zeros(400, dtype=np.float32)
    chance[0:20] = 0.6
    chance[200:230] = 0.99
    chance[250:260] = 0.6
    assert regions(chance) == [Region(200 * 0.032, 230 * 0.032), Region(250 * 0.032, 260 * 0.032)]
