"""What a job's form asks for, as the requests of recordings have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from starlette.responses import Response

from gateway.http.parameters import read_transcribe_parameters
from gateway.http.uploads import Upload
from gateway.jobs.job import Job
from gateway.models import Model, Models
from gateway.requests.jobs import AdmittedRequest, RecordingJob, RecordingOptions, RecordingResult
from speech.tensors import Priority


def recording_options(fields: Mapping[str, str]) -> RecordingOptions:
    """raises: BadParameter"""
    parameters = read_transcribe_parameters(fields)
    return RecordingOptions(
        model=fields.get("model", "").strip(),
        recognition=replace(parameters.recognition, priority=Priority.FILE),
        respond=_no_answer,
        asked=str(parameters),
        known=parameters.known_speakers,
        speaker_vectors=parameters.speaker_vectors,
        tracks=parameters.tracks,
        channel_names=parameters.channel_names,
    )


def deployed_model(models: Models, options: RecordingOptions) -> Model:
    """That will answer. Raises BadParameter, Unavailable."""
    model = models.resolve(options.model, options.recognition.task)
    for language in filter(None, (options.recognition.language, *options.recognition.languages)):
        model.check_language(language)
    return model


def recording_job(admitted: AdmittedRequest, job: Job, path: Path) -> RecordingJob:
    """path: of the recording. Raises BadParameter, Unavailable"""
    options, models = recording_options(job.fields), admitted.services.models
    model = deployed_model(models, options)
    return RecordingJob(
        upload=Upload(path, job.file_name, job.size),
        options=options,
        recognition=replace(options.recognition, model=model.id, caller=admitted.caller.subject),
        warnings=models.stand_in_warning(options.model),
        longest=admitted.caller.tier.longest_recording,
    )


def _no_answer(_: RecordingResult) -> Response:
    raise NotImplementedError("a job's transcript is rendered when it is fetched")
