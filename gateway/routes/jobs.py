"""/v1/jobs/{id}: a job, its transcript, changes to it, its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.jobs import WebhookSecret
from gateway.errors import BadParameter, BadRequest, Conflict, NotFound
from gateway.http.json_body import read_body, read_object
from gateway.http.parameters import read_transcribe_parameters
from gateway.jobs.job import Job, JobTranscript
from gateway.jobs.report import job_report
from gateway.jobs.revision import Corrections, revised
from gateway.requests.jobs import RecordingResult
from gateway.routes.job_submission import read_metadata
from gateway.routes.jobs_access import jobs_of, own_job, owner
from gateway.routes.transcribe import respond
from gateway.services import services_of
from gateway.transcript.rendering import read_fields

LOOK_AGAIN = 5  # seconds until a job may have ended
LARGEST_CHANGE = 1024**2  # bytes
LONGEST_TEXT = 200  # characters of a name or a word
CHANGES = '{"speakers": {"Speaker 1": "Ann"}, "words": [{"segment": 0, "word": 3, "text": "Dashwood"}], "metadata": {}}'


async def show_job(request: Request) -> Response:
    return JSONResponse(job_report(await own_job(request), jobs_of(request).settings))


async def show_transcript(request: Request) -> Response:
    job = await own_job(request)
    stored = await _transcript(request, job)
    query = dict(request.query_params)
    if "speaker_vectors" in stored:
        query["speaker_vectors"] = "true"
    parameters = read_transcribe_parameters({**query, "known_speakers": ""})
    vectors: Mapping[str, str] = stored.get("speaker_vectors", {})
    return respond(parameters, RecordingResult(read_fields(stored), stored["model"], vectors))


async def change_job(request: Request) -> Response:
    job, jobs = await own_job(request), jobs_of(request)
    idle = services_of(request).settings.media.upload_idle_seconds
    changes = read_object(await read_body(request, LARGEST_CHANGE, idle), CHANGES)
    if unknown := set(changes) - {"speakers", "words", "metadata"}:
        raise BadParameter(f"`{min(unknown)[:40]}` cannot be changed; accepted is such as {CHANGES}.")
    values: dict[str, Any] = {}
    if "metadata" in changes:
        given = changes["metadata"]
        values["user_metadata"] = None if given is None else read_metadata(json.dumps(given))
    transcript = None
    if "speakers" in changes or "words" in changes:
        stored = await _transcript(request, job)
        transcript = revised(stored, _names(changes.get("speakers", {})), _words(changes.get("words", [])))
    await jobs.store.revise(job.id, transcript, values)
    return await show_job(request)


async def remove_job(request: Request) -> Response:
    """One that waits or is in work is cancelled; one that has ended is removed with all that is stored of it."""
    job, jobs = await own_job(request), jobs_of(request)
    if not job.ended and await jobs.cancel(job):
        return await show_job(request)
    await jobs.remove([job.id])
    return Response(status_code=204)


async def resend_webhook(request: Request) -> Response:
    """raises: BadParameter where there is none, Conflict while it is sent"""
    job, jobs = await own_job(request), jobs_of(request)
    if job.webhook_url is None or not job.ended:
        raise BadRequest("The job has no webhook that could be sent again: it has no `webhook_url`, or has not ended.")
    again = await jobs.webhooks.store.again(job)
    if again is None:
        raise Conflict("The job's webhook is being sent at this moment.", LOOK_AGAIN)
    await jobs.webhooks.begin(again)
    return JSONResponse(job_report(again, jobs.settings), 202)


async def show_webhook_secret(request: Request) -> Response:
    return await _secret(request, new=False)


async def renew_webhook_secret(request: Request) -> Response:
    return await _secret(request, new=True)


async def _secret(request: Request, *, new: bool) -> Response:
    caller = await owner(request)
    answer: WebhookSecret = {"secret": await jobs_of(request).webhooks.store.secret(caller.subject, new=new)}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


async def _transcript(request: Request, job: Job) -> JobTranscript:
    """raises: Conflict while there is none yet; NotFound where there will be none"""
    if not job.ended:
        raise Conflict(f"The job is {job.status}; its transcript is there once it is completed.", LOOK_AGAIN)
    stored = await jobs_of(request).store.transcript(job.id) if job.status == "completed" else None
    if stored is None:
        raise NotFound(f"The job is {job.status}; it has no transcript.")
    return stored


def _names(given: Any) -> dict[str, str]:
    """raises: BadParameter"""
    if not isinstance(given, dict) or not all(isinstance(name, str) and _is_name(name) for name in given.values()):
        message = f"`speakers` is no object of names of 1 to {LONGEST_TEXT} characters; accepted is such as {CHANGES}."
        raise BadParameter(message, "speakers")
    return {speaker: " ".join(name.split()) for speaker, name in given.items()}


def _is_name(name: str) -> bool:
    return bool(name.strip()) and len(name) <= LONGEST_TEXT and _is_text(name)


def _words(given: Any) -> Corrections:
    """raises: BadParameter"""
    if not isinstance(given, list) or not all(isinstance(each, dict) and _is_correction(each) for each in given):
        raise BadParameter(f"`words` is no list of corrections; accepted is such as {CHANGES}.", "words")
    return {(each["segment"], each["word"]): " ".join(each["text"].split()) for each in given}


def _is_correction(given: dict[str, Any]) -> bool:
    places = (given.get("segment"), given.get("word"))
    text = given.get("text")
    is_place = all(isinstance(place, int) and not isinstance(place, bool) and place >= 0 for place in places)
    return is_place and isinstance(text, str) and len(text) <= LONGEST_TEXT and _is_text(text)


def _is_text(text: str) -> bool:
    """JSON may hold half a character, which no store takes; NUL is nothing that PostgreSQL takes."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text
