"""One job from its turn to its end, by whichever gateway has it; what an earlier one has done is not done again.

The order at the end makes the charge exact: the transcript is kept, then the job's one admission is settled, then
the job is completed. Whoever is killed in between leaves a job whose next attempt has only the rest to do, and an
admission that is settled charges nothing again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway.accounts import Caller
from gateway.concurrency import run_together
from gateway.errors import InternalError, ServiceError, Unavailable
from gateway.jobs.checkpoints import CheckpointedDiarizer, CheckpointedWhisper, Checkpoints
from gateway.jobs.decoded_sound import keep_sound, load_sound, sound_names
from gateway.jobs.job import Job
from gateway.jobs.recording_options import recording_job
from gateway.jobs.recording_source import RecordingSource
from gateway.jobs.store import AttemptEnded, JobStore
from gateway.jobs.summaries import summarize
from gateway.jobs.webhooks import pending_webhook
from gateway.media.recording import Recording
from gateway.outgoing.address_rules import AddressRules
from gateway.progress import ProgressTracker
from gateway.recognition.channels import ChannelRecognizer
from gateway.recognition.diarizer import TritonDiarizer
from gateway.recognition.recognizer import Recognizer
from gateway.requests.jobs import AdmittedRequest, RecordingJob, decode, with_warnings
from gateway.requests.known_voices import recognizer_of
from gateway.services import Services
from gateway.spool import request_folder
from gateway.storage.objects import ObjectStorage
from gateway.transcript.rendering import fields

CHECKPOINT_SECONDS = 1.0  # between two; what was recognized since is what a kill costs
MOST_ATTEMPTS = 25  # of a job: one that ends its gateway each time is given up
MOST_FAILURES = 3  # for reasons that nobody foresaw, in one gateway
PATIENCE_SECONDS = 86_400.0  # for which a job waits for an engine that is away
RETRY_SECONDS = (2.0, 60.0)  # first and longest wait for an engine that is away

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobWorker:
    services: Services
    store: JobStore
    storage: ObjectStorage
    rules: AddressRules  # of what is fetched
    on_end: Callable[[Job], Awaitable[None]]  # hears of each job that has ended

    async def run(self, identity: str) -> None:
        """Until the job has ended, or is another's. Only the gateway's own end, by cancellation, ends it sooner."""
        job: Job | None = None
        wait, failures, began = RETRY_SECONDS[0], 0, time.monotonic()
        while True:
            try:
                job = job or await self.store.begin(identity)
                if job is not None:
                    await self._attempt(job)
                return
            except AttemptEnded:
                return await self._clean(identity)
            except Unavailable as problem:
                _log.warning("job %s waits: %s", identity, problem.message)
                given_up = time.monotonic() - began > PATIENCE_SECONDS
            except Exception:
                _log.exception("job %s failed unexpectedly", identity)
                failures += 1
                given_up = failures >= MOST_FAILURES
            if job is not None and given_up:
                with suppress(Unavailable, AttemptEnded):
                    return await self._end(job, InternalError())
            await asyncio.sleep(wait)
            wait = min(2 * wait, RETRY_SECONDS[1])

    async def _attempt(self, job: Job) -> None:
        """raises: AttemptEnded, Unavailable"""
        try:
            if job.attempt > MOST_ATTEMPTS:
                raise InternalError(f"The job did not end in {MOST_ATTEMPTS} attempts and was given up.")
            await self._work(job)
        except Unavailable:
            raise
        except ServiceError as error:
            return await self._end(job, error)
        await self._end(job)

    async def _end(self, job: Job, error: ServiceError | None = None) -> None:
        values: dict[str, Any] = {"status": "completed", "progress": 1.0}
        if error is not None:
            values = {"status": "failed", "error": error.message, "error_status": error.status}
        await self.store.end(job, **values, **pending_webhook(job, self.store.now()))
        _log.info("job %s: %s", job.id, values["status"])
        if job.webhook_url and (ended := await self.store.find(job.id)) is not None:
            await self.on_end(ended)
        with suppress(Unavailable):  # it goes with the recording
            await self.storage.remove(sound_names(job.id))

    async def _clean(self, identity: str) -> None:
        """What this gateway stored of a job while its owner cancelled or deleted it."""
        with suppress(Unavailable):  # then they are found as files of no job
            job = await self.store.find(identity)
            if job is None or job.status == "cancelled":
                await self.storage.clear(identity)

    async def _work(self, job: Job) -> None:
        """Everything that can be cancelled by the job's owner."""
        caller = self.services.accounts.caller(job.subject, job.caller, job.tier, job.key_prefix)
        checkpoints = await Checkpoints.open(self.store, job)
        async with run_together(self._recognize(job, caller, checkpoints), _write_on(checkpoints)) as (work, writing):
            await asyncio.wait((work, writing), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                writing.result()  # it raises
            work.result()

    async def _recognize(self, job: Job, caller: Caller, checkpoints: Checkpoints) -> None:
        async with self.services.accounts.admit_job(caller, job.id) as admission:
            charged = checkpoints.charged or job.duration or 0.0
            if await self.store.transcript(job.id) is None:
                progress = JobProgress(checkpoints=checkpoints)
                admitted = AdmittedRequest(self._services(checkpoints), caller, admission, progress)
                charged = await self._transcribe(admitted, job, checkpoints)
            await admission.settle(charged)
        self.services.metrics.count_audio("file", charged)
        if job.summary_style:
            await summarize(self.services, self.store, job, caller)

    async def _transcribe(self, admitted: AdmittedRequest, job: Job, checkpoints: Checkpoints) -> float:
        """returns: seconds of sound that are charged"""
        async with request_folder(self.services.spool) as folder:
            asked = recording_job(admitted, job, folder / "recording")
            async with self._decoded(admitted, job, asked) as recording:
                await self.store.change(job, duration=recording.duration)
                checkpoints.keep_charged(recording.charged)
                using = await recognizer_of(admitted, asked)
                progress = admitted.progress
                if recording.channels:
                    apart = self._channel_recognizer(asked, checkpoints)
                    transcript = await apart.transcribe(recording, asked.recognition, progress.recognized)
                else:
                    transcript = await using.recognizer.transcribe(
                        recording, asked.recognition, progress.recognized, progress
                    )
                transcript = with_warnings(transcript, (*asked.warnings, *using.warnings))
                answer: dict[str, Any] = {**fields(transcript, asked.recognition.model)}
                if asked.options.speaker_vectors:
                    answer["speaker_vectors"] = using.vectors(admitted, transcript)
                await checkpoints.write()
                await self.store.keep(job, answer, model=asked.recognition.model)
                return recording.charged

    def _channel_recognizer(self, asked: RecordingJob, checkpoints: Checkpoints) -> ChannelRecognizer:
        """Tells no text meanwhile: channels are at different places of the recording."""
        recognizer = Recognizer(CheckpointedWhisper(self.services.whisper.recognize, checkpoints))
        return ChannelRecognizer(recognizer, asked.options.channel_names)

    @asynccontextmanager
    async def _decoded(self, admitted: AdmittedRequest, job: Job, asked: RecordingJob) -> AsyncIterator[Recording]:
        """The recording, with enough held for it; its sound is kept while the block runs."""
        kept = await load_sound(self.storage, job, self.services.spool)
        async with AsyncExitStack() as stack:
            if kept is not None:
                recording = stack.enter_context(kept)
            else:
                source = RecordingSource(self.store, self.storage, self.rules)
                path = await stack.enter_async_context(source.opened(admitted, job, asked.upload.path))
                asked = replace(asked, upload=replace(asked.upload, path=path))
                await _hold_claimed(admitted, asked)
                recording = stack.enter_context(await decode(admitted, asked, float("inf")))
                await stack.enter_async_context(run_together(self._keep_sound(job, recording)))
            await admitted.admission.hold(recording.charged)
            yield recording

    async def _keep_sound(self, job: Job, recording: Recording) -> None:
        try:
            await keep_sound(self.storage, job, recording)
        except Unavailable as problem:
            _log.warning("the decoded sound of job %s could not be kept: %s", job.id, problem.message)
        except Exception:
            _log.warning("the decoded sound of job %s could not be kept", job.id, exc_info=True)

    def _services(self, checkpoints: Checkpoints) -> Services:
        """With models that remember."""
        whole = self.services.recognizer
        recognizer = Recognizer(CheckpointedWhisper(self.services.whisper.recognize, checkpoints), checkpoints.say)
        diarizer = whole.diarizer
        if isinstance(diarizer, TritonDiarizer):
            diarizer = CheckpointedDiarizer(diarizer, checkpoints)
        return replace(self.services, recognizer=replace(whole, recognizer=recognizer, diarizer=diarizer))


async def _hold_claimed(admitted: AdmittedRequest, asked: RecordingJob) -> None:
    """Before the sound is decoded, as much as the file claims to need."""
    if admitted.admission.by_duration:
        claimed = await admitted.services.media.inspect(asked.upload.path, asked.upload.name)
        await admitted.admission.hold(claimed.duration or 0.0)


async def _write_on(checkpoints: Checkpoints) -> None:
    """Until the work ends, or is no longer this gateway's. Raises AttemptEnded."""
    while True:
        await asyncio.sleep(CHECKPOINT_SECONDS)
        with suppress(Unavailable):  # the next one has what this one had
            await checkpoints.write()


@dataclass(slots=True)
class JobProgress(ProgressTracker):
    """Tells the checkpoints how far the recognition is."""

    checkpoints: Checkpoints | None = None

    def recognized(self, seconds: float, of: float) -> None:
        ProgressTracker.recognized(self, seconds, of)
        if self.checkpoints is not None:
            self.checkpoints.recognized(seconds, of)
