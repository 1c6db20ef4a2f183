"""The real ffmpeg on real files: what a sender may upload becomes mono samples, or a clear refusal."""

import asyncio
import gc
import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from benchmarks.processes import family
from gateway.errors import RecordingTooLong, UnsupportedMedia
from gateway.media.decoding import MediaDecoder
from gateway.media.ffmpeg import Ffmpeg, MediaLimits
from speech.activity import VoiceActivity, regions
from tests.media_files import BROKEN, FORMATS, SECONDS, SENTENCE, make_broken, make_media

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a file with ffmpeg: `make("x.mp3", "-ac", "2")`, from the sentence unless `source` says else."""

    def make(name: str, *options: str, source: tuple[str, ...] = ("-i", str(SENTENCE))) -> Path:
        path = tmp_path / name
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *source, *options, path]
        subprocess.run(command, check=True)
        return path

    return make


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> MediaDecoder:
    return MediaDecoder(tmp_path_factory.mktemp("spool"))


@pytest.mark.parametrize("name", FORMATS)
async def test_every_known_format_is_decoded_whole(decoder: MediaDecoder, tmp_path: Path, name: str) -> None:
    with await decoder.decode(make_media(name, tmp_path)) as recording:
        assert recording.duration == pytest.approx(SECONDS, abs=0.12)
        assert recording.warnings == ()
        assert regions(recording.speech)[-1].end > 6.3


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_file_is_refused_or_told(decoder: MediaDecoder, tmp_path: Path, name: str) -> None:
    try:
        with await decoder.decode(make_broken(name, tmp_path)) as recording:
            assert recording.warnings
    except UnsupportedMedia as refusal:
        assert "accepted are MP3" in refusal.message


async def test_opposite_phases_are_heard(decoder: MediaDecoder, make: Make) -> None:
    path = make("antiphase.wav", "-af", "aformat=channel_layouts=mono,pan=stereo|c0=c0|c1=-1*c0")
    with await decoder.decode(path) as recording:
        assert regions(recording.speech)


async def test_the_first_track_with_sound_is_taken(decoder: MediaDecoder, make: Make) -> None:
    silence = ("-f", "lavfi", "-i", "anullsrc=r=44100:d=7")
    path = make("tracks.mkv", "-map", "0", "-map", "1", source=(*silence, "-i", str(SENTENCE)))
    with await decoder.decode(path) as recording:
        assert regions(recording.speech)


async def test_sound_that_begins_late_keeps_its_place(decoder: MediaDecoder, make: Make) -> None:
    picture = ("-f", "lavfi", "-i", "color=s=64x64:r=5:d=12", "-itsoffset", "4", "-i", str(SENTENCE))
    path = make("late.mp4", "-c:v", "mpeg4", "-c:a", "aac", source=picture)
    with await decoder.decode(path) as recording:
        assert recording.duration == pytest.approx(11.1, abs=0.1)
        assert 3.9 < regions(recording.speech)[0].start < 4.7


async def test_joined_recordings_are_heard_to_the_end(decoder: MediaDecoder, make: Make, tmp_path: Path) -> None:
    one = make("one.ogg", "-c:a", "libvorbis").read_bytes()
    chained = tmp_path / "chained.ogg"
    chained.write_bytes(one * 3)
    with await decoder.decode(chained) as recording:
        assert recording.duration == pytest.approx(21.3, abs=0.3)


async def test_a_cut_file_gives_what_is_there_and_says_so(decoder: MediaDecoder, make: Make) -> None:
    whole = make("whole.wav")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with await decoder.decode(whole) as recording:
        assert recording.duration == pytest.approx(3.55, abs=0.05)
        assert "damaged" in recording.warnings[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"These are the minutes of a meeting.\n" * 50, "not a recording"),
        (b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0", "no sound"),
        (np.random.default_rng(0).bytes(50_000), "not a recording"),
    ],
    ids=["empty", "text", "header", "random"],
)
async def test_a_file_without_sound_is_refused_with_a_reason(
    decoder: MediaDecoder, tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "upload.mp3"
    path.write_bytes(content)
    with pytest.raises(UnsupportedMedia, match=reason):
        await decoder.decode(path)


async def test_a_picture_without_sound_is_refused(decoder: MediaDecoder, make: Make) -> None:
    path = make("mute.mp4", "-c:v", "mpeg4", source=("-f", "lavfi", "-i", "color=s=64x64:r=5:d=2"))
    with pytest.raises(UnsupportedMedia, match="a picture but no audio track"):
        await decoder.decode(path)


async def test_a_file_whose_index_was_cut_off_is_refused(decoder: MediaDecoder, make: Make) -> None:
    path = make("cut.m4a")
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(UnsupportedMedia, match="moov"):
        await decoder.decode(path)


async def test_a_probe_tells_the_claimed_duration(decoder: MediaDecoder, make: Make) -> None:
    probe = await decoder.inspect(make("a.mp4", "-c:a", "aac"))
    assert probe.duration == pytest.approx(7.1, abs=0.1)
    assert (probe.audio_tracks, probe.video) == (1, False)


async def test_a_cancelled_file_leaves_no_process_and_no_spool(tmp_path: Path, make: Make) -> None:
    endless = make("long.flac", source=("-f", "lavfi", "-i", "anoisesrc=r=8000:d=1200:a=0.1"))
    spool = tmp_path / "spool"
    spool.mkdir()
    decoder = MediaDecoder(spool)
    others = _children()
    work = asyncio.create_task(decoder.decode(endless))
    while _children() <= others:
        await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert _children() <= others
    assert list(spool.iterdir()) == []


async def test_a_file_whose_client_leaves_when_it_is_decoded_is_closed_at_once(tmp_path: Path, make: Make) -> None:
    """And not when a garbage collection comes: its samples take the disk until then."""
    clip = make("short.wav", source=("-f", "lavfi", "-i", "anoisesrc=r=16000:d=0.2:a=0.1"))
    begun, go_on = threading.Event(), threading.Event()

    class SlowActivity(VoiceActivity):
        def stream(self) -> Any:
            begun.set()
            go_on.wait()
            return super().stream()

    spool = tmp_path / "spool"
    spool.mkdir()
    decoding = asyncio.create_task(MediaDecoder(spool, activity=SlowActivity()).decode(clip))
    await asyncio.to_thread(begun.wait)
    gc.disable()
    try:
        decoding.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError) as left:
            await decoding
        held = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert left.tb  # whose frames hold what was decoded
        assert not [target for target in held if target.startswith(str(spool))]
    finally:
        gc.enable()


async def test_a_file_that_waits_for_a_thread_is_given_up_at_once(tmp_path: Path, make: Make) -> None:
    endless = make("long.flac", source=("-f", "lavfi", "-i", "anoisesrc=r=8000:d=1200:a=0.1"))
    with ThreadPoolExecutor(1) as one:
        decoder = MediaDecoder(tmp_path, executor=one)
        others = _children()
        decoding = asyncio.create_task(decoder.decode(endless))
        while len(_children() - others) == 0:
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(decoder.decode(endless))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not decoding.done()  # whose thread it waited for
        decoding.cancel()
        await asyncio.gather(decoding, return_exceptions=True)

    assert _children() <= others


async def test_a_recording_over_the_limit_is_refused(tmp_path: Path) -> None:
    decoder = MediaDecoder(tmp_path, MediaLimits(duration=5))
    with pytest.raises(UnsupportedMedia, match="longer than"):
        await decoder.decode(SENTENCE)


def _children() -> set[int]:
    """Process ids of this process's descendants, those of other tests among them."""
    return set(family(os.getpid())) - {os.getpid()}


