"""One recording in hand: its form read, its sound decoded, its length paid for."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.accounts import Admission, Caller, IdempotentResult, StoredResponse
from gateway.errors import BadParameter, RecordingTooLong, ServiceError, Unavailable
from gateway.http.connection import while_connected
from gateway.http.known_speakers import KnownSpeaker
from gateway.http.uploads import Form, Upload, UploadLimits, receive_form
from gateway.media.recording import Recording
from gateway.media.tracks import ONE_TRACK, TrackChoice
from gateway.outgoing.address_rules import AddressRules
from gateway.outgoing.download import Download, DownloadLimits
from gateway.progress import ProgressTracker
from gateway.recognition.doubts import NO_SPEECH
from gateway.recognition.request import RecognitionRequest
from gateway.requests.uploads import upload_as_file
from gateway.services import Services
from gateway.settings import Settings
from gateway.spool import NO_ROOM, request_folder
from speech.transcript import Segment, Transcript

ReceiveForm = Callable[[Request, UploadLimits, Path], Awaitable[Form]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWriter:
    """How a protocol writes a recording's text while it is recognized, as server-sent events."""

    segments: Callable[[Sequence[Segment], str], str]  # the next ones, in the language of their text
    done: Callable[[Transcript], str]
    error: Callable[[ServiceError], str]


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """What an answer is made of."""

    transcript: Transcript
    model: str  # id of the one that recognized it
    vectors: Mapping[str, str] = field(default_factory=dict)  # signed voices by speaker, where they are wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """What a form asks for, checked, beside its file."""

    model: str  # as the client named it; "": it named none
    recognition: RecognitionRequest
    respond: Callable[[RecordingResult], Response]
    asked: str  # all of it as text: equal for requests that ask for the same
    events: EventWriter | None = None  # None: one answer, when all is done
    known: Sequence[KnownSpeaker] = ()  # whose voices get their names
    known_parameter: str = "known_speakers"  # the field that they came in
    speaker_vectors: bool = False  # whether the answer has the speakers' voices
    tracks: TrackChoice = ONE_TRACK  # of the recording, its language left to `recognition`
    channel_names: tuple[str, ...] = ()  # where channels are transcribed each for itself


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingJob:
    upload: Upload
    options: RecordingOptions
    recognition: RecognitionRequest  # for this caller, by the deployed model
    warnings: Sequence[str]  # of what is known before the work
    longest: float = math.inf  # seconds of sound that its sender's tier allows


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request that was let in, until it is answered."""

    services: Services
    caller: Caller
    admission: Admission
    progress: ProgressTracker


class RecordingWork(Protocol):
    """What is done with a recording that was decoded and is paid for."""

    async def __call__(self, admitted: AdmittedRequest, job: RecordingJob, recording: Recording) -> Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEndpoint:
    """How a protocol sends recordings, and what it wants of them."""

    read: Callable[[Form], RecordingOptions]  # raises BadParameter
    file_field: str = "file"
    url_field: str = ""  # of a recording's address, instead of the file; "": none is taken
    upload_field: str = ""  # of a resumable upload's id, instead of the file; "": none is taken
    receive: ReceiveForm = receive_form
    work: RecordingWork | None = None  # None: its transcript
    charged: float = math.inf  # seconds of a recording that are worked on and paid for, at most


@asynccontextmanager
async def receive_job(
    request: Request, admitted: AdmittedRequest, endpoint: RecordingEndpoint
) -> AsyncIterator[RecordingJob]:
    """The request's form, checked. Its files are gone when the context ends."""
    services, caller = admitted.services, admitted.caller
    media = services.settings.media
    async with request_folder(services.spool) as folder:
        largest = min(media.max_upload_bytes, caller.tier.largest_file)
        limits = UploadLimits(largest, media.upload_idle_seconds, admitted.progress.received, services.file_writers)
        form = await endpoint.receive(request, limits, folder)
        options = endpoint.read(form)
        async with _recording_of(request, admitted, endpoint, form, folder / "upload") as upload:
            if upload.size == 0:
                raise BadParameter("The file is empty; send a recording with sound.", endpoint.file_field)
            model = services.models.resolve(options.model, options.recognition.task)
            for language in filter(None, (options.recognition.language, *options.recognition.languages)):
                model.check_language(language)
            yield RecordingJob(
                upload=upload,
                options=options,
                recognition=replace(options.recognition, model=model.id, caller=caller.subject),
                warnings=services.models.stand_in_warning(options.model),
                longest=caller.tier.longest_recording,
            )


