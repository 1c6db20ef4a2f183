"""The recognizer of one recording, whose speakers may be known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from gateway.errors import BadParameter, UnsupportedMedia
from gateway.http.known_speakers import KnownSpeaker
from gateway.recognition.diarized_recognizer import DiarizedRecognizer
from gateway.recognition.diarizer import DiarizationFailed
from gateway.recognition.voices import NamingDiarizer, VoiceDiarizer
from gateway.requests.jobs import AdmittedRequest, RecordingJob
from speech.diarization.voices import Voice
from speech.transcript import Transcript

SHORTEST, LONGEST = 1.5, 10.5  # seconds of a reference: 2 to 10, and what encoders add or take away
UNKNOWN = "The known speakers could not be compared; nobody is named."
NO_VOICES = "This service's diarizer does not tell how speakers sound; nobody is named."


@dataclass(frozen=True, slots=True)
class JobRecognizer:
    """What one recording is recognized with."""

    recognizer: DiarizedRecognizer
    naming: NamingDiarizer | None = None
    warnings: tuple[str, ...] = ()

    def vectors(self, admitted: AdmittedRequest, transcript: Transcript) -> dict[str, str]:
        """Signed, by the transcript's names."""
        if self.naming is None:
            return {}
        signer = admitted.services.voices
        return {name: signer.sign(voice) for name, voice in self.naming.voices_of(transcript).items()}


async def recognizer_of(admitted: AdmittedRequest, job: RecordingJob) -> JobRecognizer:
    """raises: BadParameter for a reference that cannot be used"""
    whole, options = admitted.services.recognizer, job.options
    wanted = options.recognition.diarize and (options.known or options.speaker_vectors)
    if not wanted or whole.diarizer is None:
        return JobRecognizer(whole)
    diarizer = whole.diarizer
    if not isinstance(diarizer, VoiceDiarizer):
        return JobRecognizer(whole, warnings=(NO_VOICES,))
    known: dict[str, Voice] = {}
    warnings: tuple[str, ...] = ()
    try:
        for number, speaker in enumerate(options.known):
            known[speaker.name] = await _voice(admitted, job, diarizer, speaker, number)
    except DiarizationFailed:
        known, warnings = {}, (UNKNOWN,)
    naming = NamingDiarizer(diarizer, known)
    return JobRecognizer(replace(whole, diarizer=naming), naming, warnings)


async def _voice(
    admitted: AdmittedRequest, job: RecordingJob, diarizer: VoiceDiarizer, speaker: KnownSpeaker, number: int
) -> Voice:
    """raises: BadParameter, UnsupportedMedia, DiarizationFailed"""
    parameter = job.options.known_parameter
    if speaker.vector:
        return admitted.services.voices.read(speaker.vector, parameter)
    path = job.upload.path.with_name(f"reference{number}")
    await asyncio.to_thread(path.write_bytes, speaker.recording)
    try:
        recording = await admitted.services.media.decode(path, "reference")
    except UnsupportedMedia as problem:
        raise BadParameter(f"The reference of {speaker.name}: {problem.message}", parameter) from problem
    with recording:
        if not SHORTEST <= recording.duration <= LONGEST:
            message = f"The reference of {speaker.name} has {recording.duration:.1f} s; accepted are 2 to 10 s."
            raise BadParameter(message, parameter)
        voice = await diarizer.voice(recording.pcm)
    if voice is None:
        raise BadParameter(f"Nobody can be heard in the reference of {speaker.name}.", parameter)
    return voice