async def test_how_far_decoding_is_grows_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[float, float]] = []

    with await MediaDecoder(tmp_path).decode(SENTENCE, on_progress=lambda *each: told.append(each)) as recording:
        duration = recording.duration

    assert [seconds for seconds, _ in told] == sorted(seconds for seconds, _ in told)
    assert told[-1] == pytest.approx((duration, duration), abs=0.1)


async def test_a_longer_subtitle_or_track_is_no_damage_of_the_sound(
    decoder: MediaDecoder, make: Make, tmp_path: Path
) -> None:
    subtitle = tmp_path / "late.srt"
    subtitle.write_text("1\n00:00:00,000 --> 00:00:19,000\nHello\n")
    short, whole = ("-t", "3", "-i", str(SENTENCE)), ("-i", str(SENTENCE))
    titled = make("titled.mkv", "-c:a", "flac", source=(*short, "-i", str(subtitle)))
    dubbed = make("dubbed.mkv", "-c:a", "flac", "-map", "0", "-map", "1", source=(*short, *whole))

    with await decoder.decode(titled) as recording:
        assert recording.warnings == ()
    with await decoder.decode(dubbed) as recording:
        told = "The file has 2 sound tracks; only one of them was read: track 1, not track 2."
        assert recording.warnings == (told,)
    assert (await decoder.inspect(titled)).duration is None


async def test_two_joined_mp3_files_are_whole(decoder: MediaDecoder, make: Make, tmp_path: Path) -> None:
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(make("one.mp3").read_bytes() * 2)

    with await decoder.decode(joined) as recording:
        assert recording.duration > 2 * SECONDS - 0.3
        assert recording.warnings == ()


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1)])
async def test_a_plain_wav_sounds_as_ffmpeg_reads_it(
    decoder: MediaDecoder, make: Make, rate: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("-ar", str(rate), "-ac", str(channels), "-c:a", "pcm_s16le")
    with await decoder.decode(make("by-ffmpeg.wav", *options, "-rf64", "always")) as recording:
        expected = np.array(recording.pcm, dtype=float)
    monkeypatch.setattr(Ffmpeg, "spawn", _started)
    with await decoder.decode(make("plain.wav", *options)) as recording:
        heard = np.array(recording.pcm, dtype=float)

    assert abs(len(heard) - len(expected)) <= 2
    shared = min(len(heard), len(expected))
    assert np.corrcoef(heard[:shared], expected[:shared])[0, 1] > 0.999
    assert recording.warnings == ()


def _started(*_: object) -> subprocess.Popen[bytes]:
    raise AssertionError("a program was started for a file that can be read as it lies")


async def test_a_plain_wav_is_not_read_beyond_its_limits(tmp_path: Path, make: Make) -> None:
    path = make("plain.wav", "-ac", "1", "-ar", "16000")
    with pytest.raises(RecordingTooLong, match="longer than"):
        await MediaDecoder(tmp_path, MediaLimits(duration=3)).decode(path)
    with pytest.raises(UnsupportedMedia, match="more time or memory than allowed"):
        await MediaDecoder(tmp_path, MediaLimits(wall=0)).decode(path)
