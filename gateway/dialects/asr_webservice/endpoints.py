"""POST /asr and POST /detect-language."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.dialects.asr_webservice.answers import respond
from gateway.dialects.asr_webservice.form import FILE_FIELD, read_options, receive_sound
from gateway.dialects.asr_webservice.schema import DetectedLanguage
from gateway.dialects.credentials import credentials_of
from gateway.http.uploads import Form
from gateway.media.recording import Recording
from gateway.recognition.language import LONGEST, detect_language
from gateway.requests.jobs import AdmittedRequest, RecordingEndpoint, RecordingJob, RecordingOptions
from gateway.requests.recordings import serve_recording
from speech.languages import NAMES


async def transcribe_for_subtitles(request: Request) -> Response:
    endpoint = RecordingEndpoint(read=partial(_read, request), file_field=FILE_FIELD, receive=receive_sound)
    return await serve_recording(request, endpoint, credentials_of(request))


async def name_language(request: Request) -> Response:
    endpoint = RecordingEndpoint(
        read=partial(_read, request),
        file_field=FILE_FIELD,
        receive=receive_sound,
        work=_detect,
        charged=LONGEST,
    )
    return await serve_recording(request, endpoint, credentials_of(request))


def _read(request: Request, form: Form) -> RecordingOptions:
    options = read_options(dict(request.query_params))
    return RecordingOptions(
        model=form.fields.get("model", "").strip(),
        recognition=options.recognition,
        respond=partial(respond, options),
        asked=f"{request.url.path} {options}",
    )


async def _detect(admitted: AdmittedRequest, job: RecordingJob, recording: Recording) -> Response:
    code, confidence = await detect_language(admitted.services.whisper.recognize, recording, job.recognition) or (
        "en",
        0.0,
    )
    answer: DetectedLanguage = {
        "detected_language": NAMES.get(code, code),
        "language_code": code,
        "confidence": round(confidence, 3),
    }
    return JSONResponse(answer)
