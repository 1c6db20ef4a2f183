"""ffmpeg as a sandboxed subprocess that can do one thing: decode the file on its standard input.

The file arrives as an open descriptor (`fd:`) and that is the only protocol allowed, so no container can
make it open another file or an address. Demuxers and decoders are allowed by name. If a file takes ffmpeg over all
the same, the sandbox leaves it nothing to reach, and its processor time and memory are limited.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg

from gateway.media.clock import LONGEST_PAUSE
from gateway.media.origin import ClockOrigin
from gateway.processes.confined import ConfinedProcess, ConfinedProcesses
from gateway.processes.sandbox import Sandbox
from speech.audio import SAMPLE_RATE

# Containers of sound and video; none that lists other files (hls, concat, dash, sdp, image sequences).
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,asf_o,au,avi,caf,dts,dtshd,eac3,flac,flv,g722,gsm,live_flv,loas,"
    "matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,oma,ogg,rm,sox,tak,tta,truehd,mlp,voc,w64,wav,wv,dsf,"
    "ivf,qcp,3gp,m4a,mp4,webm"
)
DECODERS = (
    "aac,aac_fixed,aac_latm,ac3,ac3_fixed,eac3,alac,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,ape,"
    "adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,adpcm_g722,g722,adpcm_g726,g726,"
    "adpcm_ima_oki,atrac3,atrac3plus,atrac1,cook,dca,dsd_lsbf,dsd_lsbf_planar,dsd_msbf,dsd_msbf_planar,flac,"
    "g723_1,g729,gsm,gsm_ms,mace3,mace6,mlp,mp1,mp1float,mp2,mp2float,mp3,mp3float,mpc7,mpc8,nellymoser,"
    "opus,libopus,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd,pcm_f16le,pcm_f24le,pcm_f32be,pcm_f32le,pcm_f64be,"
    "pcm_f64le,pcm_lxf,pcm_s16be,pcm_s16be_planar,pcm_s16le,pcm_s16le_planar,pcm_s24be,pcm_s24le,"
    "pcm_s24le_planar,pcm_s32be,pcm_s32le,pcm_s32le_planar,pcm_s64be,pcm_s64le,pcm_s8,pcm_s8_planar,pcm_u16be,"
    "pcm_u16le,pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_u8,qcelp,qdm2,ra_144,ra_288,ralf,sipr,speex,"
    "libspeex,tak,truehd,tta,vorbis,libvorbis,wavpack,wmalossless,wmapro,wmav1,wmav2,wmavoice,xma1,xma2"
)
# These carry no signature, so the name's ending must say what they are.
RAW_DEMUXERS = {".g722": "g722", ".gsm": "gsm"}

MAX_STREAMS = 64
OPEN_FILES = 64

# All streams are in use, undecoded.
EVERY_STREAM = ("-map", "0:V?", "-map", "0:a?", "-c", "copy", "-f", "null", "-")


ANY_ORIGIN = ClockOrigin()


class FfmpegMissing(RuntimeError):
    """No ffmpeg that can be used on this machine."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What one file may cost. Above any of them the file is refused, not the machine endangered."""

    duration: float = 24 * 3600.0  # seconds of sound
    wall: float = 1800.0  # seconds
    processor: int = 1800  # seconds
    memory: int = 3 * 2**30  # bytes of address space
    channels: int = 64
    tracks: int = 8  # that are searched for sound


@dataclass(frozen=True, slots=True)
class Ffmpeg:
    executable: Path
    sandbox: Sandbox
    processes: ConfinedProcesses = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "processes", ConfinedProcesses(self.sandbox, self.executable))

    @classmethod
    def find(cls) -> Ffmpeg:
        """The packaged binary, or the system's if that is newer. Raises FfmpegMissing."""
        candidates = [Path(found) for found in (_packaged(), shutil.which("ffmpeg")) if found]
        ranked = sorted(candidates, key=_version)
        if not ranked or _version(ranked[-1]) < (6, 1):
            raise FfmpegMissing(
                "no ffmpeg 6.1 or newer was found: install imageio-ffmpeg, or put an ffmpeg on the PATH"
            )
        found = cls(ranked[-1], Sandbox.find().fitting(ranked[-1], "-version"))
        found.processes.stand_ready()
        return found

    async def spawn_live(self, arguments: list[str], limits: MediaLimits) -> asyncio.subprocess.Process:
        """Starts ffmpeg on what will be written to its standard input; its standard output is a pipe.

        It dies with the thread that calls this.
        """
        return await asyncio.create_subprocess_exec(
            *self.sandbox.command(self.executable, _limited(limits)),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"LC_ALL": "C"},
            cwd="/",
            start_new_session=True,
        )

    def spawn(
        self, arguments: list[str], source: int, limits: MediaLimits, abandoned: Callable[[], bool] = lambda: False
    ) -> ConfinedProcess:
        """Starts ffmpeg on the open file `source`; standard output and error are pipes. It dies with the gateway.

        abandoned: whether nobody waits for it any more
        raises: StartAbandoned
        """
        return self.processes.start(arguments, _limited(limits), source, abandoned)


def _limited(limits: MediaLimits) -> dict[str, int]:
    return {
        "RLIMIT_CPU": limits.processor,
        "RLIMIT_AS": limits.memory,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
    }


def input_arguments(demuxer: str | None = None) -> list[str]:
    """Everything up to the input. `demuxer` is one of RAW_DEMUXERS' values, never a user's text."""
    return [
        *("-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"),
        *("-max_alloc", str(2**29), "-threads", "1"),
        *("-protocol_whitelist", "fd", "-format_whitelist", DEMUXERS, "-codec_whitelist", DECODERS),
        *("-max_streams", str(MAX_STREAMS)),
        *(("-f", demuxer) if demuxer else ()),
        *("-i", "fd:"),
    ]


def live_arguments(demuxer: str) -> list[str]:
    """The first audio track as bare samples, 16 kHz int16 mono, each packet as soon as it has come."""
    return [
        *("-fflags", "nobuffer", "-flags", "low_delay", "-probesize", "32", "-analyzeduration", "0"),
        *input_arguments(demuxer),
        *("-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le"),
        *("-flush_packets", "1", "-f", "s16le", "pipe:1"),
    ]


def decode_arguments(
    track: int, demuxer: str | None = None, origin: ClockOrigin = ANY_ORIGIN, *, edited: bool = False
) -> list[str]:
    """One audio track, all its channels, 16 kHz int16 with its clock as Matroska on standard output.

    track: 0 is the first
    edited: whether its edit list is followed here, and not by ffmpeg
    """
    return [
        *("-dts_delta_threshold", str(int(LONGEST_PAUSE))),
        *(("-copyts",) if origin.seconds is not None else ()),
        *(("-ignore_editlist", "1") if edited else ()),
        *input_arguments(demuxer),
        *("-map", f"0:a:{track}", "-af", f"aresample={SAMPLE_RATE}"),
        *("-c:a", "pcm_s16le", "-bitexact", "-f", "matroska", "pipe:1"),
        *(EVERY_STREAM if origin.every_stream else ()),
    ]


def _packaged() -> str | None:
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None


def _version(executable: Path) -> tuple[int, ...]:
    try:
        shown = subprocess.run([executable, "-version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return (0,)
    found = re.match(r"ffmpeg version n?(\d+(?:\.\d+)*)", shown.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)
