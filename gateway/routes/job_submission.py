"""POST /v1/jobs: a recording is handed over. It is answered once nothing of it can be lost any more."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.accounts import Admission, Caller
from gateway.accounts.idempotency import checked_key
from gateway.draining import Work
from gateway.errors import BadParameter, ServiceError, Unavailable
from gateway.http.uploads import NO_ROOM, FormRules, Upload, UploadLimits, declared_bytes, drain, receive_form
from gateway.jobs.job import Job
from gateway.jobs.jobs import Jobs
from gateway.jobs.recording_options import deployed_model, recording_options
from gateway.requests.recordings import IDEMPOTENCY_HEADER, REPLAYED_HEADER, file_digest
from gateway.routes.job_report import job_report
from gateway.routes.jobs_access import jobs_of, owner
from gateway.routes.transcribe import RULES
from gateway.services import Services, services_of
from gateway.spool import request_folder
from gateway.summaries.styles import ALIASES, STYLES, find_style

LONGEST_METADATA = 4096  # bytes
BYTES_A_SECOND = 4000  # of a recording whose header does not say how long it is
OWN_FIELDS = ("metadata", "summary")  # beside those of /v1/transcribe
LATER = ("response_format", "speaker_labels")  # are chosen when the transcript is fetched


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client hands over, checked, its recording in the spool."""

    upload: Upload
    fields: Mapping[str, str]
    metadata: str | None  # JSON
    summary: str | None  # a style

    @property
    def asked(self) -> str:
        """All of it as text, beside the recording."""
        return json.dumps([dict(self.fields), self.metadata, self.summary], sort_keys=True)


async def submit_job(request: Request) -> Response:
    services, jobs = services_of(request), jobs_of(request)
    try:
        caller = await owner(request)
        key = request.headers.get(IDEMPOTENCY_HEADER)
        key = None if key is None else checked_key(key)
    except ServiceError:
        await drain(request)
        raise
    upload = declared_bytes(request) or caller.tier.largest_file
    with (
        services.draining.track(Work.FILE),
        services.progress.follow(request.state.request_id) as progress,
        services.capacity.recording(upload, caller.tier.share),
        request_folder(services.spool) as folder,
    ):
        async with services.accounts.admit_job(caller, secrets.token_hex(16)) as admission:
            largest = min(services.settings.media.max_upload_bytes, caller.tier.largest_file)
            idle = services.settings.media.upload_idle_seconds
            limits = UploadLimits(largest, idle, progress.received, services.file_writers)
            submission = await receive(request, limits, folder)
            job = await _job(services, caller, submission, key)
            return await _accept(jobs, admission, submission, job)


async def receive(request: Request, limits: UploadLimits, folder: Path) -> Submission:
    """raises: BadRequest, TooLarge, RequestTimeout, ClientGone"""
    form = await receive_form(request, limits, folder, _rules())
    if form.upload is None:
        raise BadParameter("The form has no field `file`; send the recording there.", "file")
    return _submission(form.upload, form.fields)


def _rules() -> FormRules:
    return replace(RULES, single_fields=(*(RULES.single_fields or ()), *OWN_FIELDS))


def _submission(upload: Upload, fields: Mapping[str, str]) -> Submission:
    """raises: BadParameter"""
    if upload.size == 0:
        raise BadParameter("The file is empty; send a recording with sound.", "file")
    own = {name: text for name, text in fields.items() if name in (RULES.single_fields or ()) and name not in LATER}
    return Submission(upload, own, read_metadata(fields.get("metadata", "")), read_style(fields.get("summary", "")))


def read_metadata(text: str) -> str | None:
    """JSON of an object, or None where there is none. Raises BadParameter."""
    if not text.strip():
        return None
    try:
        metadata = json.loads(text)
        packed = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        metadata, packed = None, ""
    if not isinstance(metadata, dict) or len(packed.encode("utf-8", "replace")) > LONGEST_METADATA:
        raise BadParameter("`metadata` is no JSON object of at most 4 KB.", "metadata")
    return packed.encode("utf-8", "replace").decode()


def read_style(text: str) -> str | None:
    """raises: BadParameter"""
    if not text.strip():
        return None
    if find_style(text) is None:
        accepted = ", ".join([*STYLES, *ALIASES])
        raise BadParameter(f"`summary` is {text[:40]!r}; accepted are {accepted}.", "summary")
    return text.strip()


async def _job(services: Services, caller: Caller, submission: Submission, key: str | None) -> Job:
    """raises: BadParameter, UnsupportedMedia, Unavailable"""
    upload = submission.upload
    options = recording_options(submission.fields)
    model = deployed_model(services.models, options)
    claimed = await services.media.inspect(upload.path, upload.name)
    return Job(
        id=secrets.token_hex(16),
        subject=caller.subject,
        caller=caller.name,
        tier=caller.tier.name,
        key_prefix=caller.key,
        cost=math.ceil(claimed.duration or upload.size / BYTES_A_SECOND),
        model=options.model or model.id,
        parameters=json.dumps(dict(submission.fields), ensure_ascii=False),
        user_metadata=submission.metadata,
        file_name=upload.name[:255],
        size=upload.size,
        stored=1,
        summary_style=submission.summary,
        idempotency_key=key,
        fingerprint=None if key is None else await file_digest(upload.path, submission.asked),
    )


async def _accept(jobs: Jobs, admission: Admission, submission: Submission, job: Job) -> Response:
    """raises: BadParameter where the Idempotency-Key was used for something else, Unavailable"""
    added = None if job.idempotency_key is None else await jobs.store.by_key(job.subject, job.idempotency_key)
    if added is None:
        try:
            await jobs.storage.put(job.recording, submission.upload.path)
        except OSError as problem:
            if problem.errno in NO_ROOM:
                raise Unavailable("There is no room for the recording at the moment.", 60) from problem
            raise
        added = await jobs.submit(job)
        if added.id != job.id:
            await jobs.storage.remove([job.recording])
    if added.fingerprint != job.fingerprint:
        raise BadParameter("This Idempotency-Key was used for another file or other options; use a new one.")
    headers = {"Location": f"/v1/jobs/{added.id}", **admission.limit.headers()}
    if added.id != job.id:
        headers[REPLAYED_HEADER] = "true"
    return JSONResponse(job_report(added, jobs.settings), 202, headers)
