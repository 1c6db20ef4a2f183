"""One sentence in every container and codec that people send, made by the bundled ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

DATA = Path(__file__).parent / "data"
SENTENCE = DATA / "dashwood.flac"
SECONDS = 7.1  # of the sentence

PICTURE = ("-f", "lavfi", "-i", "testsrc=s=176x144:r=25", "-i", str(SENTENCE), "-shortest")
SILENCE = ("-f", "lavfi", "-i", f"anullsrc=d={SECONDS}", "-i", str(SENTENCE), "-map", "0", "-map", "1")
ANTIPHASE = "aformat=channel_layouts=mono,pan=stereo|c0=c0|c1=-1*c0"
LEFT_SILENT = "aformat=channel_layouts=mono,pan=stereo|c0=0*c0|c1=c0"

SOUND: dict[str, str] = {  # name → options of the encoder
    "aac.m4a": "-c:a aac",
    "ac3.ac3": "-c:a ac3",
    "adpcm_ms.wav": "-c:a adpcm_ms",
    "adts.aac": "-c:a aac -f adts",
    "aiff.aiff": "",
    "alac.m4a": "-c:a alac",
    "alaw.wav": "-ar 8000 -c:a pcm_alaw",
    "amr.3gp": "-ar 8000 -c:a libopencore_amrnb",
    "amrnb.amr": "-ar 8000 -c:a libopencore_amrnb",
    "au.au": "",
    "caf.caf": "",
    "dts.dts": "-c:a dca -strict -2",
    "eac3.eac3": "",
    "f32.wav": "-c:a pcm_f32le",
    "flac.flac": "",
    "flac24_96k.flac": "-ar 96000 -sample_fmt s32",
    "fragmented.mp4": "-c:a aac -movflags frag_keyframe+empty_moov",
    "g722.g722": "-ar 16000",
    "g726.wav": "-ar 8000 -c:a g726",
    "ima.wav": "-c:a adpcm_ima_wav",
    "mp2.mp2": "",
    "mp3.mp3": "",
    "mp3_named_wav.wav": "-f mp3",
    "mp3_vbr_id3.mp3": "-q:a 4 -metadata title=Title -id3v2_version 3",
    "mulaw.wav": "-ar 8000 -c:a pcm_mulaw",
    "ogg_flac.ogg": "-c:a flac",
    "opus.mka": "-c:a libopus",
    "opus.ogg": "-c:a libopus",
    "opus.opus": "",
    "opus.weba": "-c:a libopus -f webm",
    "pcm16.wav": "",
    "pcm24.wav": "-c:a pcm_s24le",
    "rf64.wav": "-rf64 always",
    "six_channels.m4a": "-ac 6 -c:a aac",
    "stereo_antiphase.ogg": f"-af {ANTIPHASE} -c:a libvorbis",
    "stereo_left_silent.mp3": f"-af {LEFT_SILENT}",
    "truehd.thd": "-c:a truehd -strict -2",
    "tta.tta": "",
    "u8_8k.wav": "-ar 8000 -c:a pcm_u8",
    "vorbis.ogg": "-c:a libvorbis",
    "w64.w64": "",
    "wavpack.wv": "",
    "wmav1.wma": "-c:a wmav1",
    "wmav2.wma": "-c:a wmav2",
}
VIDEO: dict[str, str] = {
    "flv1_mp3.flv": "-c:v flv1 -ar 44100 -c:a libmp3lame",
    "h263_amr.3gp": "-c:v h263 -ar 8000 -c:a libopencore_amrnb",
    "h264_aac.mov": "-c:v libx264 -preset ultrafast -c:a aac",
    "h264_aac.mp4": "-c:v libx264 -preset ultrafast -c:a aac",
    "h264_mp3.mkv": "-c:v libx264 -preset ultrafast -c:a libmp3lame",
    "mpeg1_mp2.mpg": "-c:v mpeg1video -c:a mp2",
    "mpeg2_ac3.ts": "-c:v mpeg2video -c:a ac3",
    "mpeg4_mp3.avi": "-c:v mpeg4 -c:a libmp3lame",
    "theora_vorbis.ogv": "-c:v libtheora -c:a libvorbis",
    "vp8_vorbis.webm": "-c:v libvpx -deadline realtime -c:a libvorbis",
    "vp9_opus.webm": "-c:v libvpx-vp9 -deadline realtime -c:a libopus",
    "wmv2_wmav2.wmv": "-c:v wmv2 -c:a wmav2",
}
FORMATS = (*SOUND, *VIDEO, "streamed.wav", "two_tracks_first_silent.mkv")
BROKEN = ("empty.mp3", "random.wav", "text.mp3", "header_only.wav", "cut.wav", "cut.mp3", "cut.m4a", "damaged.ogg")
# One of each family, for tests in which a file costs seconds.
FAMILIES = (
    "aac.m4a", "alaw.wav", "amrnb.amr", "flac24_96k.flac", "fragmented.mp4", "h264_aac.mov", "mp3_named_wav.wav",
    "mpeg2_ac3.ts", "opus.weba", "six_channels.m4a", "stereo_antiphase.ogg", "streamed.wav",
    "two_tracks_first_silent.mkv", "vorbis.ogg", "vp9_opus.webm", "wmav2.wma",
)  # fmt: skip


def make_media(name: str, folder: Path) -> Path:
    """The sentence as `name`, one of FORMATS, in `folder`."""
    if name == "streamed.wav":  # a pipe cannot be rewound, so the header never learns the length
        (folder / name).write_bytes(_ffmpeg("-i", str(SENTENCE), "-f", "wav", "-"))
        return folder / name
    source: tuple[str, ...] = ("-i", str(SENTENCE))
    options = SOUND.get(name, "")
    if name == "two_tracks_first_silent.mkv":
        source, options = SILENCE, "-c:a libopus"
    elif name in VIDEO:
        source, options = PICTURE, VIDEO[name]
    _ffmpeg(*source, *options.split(), str(folder / name))
    return folder / name


def make_broken(name: str, folder: Path) -> Path:
    """A file that is none, or only in part, as `name`, one of BROKEN."""
    kind, end = name.split(".")
    path = folder / name
    if kind == "empty":
        content = b""
    elif kind == "random":
        content = bytes((index * 7919) % 251 for index in range(20_000))
    elif kind == "text":
        content = b"These are the minutes of a meeting.\n" * 25
    else:
        options = ["-movflags", "-faststart"] if end == "m4a" else []
        _ffmpeg("-i", str(SENTENCE), *options, str(path))
        whole = path.read_bytes()
        middle = len(whole) // 2
        content = {
            "header_only": whole[:44],
            "cut": whole[:middle],
            "damaged": whole[:middle] + b"\0" * 4000 + whole[middle + 4000 :],
        }[kind]
    path.write_bytes(content)
    return path


def _ffmpeg(*arguments: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout
