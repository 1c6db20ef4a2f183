"""Machine code for GPUs inside a shared library, of which only what one card needs is kept.

A library built by nvcc holds fat binaries, each with an entry for every architecture. An entry that is not wanted
is filled with zeros where it lies, so that nothing moves, and packs to nothing.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECTION = ".nv_fatbin"
MAGIC = struct.pack("<I", 0xBA55ED50)
ZSTD = b"\x28\xb5\x2f\xfd"

# Kernels of operators that no Whisper has, by parts of their names.
FOREIGN = re.compile(
    rb"GroupProblemShape|fpA_intB|kernel_mha|deep_gemm|MatMulNBits|matmul_[248]bits|QOrder|moe_gemv|MoE|Moe|"
    rb"masked_multihead|gated_delta|LinearAttention|SparsePaged|Beam"
)
HEAD_SIZES = re.compile(rb"Flash_fwd_kernel_traitsILi(\d+)E")


class NoSuchSection(ValueError):
    """The library holds no code for GPUs."""


@dataclass(frozen=True, slots=True)
class CodeEntry:
    architecture: int  # 90 is that of an H100
    start: int  # of its code in the library
    size: int  # bytes reserved
    packed: int  # bytes used, the rest fills up


def code_entries(library: bytes | bytearray) -> Iterator[CodeEntry]:
    """raises: NoSuchSection"""
    place, end = _section(library)
    while (place := library.find(MAGIC, place, end)) >= 0:
        header, length = struct.unpack_from("<HQ", library, place + 6)
        entry, stop = place + header, place + header + length
        while entry + 32 <= stop:
            head, size, packed = struct.unpack_from("<IQI", library, entry + 4)
            (architecture,) = struct.unpack_from("<I", library, entry + 28)
            yield CodeEntry(architecture, entry + head, size, packed)
            entry += head + size
        place = stop


def keep_only(library: bytearray, wanted: Callable[[CodeEntry, bytes], bool]) -> int:
    """Zeroes every entry that is not wanted. Returns the bytes that are left."""
    kept = 0
    for entry in list(code_entries(library)):
        code = slice(entry.start, entry.start + entry.size)
        if wanted(entry, bytes(library[code])[: entry.packed]):
            kept += entry.size
        else:
            library[code] = bytes(entry.size)
    return kept


def of_a_whisper(architecture: int) -> Callable[[CodeEntry, bytes], bool]:
    """Code for one architecture, without operators and head sizes that no Whisper has. Needs the program zstd."""

    def wanted(entry: CodeEntry, code: bytes) -> bool:
        if entry.architecture != architecture:
            return False
        names = _unpacked(code)
        sizes = set(HEAD_SIZES.findall(names))
        return not FOREIGN.search(names) and (not sizes or b"64" in sizes)

    return wanted


def _unpacked(code: bytes) -> bytes:
    if not code.startswith(ZSTD):
        return code
    return subprocess.run(["zstd", "-dcq"], input=code, capture_output=True, check=True).stdout


def _section(library: bytes | bytearray) -> tuple[int, int]:
    """Begin and end of the section in an ELF file of 64 bits."""
    (table,) = struct.unpack_from("<Q", library, 40)
    width, count, names = struct.unpack_from("<HHH", library, 58)
    headers = [struct.unpack_from("<IIQQQQ", library, table + width * index) for index in range(count)]
    for name, _, _, _, offset, size in headers:
        begin = headers[names][4] + name
        if library[begin : begin + len(SECTION) + 1] == SECTION.encode() + b"\0":
            return offset, offset + size
    raise NoSuchSection(f"no {SECTION} in the library")
