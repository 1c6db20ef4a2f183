"""Recordings of people, with the text that Whisper base hears in them when nothing is killed."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg

from benchmarks.chaos.history import Payer
from benchmarks.chaos.parts import deployed
from benchmarks.environments import PROJECT
from benchmarks.jobs.clients import JobClients
from benchmarks.jobs.history import SentJob, SentRecording
from benchmarks.jobs.receiver import receiving

SOURCES = ("conference.flac", "telephone.flac", "echo-test.flac", "rather-selfish.flac", "seven-of-clubs.flac")
SECONDS = (32, 46)  # of each, from its sources repeated: more than one window, and long enough to be killed in
CREDITS = 10_000


async def real_recordings() -> list[SentRecording]:
    with receiving() as receiver, tempfile.TemporaryDirectory(prefix="stt-jobs-real-") as place:
        folder = Path(place)
        settings = {
            "STT_JOBS_STORAGE": f"file://{place}/recordings",
            "STT_OUTGOING_PORTS": str(receiver.port),
            "STT_OUTGOING_PRIVATE_HOSTS": "127.0.0.1",
        }
        models = PROJECT / "model_repository"
        async with deployed(folder, triton_count=1, settings=settings, repository=models) as deployment:
            owner = Payer("reference", await deployment.create_key("reference", CREDITS))
            clients = JobClients([each.url for each in deployment.gateways], receiver.url, 900.0)
            jobs = [
                SentJob(number, owner, SentRecording(content, "talk.wav", 0, ""))
                for number, content in enumerate(_contents(folder))
            ]
            await asyncio.gather(*(clients.run(job) for job in jobs))
            await clients.close()
    wrong = [job.told or job.status for job in jobs if job.status != "completed"]
    if wrong:
        raise RuntimeError(f"without any kill: {wrong}")
    return [
        SentRecording(job.recording.content, "talk.wav", _milliseconds(job.recording.content), job.text) for job in jobs
    ]


def _contents(folder: Path) -> list[bytes]:
    """WAV files of one length each, so that the ledger names them by it."""
    found = []
    for number in range(2 * len(SOURCES)):
        source, other = (SOURCES[(number + step) % len(SOURCES)] for step in (0, 2))
        seconds = SECONDS[0] + (SECONDS[1] - SECONDS[0]) * number / (2 * len(SOURCES))
        target = folder / f"{number}.wav"
        mono = "aresample=16000,aformat=channel_layouts=mono"
        joined = f"[0:a]{mono}[a];[1:a]{mono}[b];[a][b]concat=n=2:v=0:a=1,aloop=-1:2e9"
        inputs = [part for name in (source, other) for part in ("-i", str(PROJECT / "tests" / "data" / name))]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", *inputs]
        subprocess.run([*command, "-filter_complex", joined, "-t", f"{seconds}", str(target)], check=True)
        found.append(target.read_bytes())
    return found


def _milliseconds(wav: bytes) -> int:
    return (len(wav) - 78) // 32
