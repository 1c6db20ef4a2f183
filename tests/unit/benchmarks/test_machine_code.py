"""A library for GPUs of several kinds becomes one for a single kind, and nothing in it moves."""

from __future__ import annotations

import struct

import pytest

from benchmarks.device.machine_code import NoSuchSection, code_entries, keep_only, of_a_whisper

NAMES = b"\0.shstrtab\0.nv_fatbin\0"


def entry(architecture: int, code: bytes) -> bytes:
    size = -(-len(code) // 8) * 8
    head = struct.pack("<HHIQIIHHI", 2, 0x101, 64, size, len(code), 0, 0, 0, architecture)
    return head.ljust(64, b"\0") + code.ljust(size, b"\0")


def binary(*entries: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def library(code: bytes, section: bytes = NAMES) -> bytearray:
    """An ELF file of two sections: names, and code at 64 bytes."""
    start = 64
    names = start + len(code)
    table = names + len(section)
    header = bytearray(64)
    struct.pack_into("<Q", header, 40, table)
    struct.pack_into("<HHH", header, 58, 64, 2, 0)
    rows = struct.pack("<IIQQQQ", 1, 3, 0, 0, names, len(section)).ljust(64, b"\0")
    rows += struct.pack("<IIQQQQ", 11, 1, 0, 0, start, len(code)).ljust(64, b"\0")
    return bytearray(bytes(header) + code + section + rows)


def test_code_of_other_cards_and_of_what_no_whisper_has_becomes_zeros_where_it_lies() -> None:
    kept = b"Flash_fwd_kernel_traitsILi64E"
    dropped = [b"Flash_fwd_kernel_traitsILi128E", b"run_MoE_gemm"]
    whole = library(
        binary(entry(80, b"of an A100"), entry(90, kept)) + bytes(8) + binary(*(entry(90, code) for code in dropped))
    )
    before = [(each.start, each.size) for each in code_entries(whole)]
    length = len(whole)

    left = keep_only(whole, of_a_whisper(90))

    assert left == 32
    assert kept in whole
    assert not any(code in whole for code in (b"of an A100", *dropped))
    assert ([(each.start, each.size) for each in code_entries(whole)], len(whole)) == (before, length)


def test_a_library_without_code_for_gpus_is_told() -> None:
    with pytest.raises(NoSuchSection, match="nv_fatbin"):
        keep_only(library(b"", NAMES.replace(b"fatbin", b"nothin")), of_a_whisper(90))
