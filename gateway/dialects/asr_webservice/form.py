"""What /asr and /detect-language are asked: options in the address, the recording in a form."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from gateway.errors import BadParameter
from gateway.http.parameters import MAX_PROMPT, MAX_SPEAKERS, read_boolean, read_integer, read_language, read_task
from gateway.http.uploads import Form, FormRules, Upload, UploadLimits, receive_form
from gateway.recognition.request import RecognitionRequest
from speech.audio import SAMPLE_RATE

FILE_FIELD = "audio_file"
OUTPUTS = ("txt", "vtt", "srt", "tsv", "json")
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # of a WAV file with one channel of 16 bit
HEADER_BYTES = HEADER.size
LONGEST_WAV = 2**32 - 1


@dataclass(frozen=True, slots=True)
class AsrOptions:
    recognition: RecognitionRequest
    output: str  # one of OUTPUTS
    words: bool  # whether json has the times of words


def read_options(query: dict[str, str]) -> AsrOptions:
    """raises: BadParameter"""
    output = query.get("output", "").strip().lower() or "txt"
    if output not in OUTPUTS:
        raise BadParameter(f"`output` is {output[:40]!r}; accepted are {', '.join(OUTPUTS)}.", "output")
    people = {name: read_integer(name, query.get(name, ""), MAX_SPEAKERS) for name in ("min_speakers", "max_speakers")}
    recognition = RecognitionRequest(
        model="",
        language=read_language(query.get("language", "")),
        task=read_task(query.get("task", "")),
        prompt=query.get("initial_prompt", "")[-MAX_PROMPT:],
        diarize=read_boolean("diarize", query.get("diarize", ""), default=False),
        speakers=people["max_speakers"] if people["min_speakers"] == people["max_speakers"] else 0,
    )
    words = read_boolean("word_timestamps", query.get("word_timestamps", ""), default=False)
    return AsrOptions(recognition, output, words)


async def receive_sound(request: Request, limits: UploadLimits, folder: Path) -> Form:
    """Any recording, or with `encode=false` bare samples: 16 bit little endian, 16 kHz, mono.

    raises: what `receive_form` does
    """
    if read_boolean("encode", request.query_params.get("encode", ""), default=True):
        return await receive_form(request, limits, folder, FormRules(file_field=FILE_FIELD))
    rules = FormRules(file_field=FILE_FIELD, file_begins=wav_header(0))
    form = await receive_form(request, limits, folder, rules)
    if form.upload is None or form.upload.size == 0:
        return form
    with form.upload.path.open("r+b") as file:
        file.write(wav_header(form.upload.size))
    return Form(form.values, Upload(form.upload.path, "samples.wav", form.upload.size))


def wav_header(size: int) -> bytes:
    """size: bytes of samples; of more than a WAV can say, readers go on to the end of the file"""
    told = min(size, LONGEST_WAV - HEADER_BYTES)
    kind = (1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    return HEADER.pack(b"RIFF", told + HEADER_BYTES - 8, b"WAVE", b"fmt ", 16, *kind, b"data", told)
