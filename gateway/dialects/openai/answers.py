"""A Transcript as OpenAI's answers have it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.dialects.openai.form import OpenAiOptions
from gateway.dialects.openai.schema import (
    OpenAiDiarizedSegment,
    OpenAiDiarizedTranscription,
    OpenAiDurationUsage,
    OpenAiLanguage,
    OpenAiLogprob,
    OpenAiSegment,
    OpenAiTranscription,
    OpenAiVerboseTranscription,
)
from gateway.requests.jobs import RecordingResult
from gateway.transcript.speakers import SPEAKER
from gateway.transcript.subtitles import srt, vtt
from speech.languages import NAMES
from speech.tensors import Task
from speech.transcript import Segment, Transcript, Word

LEAST = 1e-6  # probability whose logarithm is told of improbable words
HOPS = 100  # of Whisper's frames in a second


def respond(options: OpenAiOptions, result: RecordingResult) -> Response:
    """text, srt and vtt are plain text: clients take whatever is called JSON for JSON."""
    transcript = result.transcript
    match options.response_format:
        case "text":
            return PlainTextResponse(f"{transcript.text}\n")
        case "srt":
            return PlainTextResponse(srt(transcript, labels=False))
        case "vtt":
            return PlainTextResponse(vtt(transcript, labels=False))
        case "verbose_json":
            return JSONResponse(verbose(options, transcript))
        case "diarized_json":
            return JSONResponse(diarized(options, transcript))
    return JSONResponse(plain(options, transcript))


def plain(options: OpenAiOptions, transcript: Transcript) -> OpenAiTranscription:
    if options.recognition.task is Task.TRANSLATE:
        return {"text": transcript.text}
    answer: OpenAiTranscription = {"text": transcript.text}
    if transcript.segments:
        answer["languages"] = languages(transcript.language)
    if options.logprobs:
        answer["logprobs"] = logprobs(transcript.segments)
    answer["usage"] = usage(transcript)
    return answer


def verbose(options: OpenAiOptions, transcript: Transcript) -> OpenAiVerboseTranscription:
    answer: OpenAiVerboseTranscription = {
        "task": options.recognition.task.value,
        "language": NAMES.get(transcript.language, transcript.language),
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "usage": usage(transcript),
    }
    if "segment" in options.granularities:
        answer["segments"] = [_segment(number, piece) for number, piece in enumerate(transcript.segments)]
    if "word" in options.granularities:
        answer["words"] = [
            {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
            for word in words(transcript.segments)
        ]
    return answer


def diarized(options: OpenAiOptions, transcript: Transcript) -> OpenAiDiarizedTranscription:
    return {
        "task": options.recognition.task.value,
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "segments": diarized_segments(transcript),
        "usage": usage(transcript),
    }


def diarized_segments(transcript: Transcript) -> list[OpenAiDiarizedSegment]:
    letters = speaker_letters(transcript.speakers)
    return [
        {
            "type": "transcript.text.segment",
            "id": segment_id(number),
            "start": round(piece.start, 3),
            "end": round(piece.end, 3),
            "text": piece.text,
            "speaker": letters.get(piece.speaker or "", "A"),
        }
        for number, piece in enumerate(transcript.segments, 1)
    ]


def segment_id(number: int) -> str:
    """number: from 1"""
    return f"seg_{number:03}"


def speaker_letters(speakers: Sequence[str]) -> dict[str, str]:
    """ "Speaker 1" is A, "Speaker 27" is AA; who has a name keeps it."""
    unnamed = [speaker for speaker in speakers if SPEAKER.fullmatch(speaker)]
    letters = {speaker: letter(number) for number, speaker in enumerate(unnamed)}
    return {speaker: letters.get(speaker, speaker) for speaker in speakers}


def letter(number: int) -> str:
    """0 is A, 25 is Z, 26 is AA."""
    first, last = divmod(number, 26)
    return (letter(first - 1) if first else "") + chr(ord("A") + last)


def usage(transcript: Transcript) -> OpenAiDurationUsage:
    return {"type": "duration", "seconds": math.ceil(round(transcript.duration, 3))}


def languages(code: str) -> list[OpenAiLanguage]:
    return [{"code": code}]


def words(segments: Sequence[Segment]) -> list[Word]:
    return [word for piece in segments for word in piece.words]


def logprobs(segments: Sequence[Segment]) -> list[OpenAiLogprob]:
    return [
        {"token": text, "logprob": _logprob(word), "bytes": list(text.encode())}
        for number, word in enumerate(words(segments))
        for text in [f" {word.text}" if number else word.text]
    ]


def _segment(number: int, piece: Segment) -> OpenAiSegment:
    text = f" {piece.text}"
    encoded = text.encode()
    return {
        "id": number,
        "seek": round(piece.start * HOPS),
        "start": round(piece.start, 3),
        "end": round(piece.end, 3),
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(map(_logprob, piece.words)) / len(piece.words), 4),
        "compression_ratio": round(len(encoded) / len(zlib.compress(encoded)), 3),
        "no_speech_prob": 0.0,
    }


def _logprob(word: Word) -> float:
    return min(0.0, round(math.log(max(word.confidence, LEAST)), 4))