@asynccontextmanager
async def _recording_of(
    request: Request, admitted: AdmittedRequest, endpoint: RecordingEndpoint, form: Form, path: Path
) -> AsyncIterator[Upload]:
    """What came with the form, is at an address, or was uploaded before. Raises BadParameter"""
    url, identity = (
        form.fields.get(name, "").strip() if name else "" for name in (endpoint.url_field, endpoint.upload_field)
    )
    check_one({endpoint.file_field: form.upload, endpoint.url_field: url, endpoint.upload_field: identity})
    if identity:
        async with upload_as_file(request, admitted.caller, identity, path) as upload:
            yield upload
    elif url:
        async with downloaded(request, admitted, url, path) as upload:
            yield upload
    elif form.upload is not None:
        yield form.upload
    else:
        field = endpoint.file_field
        raise BadParameter(f"The form has no field `{field}`; send the recording there.", field)


def check_one(given: Mapping[str, object]) -> None:
    """given: by field, what a request may be about. Raises BadParameter where there are several"""
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise BadParameter(f"There are `{names[0]}` and `{names[1]}`; send one of them.", names[1])


@asynccontextmanager
async def downloaded(request: Request, admitted: AdmittedRequest, url: str, path: Path) -> AsyncIterator[Upload]:
    """As if it had been sent. Raises BadParameter, TooLarge, RequestTimeout, Unavailable"""
    capacity, settings = admitted.services.capacity, admitted.services.settings
    with capacity.growing_spool(admitted.caller.tier.share) as reserve:
        limits = replace(download_limits(settings, admitted.caller), reserve=reserve)
        limits = replace(limits, on_received=admitted.progress.received)
        fetching = Download(AddressRules.of(settings.outgoing), limits, path).run(url)
        file = await while_connected(request, fetching)
        yield Upload(file.path, file.name, file.size)


def download_limits(settings: Settings, caller: Caller) -> DownloadLimits:
    media = settings.media
    largest = min(media.max_upload_bytes, caller.tier.largest_file)
    return DownloadLimits(largest, media.upload_idle_seconds, settings.outgoing.download_seconds)


@asynccontextmanager
async def paid_recording(
    admitted: AdmittedRequest, job: RecordingJob, charged: float = math.inf
) -> AsyncIterator[Recording]:
    """The file, decoded, with enough held for its length. Closed when the context ends.

    charged: seconds that are paid for at most
    raises: UnsupportedMedia, PaymentRequired, TooManyRequests
    """
    media, admission = admitted.services.media, admitted.admission
    admitted.progress.decoded(0.0, 0.0)
    if admission.by_duration:
        claimed = await media.inspect(job.upload.path, job.upload.name)
        await admission.hold(min(claimed.duration or 0.0, charged))
    with await decode(admitted, job, charged) as recording:
        await admission.hold(min(recording.charged, charged))
        yield recording


async def decode(admitted: AdmittedRequest, job: RecordingJob, charged: float) -> Recording:
    """No longer than its sender may have, or can pay for: nobody decodes a day of sound for one credit.

    raises: UnsupportedMedia, PaymentRequired, TooManyRequests, Unavailable
    """
    paid_for = admitted.admission.affordable
    if paid_for >= charged:
        paid_for = math.inf
    longest = min(paid_for, job.longest)
    decoder, on_progress = admitted.services.media, admitted.progress.decoded
    tracks = replace(job.options.tracks, language=job.recognition.language)
    try:
        return await decoder.decode(job.upload.path, job.upload.name, on_progress, longest, tracks)
    except OSError as problem:
        if problem.errno in NO_ROOM:
            raise Unavailable("There is no room for the decoded recording at the moment.", 60) from problem
        raise
    except RecordingTooLong:
        if paid_for <= job.longest:
            await admitted.admission.hold(paid_for + 1)
        raise


async def settle(
    admitted: AdmittedRequest, seconds: float, result: IdempotentResult | None = None
) -> StoredResponse | None:
    """returns: the response to give instead, where the same request was settled meanwhile"""
    earlier = await admitted.admission.settle(seconds, result)
    admitted.services.metrics.count_audio("file", seconds)
    return earlier


async def settle_delivered(admitted: AdmittedRequest, seconds: float) -> None:
    """As `settle`, for text that the client has: it is charged later where the store is unavailable."""
    await admitted.admission.settle_delivered(seconds)
    admitted.services.metrics.count_audio("file", seconds)


def with_warnings(transcript: Transcript, warnings: Sequence[str]) -> Transcript:
    """warnings: of what was known before the work"""
    silent = [] if transcript.segments else [NO_SPEECH]
    return replace(transcript, warnings=(*warnings, *transcript.warnings, *silent))
