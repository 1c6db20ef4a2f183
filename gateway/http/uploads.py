"""A multipart form whose file goes to disk while it arrives; no part of it is ever held in memory whole."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from gateway.errors import (
    BadParameter,
    BadRequest,
    ClientGone,
    RequestTimeout,
    TooLarge,
    Unavailable,
)
from gateway.spool import NO_ROOM

MAX_PARTS = 32
MAX_FIELD_BYTES = 16 * 1024
WRITE_BYTES = 1024 * 1024  # gathered before a thread writes them
DRAIN_SECONDS = 5.0
NO_FORM = "The body is not valid multipart/form-data."
SLOWEST = 1024  # bytes a second that an upload has to make, on average, after its first moments


Result = TypeVar("Result")
OnReceived = Callable[[float, float], None]  # bytes of the body, of how many; 0: unknown


def _ignore(received: float, of: float) -> None:
    """Nobody follows."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    max_bytes: int  # of the file
    idle_seconds: float  # between two pieces
    on_received: OnReceived = _ignore  # hears how much has come
    executor: Executor | None = None  # in whose threads files are written; None: the loop's


@dataclass(frozen=True, slots=True)
class FormRules:
    """How a protocol writes its forms."""

    file_field: str = "file"
    file_begins: bytes = b""  # written before what arrives: the header of a file that comes without one
    most_parts: int = MAX_PARTS
    repeated: bool = False  # whether a field may come several times, as SDKs send lists
    single_fields: Collection[str] | None = None  # that else may come once only; None: all
    long_fields: Collection[str] = ()  # names of fields that may hold as much as `long_field_bytes`
    long_field_bytes: int = 4 * 1024**2
    most_long_fields: int = 4

    @property
    def overhead_bytes(self) -> int:
        """What a form may weigh beside its file."""
        long = self.most_long_fields * self.long_field_bytes if self.long_fields else 0
        return self.most_parts * MAX_FIELD_BYTES + long

    def may_repeat(self, name: str) -> bool:
        return self.repeated or (self.single_fields is not None and name not in self.single_fields)

    def field_bytes(self, name: str) -> int:
        return self.long_field_bytes if name in self.long_fields else MAX_FIELD_BYTES


@dataclass(frozen=True, slots=True)
class Upload:
    path: Path
    name: str  # as the client calls the file: for messages and its ending, never for a path
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Form:
    values: Mapping[str, Sequence[str]]  # of each field, in the order in which they came
    upload: Upload | None

    @property
    def fields(self) -> dict[str, str]:
        """The first value of each field."""
        return {name: values[0] for name, values in self.values.items()}


async def receive_form(request: Request, limits: UploadLimits, folder: Path, rules: FormRules | None = None) -> Form:
    """Reads the whole request body: the part with the file into `folder`, the other parts as text.

    raises: BadRequest for a body that is no form, TooLarge, RequestTimeout, ClientGone
    """
    rules = rules or FormRules()
    writer = _FormWriter(_boundary(request, rules), folder / "upload", limits.max_bytes, rules)
    try:
        await _read_into(writer, request, limits)
        return await _in_thread(limits.executor, writer.finish)
    except OSError as problem:
        if problem.errno in NO_ROOM:
            raise Unavailable("There is no room for the upload at the moment.", 60) from problem
        raise
    finally:
        writer.close()


async def _read_into(writer: _FormWriter, request: Request, limits: UploadLimits) -> None:
    try:
        largest = limits.max_bytes + writer.rules.overhead_bytes
        _check_content_length(request, largest, limits.max_bytes)
        async for piece in pieces(request, limits, largest):
            writer.feed(piece)
            if writer.gathered >= WRITE_BYTES:
                await _in_thread(limits.executor, writer.write_out)
    except (BadRequest, TooLarge):
        await drain(request)
        raise


async def _in_thread(executor: Executor | None, work: Callable[[], Result]) -> Result:
    """executor: of writes alone, so that an upload does not wait behind other work; None: the loop's"""
    return await asyncio.get_running_loop().run_in_executor(executor, work)


async def pieces(request: Request, limits: UploadLimits, largest: int) -> AsyncIterator[bytes]:
    """What arrives, while it arrives fast enough and is not too much, whatever part of a form it may be.

    largest: bytes of the body
    """
    began, received = time.monotonic(), 0
    expected = declared_bytes(request)
    while not _is_complete(request):
        try:
            piece = await asyncio.wait_for(_receive(request), limits.idle_seconds)
        except TimeoutError:
            message = f"The upload stood still for {limits.idle_seconds:g} s and was given up; send it again."
            raise RequestTimeout(message) from None
        except ClientDisconnect:
            raise ClientGone("The client left during the upload.") from None
        received += len(piece)
        if received > largest:
            raise too_large(limits.max_bytes)
        limits.on_received(received, expected)
        if received < SLOWEST * (time.monotonic() - began - limits.idle_seconds):
            raise RequestTimeout(f"The upload is slower than {SLOWEST} bytes a second and was given up.")
        yield piece


async def drain(request: Request) -> None:
    """Reads on for a moment: many clients look at the answer only after they have sent everything.

    A client that waits for "100 Continue" has sent nothing yet, and reading would call for it.
    """
    if "expect" in request.headers:
        return
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(DRAIN_SECONDS):
            while not _is_complete(request):
                await _receive(request)


def _is_complete(request: Request) -> bool:
    """Whether the last piece of the body has come: what comes after it is the client's leaving."""
    return bool(getattr(request.state, "body_complete", False))


