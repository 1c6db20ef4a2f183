"""The stream that ffmpeg writes, read frame by frame."""

from __future__ import annotations

import io
import subprocess

import imageio_ffmpeg
import numpy as np

from gateway.media.matroska import read_frames
from tests.media_clocks import SENTENCE

SOURCE = ("-f", "lavfi", "-i", "aevalsrc=sin(t*1000)|0:d=1:s=16000")


def stream() -> bytes:
    target = ("-c:a", "pcm_s16le", "-f", "matroska", "-bitexact", "pipe:1")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *SOURCE, *target]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_frames_have_their_times_and_channels() -> None:
    frames = list(read_frames(io.BytesIO(stream()), most_channels=2))

    assert sum(len(each.frames) for each in frames) == 16000
    assert {each.frames.shape[1] for each in frames} == {2}
    ends = np.cumsum([len(each.frames) for each in frames]) / 16000
    assert np.allclose([each.start for each in frames[1:]], ends[:-1], atol=0.001)


def test_too_many_channels_are_not_read() -> None:
    assert list(read_frames(io.BytesIO(stream()), most_channels=1)) == []


def test_a_stream_that_breaks_off_ends_with_its_last_whole_frame() -> None:
    whole = stream()
    for length in range(0, len(whole), 997):
        assert sum(len(each.frames) for each in read_frames(io.BytesIO(whole[:length]), 2)) <= 16000


def test_what_is_no_such_stream_holds_no_frames() -> None:
    assert list(read_frames(io.BytesIO(SENTENCE.read_bytes()), 2)) == []
