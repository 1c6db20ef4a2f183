"""Damaged files of every kind: each is decoded or refused in words, nothing else happens, and nothing is left.

200 of them here; MEDIA_FUZZ_FILES=1000 in the environment of this test tries more, MEDIA_FUZZ_SEED others.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.processes import family
from gateway.errors import RecordingTooLong, UnsupportedMedia
from gateway.media.decoding import MediaDecoder
from gateway.media.ffmpeg import MediaLimits
from gateway.thread_pools import ThreadPool
from tests.media_files import make_media

FILES = int(os.environ.get("MEDIA_FUZZ_FILES", "200"))
SEED = int(os.environ.get("MEDIA_FUZZ_SEED", "15"))
KINDS = (
    *("adts.aac", "alac.m4a", "amr.3gp", "caf.caf", "flac.flac", "fragmented.mp4", "mp3_vbr_id3.mp3", "opus.opus"),
    *("opus.weba", "pcm16.wav", "rf64.wav", "tta.tta", "vorbis.ogg", "w64.w64", "wavpack.wv", "wmav2.wma"),
    *("mpeg2_ac3.ts", "h264_mp3.mkv", "mpeg4_mp3.avi", "h264_aac.mov"),
)
LIMITS = MediaLimits(duration=600, wall=20, processor=10)
HUGE = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00")

Mutation = Callable[[random.Random, bytes], bytes]


def flipped(chance: random.Random, content: bytes) -> bytes:
    """Some bits, most of them in the headers."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 40)):
        within = len(damaged) if chance.random() < 0.3 else min(len(damaged), 2000)
        damaged[chance.randrange(within)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut(chance: random.Random, content: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(content)) for _ in range(2))
    return content[start:end] if chance.random() < 0.3 else content[:end]


def spliced(chance: random.Random, content: bytes) -> bytes:
    """A piece comes twice, is left out, or stands elsewhere."""
    one, two, three = sorted(chance.randrange(len(content)) for _ in range(3))
    pieces = [content[:one], content[one:two], content[two:three], content[three:]]
    return b"".join(chance.choices(pieces, k=chance.randint(2, 6)))


def lengthened(chance: random.Random, content: bytes) -> bytes:
    """A length that is nothing, or more than there can be: of a box, a chunk, a table."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(max(1, min(len(damaged), 3000) - 4))
        damaged[at : at + 4] = chance.choice(HUGE)
    return bytes(damaged)


MUTATIONS: tuple[Mutation, ...] = (flipped, cut, spliced, lengthened)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    return [make_media(kind, folder) for kind in KINDS]


@pytest.mark.timeout(3 * max(FILES, 200))
async def test_a_damaged_file_is_decoded_or_refused(corpus: list[Path], tmp_path: Path) -> None:
    chance = random.Random(SEED)
    spool = tmp_path / "spool"
    spool.mkdir()
    outcomes: list[str] = []
    with ThreadPool("decode", 2) as threads:
        decoder = MediaDecoder(spool, LIMITS, executor=threads)
        before, processes = descriptors(), family(os.getpid())

        async def decode(number: int) -> None:
            original = corpus[number % len(corpus)]
            path = tmp_path / f"{number}{original.suffix}"
            content = await asyncio.to_thread(original.read_bytes)
            path.write_bytes(MUTATIONS[number % len(MUTATIONS)](chance, content))
            try:
                with await decoder.decode(path, path.name) as recording:
                    assert recording.duration <= LIMITS.duration
                    outcomes.append("decoded")
            except (UnsupportedMedia, RecordingTooLong) as refused:
                assert refused.message
                outcomes.append("refused")
            finally:
                path.unlink()

        for first in range(0, FILES, 8):
            await asyncio.gather(*(decode(number) for number in range(first, min(first + 8, FILES))))

        assert len(outcomes) == FILES
        assert min(outcomes.count(each) for each in ("decoded", "refused")) > FILES / 20
        assert (threads.busy, threads.waiting) == (0, 0)
        assert set(family(os.getpid())) <= set(processes)
        assert descriptors() <= before + 2
        assert list(spool.iterdir()) == []