async def _receive(request: Request) -> bytes:
    """raises: ClientDisconnect"""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    request.state.body_complete = not message.get("more_body", False)
    piece: bytes = message.get("body", b"")
    return piece


def _boundary(request: Request, rules: FormRules) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise BadRequest(f"The body must be multipart/form-data with the recording in the field `{rules.file_field}`.")
    return options[b"boundary"]


def _check_content_length(request: Request, largest: int, max_bytes: int) -> None:
    if declared_bytes(request) > largest:
        raise too_large(max_bytes)


def declared_bytes(request: Request) -> int:
    """The length of the body that the client announced; 0: none."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdigit() else 0


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The file is too large: at most {_size(max_bytes)} are accepted.")


def _size(number: int) -> str:
    for unit, name in ((1024**3, "GB"), (1024**2, "MB"), (1024, "KB")):
        if number >= unit:
            return f"{number / unit:g} {name}"
    return f"{number} bytes"


class _FormWriter:
    """Takes the parser's events: gathers fields in memory and the file's bytes for the disk."""

    def __init__(self, boundary: bytes, path: Path, max_bytes: int, rules: FormRules) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.rules = rules
        self.values: dict[str, list[str]] = {}
        self.gathered = 0  # bytes of the file that are not written yet
        self.size = 0  # bytes of the file so far
        self._pending: list[bytes] = []
        self._file: BinaryIO | None = None
        self._parts = 0
        self._ended = False
        self._header = [b"", b""]  # name and value of the header that is being read
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._is_other_file = False  # the part that is being read is a file, under another name
        self._file_name = ""
        self._value = bytearray()
        self._parser = _parser(boundary, self)
        self._preamble = Preamble(boundary)

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.write(self._preamble.skipped(piece))
        except FormParserError as problem:
            raise BadRequest(NO_FORM) from problem

    def write_out(self) -> None:
        pending, self._pending, self.gathered = self._pending, [], 0
        if self._file is not None:
            _write_all(self._file, b"".join(pending))

    def finish(self) -> Form:
        if self._preamble.text:
            raise BadRequest(NO_FORM)
        if not self._ended:
            raise BadRequest("The form ends before its closing boundary; the upload is not complete.")
        self.write_out()
        self.close()
        upload = Upload(self.path, self._file_name, self.size) if self._file is not None else None
        return Form(self.values, upload)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self.rules.most_parts:
            raise BadRequest(f"The form has too many parts; at most {self.rules.most_parts} are accepted.")
        self._headers = {}
        self._header = [b"", b""]

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._value = bytearray()
        if not self._name:
            raise BadRequest("A part of the form has no name.")
        twice = self._name in self.values and not self.rules.may_repeat(self._name)
        if twice or (self._is_file and self._file is not None):
            raise BadParameter(f"The field `{self._name[:40]}` is there more than once.", self._name)
        self._is_other_file = b"filename" in options and not self._is_file
        if self._is_file:
            self._file = self.path.open("xb", buffering=0)
            _write_all(self._file, self.rules.file_begins)
            self._file_name = options.get(b"filename", b"").decode("utf-8", "replace")

    @property
    def _is_file(self) -> bool:
        return self._name == self.rules.file_field

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.size += end - start
            if self.size > self.max_bytes:
                raise too_large(self.max_bytes)
            self._pending.append(data[start:end])
            self.gathered += end - start
            return
        self._value += data[start:end]
        if len(self._value) > (longest := self.rules.field_bytes(self._name)):
            instead = f"; send the recording in the field `{self.rules.file_field}`" if self._is_other_file else ""
            raise BadParameter(f"The field `{self._name[:40]}` is longer than {_size(longest)}{instead}.", self._name)

    def on_part_end(self) -> None:
        if self._is_file:
            return
        try:
            self.values.setdefault(self._name, []).append(self._value.decode("utf-8"))
        except UnicodeDecodeError:
            raise BadParameter(f"The field `{self._name[:40]}` is not UTF-8 text.", self._name) from None

    def on_end(self) -> None:
        self._ended = True


class Preamble:
    """What may stand before the first part of a form (RFC 2046, 5.1.1), and means nothing."""

    def __init__(self, boundary: bytes) -> None:
        self.text = b""  # until the first boundary has come
        self._delimiter = re.compile(rb"(?:^|\r\n)(?=--" + re.escape(boundary) + rb")")
        self._over = False

    def skipped(self, piece: bytes) -> bytes:
        """The piece without the preamble. raises: BadRequest where it is longer than a field may be"""
        if self._over:
            return piece
        self.text = (self.text + piece).lstrip(b"\r\n")
        if found := self._delimiter.search(self.text):
            form, self.text, self._over = self.text[found.end() :], b"", True
            return form
        if len(self.text) > MAX_FIELD_BYTES:
            raise BadRequest(NO_FORM)
        return b""


def _write_all(file: BinaryIO, content: bytes) -> None:
    """An unbuffered file writes what there is room for and says how much that was; only the next write fails."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _parser(boundary: bytes, writer: _FormWriter) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": writer.on_part_begin,
                "on_header_field": writer.on_header_field,
                "on_header_value": writer.on_header_value,
                "on_header_end": writer.on_header_end,
                "on_headers_finished": writer.on_headers_finished,
                "on_part_data": writer.on_part_data,
                "on_part_end": writer.on_part_end,
                "on_end": writer.on_end,
            },
        )
    except FormParserError as problem:
        raise BadRequest("The boundary of the form is too long.") from problem
