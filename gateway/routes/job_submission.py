"""POST /v1/jobs: a recording is handed over. It is answered once nothing of it can be lost any more."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.accounts import Admission, Caller
from gateway.accounts.idempotency import checked_key
from gateway.draining import Work
from gateway.errors import BadParameter, BadRequest, ServiceError, Unavailable
from gateway.http.json_body import read_body, read_object
from gateway.http.uploads import FormRules, Upload, UploadLimits, declared_bytes, drain, receive_form
from gateway.jobs.job import Job
from gateway.jobs.jobs import Jobs
from gateway.jobs.recording_options import deployed_model, recording_options
from gateway.jobs.report import job_report
from gateway.outgoing.address_rules import AddressRules
from gateway.outgoing.checked_connections import refuse_private
from gateway.requests.jobs import check_one
from gateway.requests.recordings import IDEMPOTENCY_HEADER, REPLAYED_HEADER, file_digest
from gateway.requests.uploads import FIELD as UPLOAD_FIELD
from gateway.requests.uploads import upload_as_file
from gateway.routes.jobs_access import jobs_of, owner
from gateway.routes.transcribe import RULES
from gateway.services import Services, services_of
from gateway.spool import request_folder
from gateway.summaries.styles import ALIASES, STYLES, find_style

LONGEST_METADATA = 4096  # bytes
LARGEST_BODY = 12 * 1024**2  # bytes of JSON: known speakers may be in it
EXAMPLE = '{"url": "https://host/file.mp3", "language": "en"}'
JSON_FIELDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("url", UPLOAD_FIELD, "webhook_url", "summary", "model", "language"), ((str,), "text")),
    "metadata": ((dict, type(None)), "object"),
    "diarize": ((bool,), "boolean"),
}
UNKNOWN_SECONDS = 600  # of sound that is not fetched yet
BYTES_A_SECOND = 4000  # of a recording whose header does not say how long it is
OWN_FIELDS = ("metadata", "summary", UPLOAD_FIELD, "url", "webhook_url")  # beside those of /v1/transcribe
OTHER_REQUEST = "This Idempotency-Key was used for another file or other options; use a new one."
LATER = ("response_format", "speaker_labels", "subtitle_columns")  # are chosen when the transcript is fetched


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client hands over, checked, its recording in the spool."""

    upload: Upload | None  # None: it is fetched from `url`, or was uploaded before
    url: str | None
    resumable: str | None  # id of the upload
    fields: Mapping[str, str]
    metadata: str | None  # JSON
    summary: str | None  # a style
    webhook: str | None  # an address

    @property
    def asked(self) -> str:
        """All of it as text, beside the recording."""
        asked = [dict(self.fields), self.metadata, self.summary, self.webhook, self.url]
        return json.dumps([*asked, *filter(None, [self.resumable])], sort_keys=True)

    async def fingerprint(self) -> str:
        """Of a resumable upload its id stands for its content, so that a job has it still when the upload is gone."""
        path = self.upload.path if self.upload and not self.resumable else None
        return await file_digest(path, self.asked)


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
    ):
        async with (
            request_folder(services.spool) as folder,
            services.accounts.admit_job(caller, secrets.token_hex(16)) as admission,
        ):
            largest = min(services.settings.media.max_upload_bytes, caller.tier.largest_file)
            idle = services.settings.media.upload_idle_seconds
            limits = UploadLimits(largest, idle, progress.received, services.file_writers)
            submission = _submission(*await receive(request, limits, folder), jobs.rules)
            await _refuse_private(submission, jobs.rules)
            if (earlier := await _earlier(jobs, caller, submission, key)) is not None:
                return _answer(jobs, admission, earlier, replayed=True)
            async with AsyncExitStack() as stack:
                if submission.resumable:
                    fetching = upload_as_file(request, caller, submission.resumable, folder / "upload")
                    submission = replace(submission, upload=await stack.enter_async_context(fetching))
                job = await _job(services, caller, submission, key)
                return await _accept(jobs, admission, submission, job)


async def receive(request: Request, limits: UploadLimits, folder: Path) -> tuple[Upload | None, Mapping[str, str]]:
    """The recording and the fields. raises: BadRequest, TooLarge, RequestTimeout, ClientGone"""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return None, read_json_fields(await read_body(request, LARGEST_BODY, limits.idle_seconds))
    form = await receive_form(request, limits, folder, _rules())
    return form.upload, form.fields


