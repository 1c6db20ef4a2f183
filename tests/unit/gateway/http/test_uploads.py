import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from gateway.errors import BadParameter, BadRequest, ClientGone, RequestTimeout, ServiceError, TooLarge, Unavailable
from gateway.http.uploads import MAX_FIELD_BYTES, MAX_PARTS, Form, FormRules, UploadLimits, receive_form

LIMITS = UploadLimits(max_bytes=1000, idle_seconds=5)
BOUNDARY = "sound-boundary"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def pieces(content: bytes, size: int) -> AsyncIterator[Message]:
    for start in range(0, len(content), size):
        yield {"type": "http.request", "body": content[start : start + size], "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


def request(messages: AsyncIterator[Message], **headers: str) -> Request:
    sent = {"content_type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, lambda: anext(messages))


async def receive(content: bytes, folder: Path, size: int = 64, **headers: str) -> Form:
    return await receive_form(request(pieces(content, size), **headers), LIMITS, folder)


@settings(max_examples=40)
@given(sound=st.binary(max_size=900), size=st.integers(min_value=1, max_value=500))
def test_a_file_arrives_whole_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, sound: bytes, size: int
) -> None:
    folder = tmp_path_factory.mktemp("upload")
    sent = body(part("model", b"base"), part("file", sound, "talk.mp3"), part("language", b"en"))

    form = asyncio.run(receive(sent, folder, size))

    assert form.fields == {"model": "base", "language": "en"}
    assert form.upload is not None
    assert (form.upload.path.read_bytes(), form.upload.name, form.upload.size) == (sound, "talk.mp3", len(sound))


def test_it_is_told_how_much_has_arrived(tmp_path: Path) -> None:
    heard: list[tuple[float, float]] = []
    sent = body(part("file", b"sound", "talk.mp3"))
    limits = UploadLimits(1000, 5, lambda received, of: heard.append((received, of)))
    arriving = request(pieces(sent, 100), content_length=str(len(sent)))

    asyncio.run(receive_form(arriving, limits, tmp_path))

    assert heard == [(100, len(sent)), (len(sent), len(sent)), (len(sent), len(sent))]


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (body(part("file", b"x" * 1001, "a.wav")), TooLarge, "1000 bytes"),
        (body(*(part(f"f{n}", b"") for n in range(MAX_PARTS + 1))), BadRequest, "too many parts"),
        (body(part("note", b"x" * (MAX_FIELD_BYTES + 1))), BadParameter, "`note` is longer"),
        (body(part("file", b"1"), part("file", b"2")), BadParameter, "more than once"),
        (body(part("model", b"\xff")), BadParameter, "not UTF-8"),
        (part("file", b"half"), BadRequest, "closing boundary"),
        (b"no form at all", BadRequest, "not valid"),
        (b"", BadRequest, "closing boundary"),
    ],
)
async def test_bad_forms_are_refused(tmp_path: Path, content: bytes, error: type[ServiceError], says: str) -> None:
    with pytest.raises(error, match=says):
        await receive(content, tmp_path)


async def test_a_preamble_means_nothing(tmp_path: Path) -> None:
    sent = b"This is a multi-part message in MIME format.\r\n" + body(part("model", b"base"), part("file", b"1", "a"))
    for size in (1, 7, 64, 10_000):
        form = await receive(sent, _new_folder(tmp_path), size)
        assert form.fields == {"model": "base"}
        assert form.upload is not None and form.upload.size == 1


async def test_a_preamble_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="not valid"):
        await receive_form(request(pieces(b"x" * 10**6, 65_536)), UploadLimits(10**7, idle_seconds=5), tmp_path)


async def test_an_unknown_field_may_come_twice(tmp_path: Path) -> None:
    sent = body(part("detail[]", b"word"), part("detail[]", b"segment"), part("model", b"base"))
    rules = FormRules(single_fields=("model",))

    form = await receive_form(request(pieces(sent, 64)), LIMITS, tmp_path, rules)
    with pytest.raises(BadParameter, match="`model` is there more than once"):
        await receive_form(
            request(pieces(body(part("model", b"base"), sent), 64)), LIMITS, _new_folder(tmp_path), rules
        )

    assert form.values["detail[]"] == ["word", "segment"]


