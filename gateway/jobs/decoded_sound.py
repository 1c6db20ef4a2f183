"""A job's decoded sound in the object storage, so that whoever goes on does not decode it again."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from gateway.jobs.job import Job
from gateway.media.recording import PcmFile, Recording
from gateway.storage.objects import NotStored, ObjectStorage, in_pieces
from speech.activity import Probabilities

WORTH_SECONDS = 60.0  # of sound: less is decoded again sooner than it is read


def sound_names(identity: str) -> tuple[str, str]:
    """Samples and speech. The second is written last: it is there only where both are whole."""
    return f"{identity}/sound.pcm", f"{identity}/speech.npz"


async def keep_sound(storage: ObjectStorage, job: Job, recording: Recording) -> None:
    """Channels that are transcribed each for itself are decoded again: they are as many times the sound."""
    if recording.duration < WORTH_SECONDS or recording.channels:
        return
    samples, speech = sound_names(job.id)
    await storage.put(samples, in_pieces(recording.pcm.data.cast("B")))
    await storage.put(speech, _pack(recording))


async def load_sound(storage: ObjectStorage, job: Job, workdir: Path) -> Recording | None:
    """To be closed; None where it was not kept."""
    samples, speech = sound_names(job.id)
    file = PcmFile(workdir)
    try:
        kept = b"".join([piece async for piece in storage.get(speech)])
        left = b""
        async for piece in storage.get(samples):
            whole = left + piece
            even = len(whole) // 2 * 2
            left = whole[even:]
            await asyncio.to_thread(file.write, np.frombuffer(whole[:even], dtype="<i2"))
        probabilities, warnings = _unpack(kept)
        return Recording(file.read(), probabilities, warnings, file)
    except (NotStored, ValueError, KeyError, zipfile.BadZipFile):
        file.close()
        return None
    except BaseException:
        file.close()
        raise


def _pack(recording: Recording) -> bytes:
    file = io.BytesIO()
    np.savez(file, speech=recording.speech, warnings=np.frombuffer(json.dumps(recording.warnings).encode(), np.uint8))
    return file.getvalue()


def _unpack(content: bytes) -> tuple[Probabilities, tuple[str, ...]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["speech"], tuple(json.loads(arrays["warnings"].tobytes()))
