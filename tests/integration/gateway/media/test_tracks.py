"""Tracks and channels of real files: which are read, how, and what is said of the others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from gateway.errors import BadParameter, RecordingTooLong
from gateway.media.decoding import MediaDecoder
from gateway.media.tracks import TrackChoice
from speech.activity import regions

DATA = Path(__file__).parents[3] / "data"
DASHWOOD, YOUNG_MAN = DATA / "dashwood.flac", DATA / "young-man.flac"
NOISE = ("-f", "lavfi", "-i", "anoisesrc=a=0.02:d=3")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> MediaDecoder:
    return MediaDecoder(tmp_path_factory.mktemp("spool"))


def make(path: Path, *options: str) -> Path:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *options, str(path)], check=True)
    return path


def dubbed(folder: Path) -> Path:
    """German 3 s, English 4 s, noise 3 s."""
    tags = ("-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng")
    sources = ("-t", "3", "-i", str(DASHWOOD), "-t", "4", "-i", str(DASHWOOD), *NOISE)
    return make(folder / "dubbed.mkv", *sources, "-map", "0", "-map", "1", "-map", "2", "-c:a", "flac", *tags)


@pytest.mark.parametrize(
    ("choice", "seconds", "told"),
    [
        (TrackChoice(language="en"), 4, "track 2 (eng), not track 1 (ger), track 3."),
        (TrackChoice(language="de"), 3, "track 1 (ger), not track 2 (eng), track 3."),
        (TrackChoice(language="fr"), 3, "track 1 (ger), not track 2 (eng), track 3."),
        (TrackChoice(track=2, language="de"), 4, "track 2 (eng), not track 1 (ger), track 3."),
        (TrackChoice(track=3), 3, "track 3, not track 1 (ger), track 2 (eng)."),
    ],
    ids=["english", "german", "neither", "second", "third"],
)
async def test_a_track_is_read_and_the_others_are_told(
    decoder: MediaDecoder, tmp_path: Path, choice: TrackChoice, seconds: float, told: str
) -> None:
    with await decoder.decode(dubbed(tmp_path), choice=choice) as recording:
        assert recording.duration == pytest.approx(seconds, abs=0.1)
        assert recording.warnings[0].endswith(told)


async def test_a_track_that_is_not_there_is_refused_with_what_is(decoder: MediaDecoder, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="no audio track 4; accepted are 1 to 3"):
        await decoder.decode(dubbed(tmp_path), choice=TrackChoice(track=4))
    with pytest.raises(BadParameter, match="no audio track 2; accepted are 1"):
        await decoder.decode(DASHWOOD, choice=TrackChoice(track=2))


async def test_the_track_in_which_somebody_speaks_comes_before_one_of_noise(
    decoder: MediaDecoder, tmp_path: Path
) -> None:
    path = make(tmp_path / "noise.mka", *NOISE, "-t", "4", "-i", str(DASHWOOD), "-map", "0", "-map", "1")

    with await decoder.decode(path) as recording:
        assert recording.duration == pytest.approx(4, abs=0.1)
        assert recording.warnings[0].endswith("track 2, not track 1.")


async def test_mixed_tracks_are_heard_together(decoder: MediaDecoder, tmp_path: Path) -> None:
    late = ("-itsoffset", "3", "-t", "3", "-i", str(DASHWOOD))
    path = make(
        tmp_path / "desktop.mkv", "-t", "2", "-i", str(DASHWOOD), *late, "-map", "0", "-map", "1", "-c:a", "flac"
    )

    with await decoder.decode(path, choice=TrackChoice(mix=True)) as recording:
        assert recording.duration == pytest.approx(6, abs=0.1)
        assert len(regions(recording.speech)) >= 2
        assert recording.warnings == ()


async def test_channels_apart_are_whole_and_counted_each(decoder: MediaDecoder, tmp_path: Path) -> None:
    sources = ("-t", "3", "-i", str(DASHWOOD), "-t", "3", "-i", str(YOUNG_MAN))
    path = make(tmp_path / "call.wav", *sources, "-filter_complex", "[0:a][1:a]join=inputs=2:channel_layout=stereo")

    with await decoder.decode(path, choice=TrackChoice(separate=True)) as recording:
        left, right = recording.channels
        assert recording.charged == pytest.approx(6, abs=0.1)
        assert abs(np.corrcoef(left.pcm, right.pcm)[0, 1]) < 0.1
        assert regions(left.speech)
        assert regions(right.speech)
    with pytest.raises(RecordingTooLong):
        await decoder.decode(path, longest=5, choice=TrackChoice(separate=True))


async def test_too_many_channels_are_not_taken_apart(decoder: MediaDecoder, tmp_path: Path) -> None:
    path = make(tmp_path / "many.wav", "-t", "1", "-i", str(DASHWOOD), "-af", "pan=10c|c0=c0|c9=c0")

    with pytest.raises(BadParameter, match="10 channels to separate; accepted are at most 8"):
        await decoder.decode(path, choice=TrackChoice(separate=True))