def read_json_fields(body: bytes) -> dict[str, str]:
    """As a form would have them. Raises BadRequest"""
    given = read_object(body, EXAMPLE)
    for name, (kinds, called) in JSON_FIELDS.items():
        if name in given and type(given[name]) not in kinds:
            raise BadParameter(f"`{name}` is no {called}; accepted is such as {EXAMPLE}.", name)
    fields = {}
    for name, value in given.items():
        if isinstance(value, str):
            fields[name] = value
        elif isinstance(value, list) and all(isinstance(each, str) for each in value):
            fields[name] = ",".join(value)
        elif value is not None:
            fields[name] = json.dumps(value)
    if any("\0" in text or text != text.encode("utf-8", "replace").decode() for text in fields.values()):
        raise BadRequest("The body holds characters that are none.")
    return fields


def _rules() -> FormRules:
    return replace(RULES, single_fields=(*(RULES.single_fields or ()), *OWN_FIELDS))


def _submission(upload: Upload | None, fields: Mapping[str, str], rules: AddressRules) -> Submission:
    """raises: BadParameter"""
    url, webhook = fields.get("url", "").strip(), fields.get("webhook_url", "").strip()
    resumable = fields.get(UPLOAD_FIELD, "").strip()
    check_one({"file": upload, "url": url, UPLOAD_FIELD: resumable})
    if not (upload or url or resumable):
        raise BadParameter("There is neither a `file` nor a `url` nor an `upload`; send the recording as one.", "file")
    if upload is not None and upload.size == 0:
        raise BadParameter("The file is empty; send a recording with sound.", "file")
    if url:
        rules.check(url)
    if webhook:
        rules.check(webhook, "webhook_url")
    own = {name: text for name, text in fields.items() if name in (RULES.single_fields or ()) and name not in LATER}
    return Submission(
        upload=upload,
        url=url or None,
        resumable=resumable or None,
        fields=own,
        metadata=read_metadata(fields.get("metadata", "")),
        summary=read_style(fields.get("summary", "")),
        webhook=webhook or None,
    )


async def _refuse_private(submission: Submission, rules: AddressRules) -> None:
    """raises: BadParameter"""
    if submission.url:
        await refuse_private(rules, submission.url)
    if submission.webhook:
        await refuse_private(rules, submission.webhook, "webhook_url")


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
    return Job(
        id=secrets.token_hex(16),
        subject=caller.subject,
        caller=caller.name,
        tier=caller.tier.name,
        key_prefix=caller.key,
        cost=UNKNOWN_SECONDS if upload is None else await _seconds(services, upload),
        model=options.model or model.id,
        parameters=json.dumps(dict(submission.fields), ensure_ascii=False),
        user_metadata=submission.metadata,
        file_name=_name(submission)[:255],
        size=0 if upload is None else upload.size,
        stored=int(upload is not None),
        source_url=submission.url,
        summary_style=submission.summary,
        webhook_url=submission.webhook,
        webhook_state="waiting" if submission.webhook else None,
        idempotency_key=key,
        fingerprint=None if key is None else await submission.fingerprint(),
    )


async def _seconds(services: Services, upload: Upload) -> int:
    """Of sound, as far as the file tells. Raises UnsupportedMedia"""
    claimed = await services.media.inspect(upload.path, upload.name)
    return math.ceil(claimed.duration or upload.size / BYTES_A_SECOND)


def _name(submission: Submission) -> str:
    if submission.upload is not None:
        return submission.upload.name
    return unquote(urlsplit(submission.url or "").path.rpartition("/")[2])


async def _earlier(jobs: Jobs, caller: Caller, submission: Submission, key: str | None) -> Job | None:
    """The job that took this resumable upload over under the same Idempotency-Key. Raises BadParameter"""
    if key is None or submission.resumable is None:
        return None
    found = await jobs.store.by_key(caller.subject, key)
    if found is not None and found.fingerprint != await submission.fingerprint():
        raise BadParameter(OTHER_REQUEST)
    return found


async def _accept(jobs: Jobs, admission: Admission, submission: Submission, job: Job) -> Response:
    """raises: BadParameter where the Idempotency-Key was used for something else, Unavailable"""
    added = None if job.idempotency_key is None else await jobs.store.by_key(job.subject, job.idempotency_key)
    if added is None:
        if submission.upload is not None:
            await jobs.storage.put(job.recording, submission.upload.path)
        added = await jobs.submit(job)
        if added.id != job.id:
            await jobs.storage.remove([job.recording])
    if added.fingerprint != job.fingerprint:
        raise BadParameter(OTHER_REQUEST)
    if submission.resumable is not None:
        with suppress(Unavailable):  # it expires
            await jobs.uploads.remove(submission.resumable)
    return _answer(jobs, admission, added, replayed=added.id != job.id)


def _answer(jobs: Jobs, admission: Admission, job: Job, *, replayed: bool) -> Response:
    headers = {"Location": f"/v1/jobs/{job.id}", **admission.limit.headers()}
    if replayed:
        headers[REPLAYED_HEADER] = "true"
    return JSONResponse(job_report(job, jobs.settings), 202, headers)
