"""The headers of tus 1.0, a protocol for uploads that may be broken off: https://tus.io/protocols/resumable-upload"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.datastructures import Headers

from gateway.errors import BadRequest, PreconditionFailed, UnsupportedContentType
from gateway.http.uploads import too_large
from gateway.uploads.upload import ResumableUpload
from gateway.uploads.uploads import UploadChecksum, checksum_of

VERSION = "1.0.0"
EXTENSIONS = ("creation", "creation-with-upload", "termination", "expiration", "checksum")
ALGORITHMS = ("sha1", "sha256", "sha512", "md5")  # of checksums; tus asks for sha1
BODY = "application/offset+octet-stream"
LONGEST_METADATA = 8192  # characters of Upload-Metadata
LONGEST_NAME = 255
RESUMABLE, METHOD_OVERRIDE = "Tus-Resumable", "X-HTTP-Method-Override"
OFFSET, LENGTH, EXPIRES = "Upload-Offset", "Upload-Length", "Upload-Expires"
METADATA, CHECKSUM = "Upload-Metadata", "Upload-Checksum"
UPLOAD_HEADERS = (RESUMABLE, OFFSET, LENGTH, METADATA, CHECKSUM, METHOD_OVERRIDE)  # of requests
OWN_HEADERS = {RESUMABLE: VERSION}  # of every answer


def check_version(headers: Headers) -> None:
    """raises: PreconditionFailed"""
    if headers.get(RESUMABLE) != VERSION:
        message = f"The header {RESUMABLE} is {headers.get(RESUMABLE, '')[:20]!r}; accepted is {VERSION}."
        raise PreconditionFailed(message, {"Tus-Version": VERSION})


def read_length(headers: Headers, largest: int) -> int:
    """Bytes of the upload. Raises BadRequest, TooLarge"""
    if "Upload-Defer-Length" in headers:
        raise BadRequest(f"An upload whose length is told later is not accepted; send {LENGTH}.")
    length = _number(headers, LENGTH, "the file's length in bytes")
    if length == 0:
        raise BadRequest("The file is empty; send a recording with sound.")
    if length > largest:
        raise too_large(largest)
    return length


def read_offset(headers: Headers) -> int:
    """Bytes of the upload before those that are sent. Raises BadRequest"""
    return _number(headers, OFFSET, "how many bytes of the upload were sent before, as HEAD tells")


def check_body(headers: Headers) -> None:
    """raises: UnsupportedContentType"""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != BODY:
        raise UnsupportedContentType(f"The body is sent as {kind[:60]!r}; accepted is {BODY}.")


def read_metadata(headers: Headers) -> tuple[str, str]:
    """The file's name, "" where there is none, and all of it as it was sent. Raises BadRequest"""
    text = headers.get(METADATA, "").strip()
    if len(text) > LONGEST_METADATA:
        raise BadRequest(f"{METADATA} is longer than {LONGEST_METADATA} characters.")
    values: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, encoded = entry.partition(" ")
        try:
            value = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            raise BadRequest(f"{METADATA} is not understood; accepted: `name BASE64,other BASE64`.") from None
        if name in values:
            raise BadRequest(f"{METADATA} has {name[:40]!r} twice.")
        values[name] = value
    return values.get("filename", values.get("name", "")).replace("\0", "")[:LONGEST_NAME], text


def read_checksum(headers: Headers) -> UploadChecksum | None:
    """None where there is none. Raises BadRequest"""
    text = headers.get(CHECKSUM)
    if text is None:
        return None
    try:
        return checksum_of(text, ALGORITHMS)
    except ValueError:
        known = ", ".join(ALGORITHMS)
        raise BadRequest(f"{CHECKSUM} is not understood; accepted: `sha1 BASE64`, by one of {known}.") from None


def position(upload: ResumableUpload) -> Mapping[str, str]:
    """How much has come, and how long the rest is waited for."""
    expires = format_datetime(datetime.fromtimestamp(upload.expires_at / 1000, UTC), usegmt=True)
    return {**OWN_HEADERS, OFFSET: str(upload.received), EXPIRES: expires}


def _number(headers: Headers, name: str, meaning: str) -> int:
    text = headers.get(name, "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise BadRequest(f"{name} is {text[:20]!r}; accepted is {meaning}.")
    return int(text)
