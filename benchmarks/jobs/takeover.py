"""What a gateway that is killed near the end of a long recording costs: another goes on, then the same one anew.

Speech is joined to hours, with faint noise over it so that no window comes twice. What is counted is what the models
are asked again, and how long the job stands still.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import imageio_ffmpeg
import numpy as np

from benchmarks.chaos.parts import RunningPart, SmallDeployment, deployed
from benchmarks.environments import PROJECT
from benchmarks.processes import processor_seconds
from benchmarks.recordings import load
from speech.audio import SAMPLE_RATE

KILLS = (("another gateway", 0.9), ("the same gateway, started again", 0.95))  # who goes on, and the share that is done
CREDITS = 1_000_000
NOISE = 8.0  # of 32,768: no window of joined speech is another's
LEASE_SECONDS = 60.0  # as a service has them by default: a busy machine is not a dead gateway
PATIENCE = 7200.0  # seconds for all of it
LOOK_SECONDS = 0.25
PUBLISHED_SECONDS = 1.5  # within which the model's figures are those of now


@dataclass(frozen=True)
class Takeover:
    who: str  # goes on
    progress: float
    stood_still: float  # seconds from the kill until another window was kept
    processor: float  # seconds of the gateway that went on, until then
    kept: int  # windows that nobody had to ask for again
    asked_again: int  # windows that the model had been given, and whose answer was not kept


@dataclass
class TakeoverResult:
    hours: float
    takeovers: list[Takeover] = field(default_factory=list)
    seconds: float = 0.0  # from acceptance to the end
    processor: float = 0.0  # of everything, in that time
    attempts: int = 0
    charges: int = 0
    words: int = 0


async def run_takeover(hours: float) -> TakeoverResult:
    """raises: RuntimeError if the job does not complete; RecordingsMissing"""
    with tempfile.TemporaryDirectory(prefix="stt-takeover-") as place:
        recording = await asyncio.to_thread(joined_speech, Path(place), hours)
        settings = {
            "STT_JOBS_STORAGE": f"file://{place}/recordings",
            "STT_ACCOUNTS_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        models = PROJECT / "model_repository"
        async with (
            deployed(Path(place), triton_count=1, settings=settings, repository=models) as deployment,
            deployment.store() as store,
        ):
            return await TakeoverRun(deployment, store, TakeoverResult(hours)).measure(recording)


def joined_speech(folder: Path, hours: float) -> Path:
    """English recordings one after another, again and again, as FLAC."""
    recordings = [each for each in load() if each.language == "en" and each.text and each.duration > 5]
    samples, chance, path = round(hours * 3600 * SAMPLE_RATE), np.random.default_rng(1), folder / "talk.flac"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "s16le", "-ar", str(SAMPLE_RATE)]
    with subprocess.Popen([*command, "-ac", "1", "-i", "-", str(path)], stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        for each in itertools.cycle(recordings):
            if samples <= 0:
                break
            speech = each.pcm[:samples]
            noise = chance.normal(0, NOISE, len(speech))
            ffmpeg.stdin.write(np.clip(speech + noise, -32768, 32767).astype("<i2").tobytes())
            samples -= len(speech)
    return path


@dataclass
class TakeoverRun:
    deployment: SmallDeployment
    store: asyncpg.Connection
    result: TakeoverResult
    job: str = ""

    async def measure(self, recording: Path) -> TakeoverResult:
        key = await self.deployment.create_key("owner", CREDITS)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(timeout=300, headers=headers, trust_env=False) as client:
            with recording.open("rb") as file:
                form = {"files": {"file": ("talk.flac", file)}, "data": {"language": "en"}}
                accepted = await client.post(f"{self.deployment.gateways[0].url}/v1/jobs", **form)  # type: ignore[arg-type]
            self.job = accepted.raise_for_status().json()["id"]
            began, processor = time.monotonic(), processor_seconds(os.getpid())
            async with asyncio.timeout(PATIENCE):
                for who, share in KILLS:
                    await self._until(share)
                    self.result.takeovers.append(await self._take_over(who))
                await self._until(1.0)
            self.result.seconds = time.monotonic() - began
            self.result.processor = processor_seconds(os.getpid()) - processor
            url = next(each.url for each in self.deployment.gateways if not each.down)
            transcript = await client.get(f"{url}/v1/jobs/{self.job}/transcript")
            self.result.words = len(transcript.raise_for_status().json()["text"].split())
        self.result.attempts = await self.store.fetchval("SELECT attempt FROM jobs WHERE id = $1", self.job)
        charged = "SELECT count(*) FROM ledger WHERE admission = $1 AND kind = 'settle'"
        self.result.charges = await self.store.fetchval(charged, self.job)
        return self.result

    async def _until(self, share: float) -> None:
        """1.0: until its end. raises: RuntimeError if it is another one than completed"""
        while True:
            status, progress = await self.store.fetchrow("SELECT status, progress FROM jobs WHERE id = $1", self.job)
            if status not in ("queued", "processing", "completed"):
                raise RuntimeError(f"the job is {status}")
            if status == "completed" or (share < 1 and progress >= share):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _take_over(self, who: str) -> Takeover:
        working = await self._working()
        other = next(each for each in self.deployment.gateways if each is not working)
        again = who != "another gateway"
        progress = await self.store.fetchval("SELECT progress FROM jobs WHERE id = $1", self.job)
        before = 0.0 if again else processor_seconds(other.pid)
        await asyncio.to_thread(working.kill)
        killed, kept = time.monotonic(), await self._kept()
        if again:
            working.start()
        await asyncio.sleep(PUBLISHED_SECONDS)
        given = await self._given()
        while await self._kept() <= kept:
            await asyncio.sleep(LOOK_SECONDS)
        goes_on = working if again else other
        stood_still, spent = time.monotonic() - killed, processor_seconds(goes_on.pid) - before
        return Takeover(who, progress, stood_still, spent, kept, given - kept)

    async def _working(self) -> RunningPart:
        """The gateway that has the job."""
        pending = "SELECT executor_id FROM dbos.workflow_status WHERE status = 'PENDING' AND executor_id <> ''"
        for row in await self.store.fetch(pending):
            pid = row["executor_id"].split("|")[1]
            for gateway in self.deployment.gateways:
                if not gateway.down and str(gateway.pid) == pid:
                    return gateway
        raise RuntimeError("nobody has the job")

    async def _kept(self) -> int:
        """Windows whose answers are in the database."""
        counted = "SELECT count(*) FROM job_windows WHERE job = $1 AND digest <> 'charged'"
        return int(await self.store.fetchval(counted, self.job))

    async def _given(self) -> int:
        """Windows that the model has been given so far."""
        line = next(
            line for line in self.deployment.tritons[0].log.read_text().splitlines() if "Triton answers" in line
        )
        async with httpx.AsyncClient(trust_env=False) as client:
            metrics = (await client.get(line.split()[-1])).text
        named = (line.split() for line in metrics.splitlines() if line.startswith("whisper_admissions_total{"))
        return round(sum(float(value) for *_, value in named))
