"""A Transcript as whisper-asr-webservice answers it: plain text, whatever it holds."""

from __future__ import annotations

import json

from starlette.responses import PlainTextResponse, Response

from gateway.dialects.asr_webservice.form import AsrOptions
from gateway.dialects.asr_webservice.schema import AsrSegment, AsrTranscription
from gateway.requests.jobs import RecordingResult
from gateway.transcript.subtitles import srt, vtt
from speech.transcript import Segment, Transcript

ENGINE_HEADER = "Asr-Engine"
ENGINE = "stt"


def respond(options: AsrOptions, result: RecordingResult) -> Response:
    headers = {
        ENGINE_HEADER: ENGINE,
        "Content-Disposition": f'attachment; filename="audio_file.{options.output}"',
    }
    return PlainTextResponse(written(options, result.transcript), headers=headers)


def written(options: AsrOptions, transcript: Transcript) -> str:
    match options.output:
        case "srt":
            return srt(transcript, labels=options.recognition.diarize)
        case "vtt":
            return vtt(transcript, labels=options.recognition.diarize)
        case "tsv":
            return tsv(transcript)
        case "json":
            return json.dumps(fields(options, transcript), ensure_ascii=False)
    return f"{transcript.text}\n"


def tsv(transcript: Transcript) -> str:
    """Milliseconds and text, with tabs between them."""
    rows = [
        f"{round(piece.start * 1000)}\t{round(piece.end * 1000)}\t{' '.join(piece.text.split())}\n"
        for piece in transcript.segments
    ]
    return "start\tend\ttext\n" + "".join(rows)


def fields(options: AsrOptions, transcript: Transcript) -> AsrTranscription:
    return {
        "language": transcript.language,
        "segments": [_segment(options, number, piece) for number, piece in enumerate(transcript.segments)],
        "text": transcript.text,
    }


def _segment(options: AsrOptions, number: int, piece: Segment) -> AsrSegment:
    segment: AsrSegment = {
        "id": number,
        "start": round(piece.start, 3),
        "end": round(piece.end, 3),
        "text": f" {piece.text}",
    }
    if piece.speaker is not None:
        segment["speaker"] = piece.speaker
    if options.words:
        segment["words"] = [
            {
                "word": f" {word.text}",
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "probability": round(word.confidence, 3),
            }
            for word in piece.words
        ]
    return segment
