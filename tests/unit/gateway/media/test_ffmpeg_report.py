import pytest

from gateway.media.report import read_report

HEAD = """[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'fd:':
[info]   Metadata:
[info]     title           : Stream #0:7: Audio: aac
[info]   Duration: 01:02:03.50, start: 0.000000, bitrate: 93 kb/s
[info]   Stream #0:0[0x1](und): Video: h264 (avc1 / 0x31637661), yuv444p(progressive), 160x120 (default)
[info]   Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp (default)
[info] Stream mapping:
[info]   Stream #0:1 -> #0:0 (aac (native) -> pcm_s16le (native))
[info]   Stream #0:0(und): Audio: pcm_s16le, 16000 Hz, stereo, s16, 512 kb/s (default)"""


def test_tracks_and_duration_are_read_from_the_input_alone() -> None:
    report = read_report(HEAD.splitlines())
    assert report.container == "mov,mp4,m4a,3gp,3g2,mj2"
    assert report.duration == 3723.5
    assert len(report.audio) == 1
    assert report.video


def test_a_cover_is_no_video() -> None:
    line = "[info]   Stream #0:1: Video: mjpeg (Baseline), yuvj420p, 300x300, 90k tbr (attached pic)"
    assert not read_report([line]).video


def test_an_estimated_duration_is_not_trusted() -> None:
    remark = "[aac @ 0x55e1] [warning] Estimating duration from bitrate, this may be inaccurate"
    report = read_report([remark, *HEAD.splitlines()])
    assert report.duration is None
    assert report.damage == ()


def test_lost_data_is_damage() -> None:
    assert read_report(["[in#0/ogg @ 0x558dad10f180] [error] CRC mismatch!"]).damage == ("CRC mismatch!",)


def test_a_wav_of_unknown_length_is_not_damaged() -> None:
    lines = [
        "[wav @ 0x5581] [warning] Ignoring maximum wav data size, file may be invalid",
        "[in#0/wav @ 0x5581] [warning] corrupt input packet in stream 0",
    ]
    assert read_report(lines).damage == ()


@pytest.mark.parametrize(
    ("stream", "others"),
    [
        ("Subtitle: subrip (srt)", True),
        ("Audio: opus, 48000 Hz, mono, fltp", True),
        ("Video: mjpeg (Baseline), 300x300 (attached pic)", False),
    ],
)
def test_the_length_of_a_file_may_be_that_of_another_stream(stream: str, others: bool) -> None:
    assert read_report([*HEAD.splitlines()[:6], f"[info]   Stream #0:2(ger): {stream}"]).other_streams is others


def test_the_seam_of_two_joined_mp3_files_is_no_damage() -> None:
    seam = [
        "[mp3float @ 0x55be] [error] Header missing",
        "[aist#0:0/mp3 @ 0x55be] [dec:mp3float @ 0x55be] [error] Error submitting packet to decoder: Invalid data",
    ]
    joined = "[in#0 @ 0x55be] [warning] invalid concatenated file detected - using bitrate for duration"

    assert read_report([joined, *seam]).damage == ()
    assert read_report(seam).damage != ()
