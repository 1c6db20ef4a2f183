"""A recording inside JSON, as Open WebUI sends it on request: {"model", "input_audio": {"data": base64, "format"}}."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from functools import partial
from pathlib import Path

from starlette.requests import Request

from gateway.errors import BadParameter, BadRequest, TooLarge
from gateway.http.uploads import Form, FormRules, Upload, UploadLimits, pieces, receive_form

LARGEST = 40 * 1024**2  # bytes of a body, which lies in memory: 30 MB of sound; a form has no such limit
EXAMPLE = '{"model": "whisper-1", "input_audio": {"data": "BASE64", "format": "wav"}}'
FORM_RULES = FormRules(
    repeated=True,
    most_parts=256,
    long_fields=frozenset(
        {
            "known_speaker_references[]",
            "known_speaker_references",
            *(f"known_speaker_references[{n}]" for n in range(4)),
        }
    ),
)


async def receive_recording(request: Request, limits: UploadLimits, folder: Path) -> Form:
    """A form, or JSON. Raises what `receive_form` does."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return await receive_form(request, limits, folder, FORM_RULES)
    body = bytearray()
    async for piece in pieces(request, limits, LARGEST):
        body += piece
    return await asyncio.to_thread(partial(read_json, bytes(body), limits, folder / "upload"))


def read_json(body: bytes, limits: UploadLimits, path: Path) -> Form:
    """raises: BadRequest, TooLarge"""
    try:
        fields = json.loads(body)
        audio = fields["input_audio"]
        data, ending = audio["data"], str(audio.get("format") or "wav")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadRequest(f"The body is neither a form nor JSON with a recording; accepted is {EXAMPLE}.") from None
    try:
        sound = base64.b64decode(data.partition(",")[2] if str(data).startswith("data:") else data, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise BadParameter("`input_audio.data` is not base64.", "input_audio") from None
    if len(sound) > limits.max_bytes:
        raise TooLarge(f"The recording is too large: at most {limits.max_bytes} bytes are accepted.")
    path.write_bytes(sound)
    values = {name: _texts(value) for name, value in fields.items() if name != "input_audio" and value is not None}
    return Form(values, Upload(path, f"audio.{ending}", len(sound)))


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(each) for each in value]
    return [value if isinstance(value, str) else json.dumps(value)]
