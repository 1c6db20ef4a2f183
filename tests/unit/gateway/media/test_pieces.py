"""What a file consists of, by its structure. Whole files are left to ffmpeg; nothing that is in them is an error."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.edits import find_edits
from gateway.media.origin import find_origin
from gateway.media.pieces import FileStructure, find_structure

FORMAT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
SOUND = bytes(range(1, 201)) * 100  # no bytes of it are a chunk's


def chunk(name: bytes, content: bytes, claimed: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if claimed is None else claimed) + content


def wav(*chunks: bytes) -> bytes:
    body = b"WAVE" + FORMAT + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def structure(tmp_path: Path, content: bytes) -> FileStructure:
    path = tmp_path / "file"
    path.write_bytes(content)
    return find_structure(path)


def test_an_ordinary_wav_is_one_whole(tmp_path: Path) -> None:
    for content in (
        wav(chunk(b"data", SOUND)),
        wav(chunk(b"LIST", bytes(10)), chunk(b"data", SOUND), chunk(b"LIST", bytes(30))),
        wav(chunk(b"data", SOUND[:-1]), b"\0", chunk(b"id3 ", bytes(10))),
        wav(chunk(b"data", SOUND, claimed=0)),
        wav(chunk(b"data", SOUND, claimed=0xFFFFFFFF)),
        wav(chunk(b"data", SOUND)) + b"TAG" + bytes(125),
        wav(chunk(b"data", SOUND)) + bytes(2000),
    ):
        assert structure(tmp_path, content) == FileStructure()


def test_sound_that_a_header_leaves_out_is_found(tmp_path: Path) -> None:
    found = structure(tmp_path, wav(chunk(b"data", SOUND, claimed=1600)))

    assert found.claimed == 0.05
    assert [stop - first for first, stop in found.pieces[0].ranges] == [len(SOUND)]
    assert found.pieces[0].header.endswith(b"data" + struct.pack("<I", len(SOUND)))


def test_every_chunk_of_sound_counts(tmp_path: Path) -> None:
    found = structure(tmp_path, wav(chunk(b"data", SOUND), chunk(b"LIST", bytes(8)), chunk(b"data", SOUND)))

    assert [stop - first for first, stop in found.pieces[0].ranges] == [len(SOUND)] * 2
    assert found.claimed is None


def test_joined_files_are_pieces(tmp_path: Path) -> None:
    for one in (wav(chunk(b"data", SOUND)), b"fLaC\0\0\0\x22" + SOUND, b"#!AMR\n" + SOUND):
        pieces = structure(tmp_path, one * 3).pieces
        assert [piece.ranges for piece in pieces] == [((at * len(one), (at + 1) * len(one)),) for at in range(3)]


HEADS = [b"RIFF\0\0\0\0WAVE", b"FORM\0\0\0\0AIFF", b"caff\0\1\0\0", b"OggS", b"\0\0\0\x08ftyp", b"wvpk"]
NAMES = [b"data", b"fmt ", b"SSND", b"COMM", b"desc", b"moov", b"trak", b"elst", b"OggS", b"RIFF", bytes(4), bytes(1)]


@settings(max_examples=300, deadline=None)
@given(head=st.sampled_from(HEADS), seed=st.integers(0, 2**32), length=st.integers(0, 400))
def test_nothing_in_a_file_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, seed: int, length: int
) -> None:
    choose = random.Random(seed)
    content = head + b"".join(choose.choice([*NAMES, choose.randbytes(4)]) for _ in range(length))
    path = tmp_path_factory.getbasetemp() / "strange"
    path.write_bytes(content)

    found = find_structure(path)
    find_origin(path)
    find_edits(path, 0)

    assert all(0 <= first <= stop <= len(content) for piece in found.pieces for first, stop in piece.ranges)