async def test_a_recording_in_another_field_is_told_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="`audio_file` is longer than 16 KB; send the recording in the field `file`"):
        await receive(body(part("audio_file", b"x" * 20_000, "a.wav")), tmp_path, 65_536)


@pytest.mark.parametrize("content", [b"hello", body(part("", b"x")), body(part("file", b"1"), part("file", b"2"))])
async def test_a_form_that_has_come_whole_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    """Nothing follows the last piece: whoever waited for more waited until the client left."""

    async def whole() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": content, "more_body": False}
        pytest.fail("there was nothing more to wait for")

    with pytest.raises(BadRequest):
        await receive_form(request(whole()), LIMITS, tmp_path)


def _new_folder(parent: Path) -> Path:
    folder = parent / str(len(list(parent.iterdir())))
    folder.mkdir()
    return folder


async def test_a_declared_length_over_the_cap_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async def waiting() -> AsyncIterator[Message]:
        pytest.fail("the body was read")
        yield {}

    with pytest.raises(TooLarge):
        await receive_form(request(waiting(), content_length="9999999", expect="100-continue"), LIMITS, tmp_path)


async def test_another_content_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="multipart/form-data"):
        await receive(b"{}", tmp_path, content_type="application/json")


async def test_an_upload_for_which_there_is_no_room_is_refused_and_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes the part of a write for which there is room, as on a disk that fills up."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr("gateway.http.uploads.WRITE_BYTES", 10**6)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(Unavailable, match="no room"):
            await receive(body(part("file", b"x" * 900, "a.wav")), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


async def test_a_client_that_leaves_ends_the_upload(tmp_path: Path) -> None:
    async def leaving() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": part("file", b"half"), "more_body": True}
        yield {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await receive_form(request(leaving()), LIMITS, tmp_path)


async def test_an_upload_that_stands_still_is_given_up(tmp_path: Path) -> None:
    async def still() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": part("model", b"base"), "more_body": True}
        await asyncio.Event().wait()

    with pytest.raises(RequestTimeout):
        await receive_form(request(still()), UploadLimits(1000, idle_seconds=0.01), tmp_path)


async def test_an_upload_that_trickles_is_given_up(tmp_path: Path) -> None:
    async def trickling() -> AsyncIterator[Message]:
        while True:
            yield {"type": "http.request", "body": b"\r\n", "more_body": True}
            await asyncio.sleep(0.005)

    with pytest.raises(RequestTimeout, match="slower than 1024 bytes a second"):
        await receive_form(request(trickling()), UploadLimits(10**6, idle_seconds=0.1), tmp_path)


async def test_a_flood_outside_of_the_forms_parts_ends_at_the_cap(tmp_path: Path) -> None:
    async def flooding() -> AsyncIterator[Message]:
        while True:
            yield {"type": "http.request", "body": b"\r\n" * 50_000, "more_body": True}

    with pytest.raises(TooLarge):
        await receive_form(request(flooding(), expect="100-continue"), LIMITS, tmp_path)


@pytest.mark.parametrize("line", [b"X: " + b"a" * 10**6, b"".join(b"X-%d: a\r\n" % n for n in range(10**5))])
async def test_a_flood_of_headers_in_a_part_is_refused(tmp_path: Path, line: bytes) -> None:
    content = f"--{BOUNDARY}\r\n".encode() + line + b"\r\n\r\n"

    with pytest.raises(BadRequest):
        await receive_form(request(pieces(content, 65_536)), UploadLimits(10**7, idle_seconds=5), tmp_path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "-i", "a\x00b", "c:\\x", "con", "x" * 2000])
async def test_a_files_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    form = await receive(body(part("file", b"sound", name)), tmp_path)

    assert [path.name for path in tmp_path.rglob("*")] == ["upload"]
    assert form.upload is not None and form.upload.path == tmp_path / "upload"
