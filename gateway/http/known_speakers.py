"""Known speakers in a form: a name for each, and a recording or a vector of how they sound."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.errors import BadParameter
from gateway.recognition.voices import PREFIX
from gateway.transcript.speakers import SPEAKER

MOST_KNOWN = 16
LONGEST_NAME = 80  # characters
EXAMPLE = '{"Ann": "data:audio/wav;base64,…", "Ben": "voice1.…"}'


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    name: str
    vector: str = field(default="", repr=False)  # signed, or
    recording: bytes = field(default=b"", repr=False)  # a file
    digest: str = ""  # of either


def read_known_speakers(text: str) -> tuple[KnownSpeaker, ...]:
    """From a JSON object, name → reference. raises: BadParameter"""
    if not text.strip():
        return ()
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise BadParameter(f"`known_speakers` is no JSON object; accepted is {EXAMPLE}.", "known_speakers") from None
    return known_speakers(list(fields), [str(each) for each in fields.values()], "known_speakers", MOST_KNOWN)


def known_speakers(
    names: Sequence[str], references: Sequence[str], parameter: str, most: int
) -> tuple[KnownSpeaker, ...]:
    """raises: BadParameter, which names the parameter"""
    if len(names) != len(references):
        raise BadParameter(
            f"There are {len(names)} names of known speakers and {len(references)} references; accepted is one each.",
            parameter,
        )
    if len(names) > most:
        raise BadParameter(f"There are {len(names)} known speakers; accepted are {most}.", parameter)
    cleaned = [" ".join(name.split()) for name in names]
    for name in cleaned:
        if not 0 < len(name) <= LONGEST_NAME or SPEAKER.fullmatch(name) or cleaned.count(name) > 1:
            message = f"The known speaker {name[:40]!r} needs a name of its own, which is not like Speaker 1."
            raise BadParameter(message, parameter)
    return tuple(_known(name, text.strip(), parameter) for name, text in zip(cleaned, references, strict=True))


def _known(name: str, reference: str, parameter: str) -> KnownSpeaker:
    digest = hashlib.sha256(reference.encode()).hexdigest()
    if reference.startswith(PREFIX):
        return KnownSpeaker(name, vector=reference, digest=digest)
    head, _, encoded = reference.partition(",")
    try:
        recording = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        recording = b""
    if not (head.startswith("data:") and head.endswith(";base64") and recording):
        message = f"The reference of {name} is no data URL; accepted are data:audio/wav;base64,… and voice vectors."
        raise BadParameter(message, parameter)
    return KnownSpeaker(name, recording=recording, digest=digest)
