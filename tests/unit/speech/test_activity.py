import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from speech.activity import CHUNK, CHUNK_SECONDS, Region, VoiceActivity, levelled, regions
from speech.audio import SAMPLE_RATE
from tests.recordings import read_pcm

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


@pytest.mark.parametrize("level", [-60, -70])
def test_speech_far_below_the_usual_level_is_found(level: int) -> None:
    spoken = read_pcm(DATA / "dashwood.flac").astype(np.float64)
    quiet = (spoken * 10 ** (level / 20) * 32768 / np.sqrt(np.mean(spoken**2))).astype(np.int16)

    found = regions(VoiceActivity().find_speech(quiet))

    assert sum(region.end - region.start for region in found) > 4.5


def test_a_second_voice_far_below_the_first_is_found_and_the_first_stays_as_it_was() -> None:
    loud, quiet = read_pcm(DATA / "rather-selfish.flac"), read_pcm(DATA / "young-man.flac")
    pause = np.zeros(SAMPLE_RATE, np.int16)
    pcm = np.concatenate([loud, pause, (quiet * 0.03).astype(np.int16), pause, loud])
    activity = VoiceActivity()
    heard = activity.probabilities(pcm)

    found = activity.find_speech(pcm, heard)

    second = (len(loud) + len(pause)) / SAMPLE_RATE
    assert any(second < region.start < second + 1.5 for region in regions(found))
    first = round((len(loud) / SAMPLE_RATE - 0.5) / CHUNK_SECONDS)
    np.testing.assert_array_equal(found[:first], heard[:first])


@pytest.mark.parametrize("clip", ["dashwood", "amiable-woman", "telephone"])
def test_the_first_word_after_long_music_is_heard(activity: VoiceActivity, clip: str) -> None:
    music = np.tile(read_pcm(DATA / "hold-music.opus"), 2)[: 35 * SAMPLE_RATE]
    spoken = read_pcm(DATA / f"{clip}.flac")
    (alone, *_) = regions(activity.find_speech(spoken))

    found = regions(activity.find_speech(np.concatenate([music, spoken])))

    speech = next(each for each in found if each.end > 35 + alone.start)
    assert speech.start == pytest.approx(35 + alone.start, abs=0.2)


@pytest.mark.parametrize("level", [1.0, 10.0, 1000.0])
def test_noise_holds_no_speech_however_loud(level: float) -> None:
    noise = np.random.default_rng(5).standard_normal(8 * SAMPLE_RATE)

    assert regions(VoiceActivity().find_speech((noise * level).astype(np.int16))) == []


def test_levelling_in_blocks_is_levelling_at_once() -> None:
    pcm = (np.random.default_rng(2).standard_normal(100 * CHUNK) * np.repeat(np.arange(100), CHUNK)).astype(np.int16)

    blocks = [levelled(pcm, at, at + 30 * CHUNK) for at in range(0, len(pcm), 30 * CHUNK)]

    np.testing.assert_allclose(np.concatenate(blocks), levelled(pcm, 0, len(pcm)), atol=1)
