from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from gateway.spool import open_spool, request_folder

WORKING = """
import asyncio, pathlib, sys
from gateway import spool

async def work(data):
    with spool.open_spool(data) as own:
        async with spool.request_folder(own) as folder:
            (folder / "upload").write_bytes(b"sound")
            print("working", flush=True)
            await asyncio.sleep(600)

asyncio.run(work(pathlib.Path(sys.argv[1])))
"""


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Whatever opens a file fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def folders(spool: Path) -> list[Path]:
    return [path for path in spool.iterdir() if path.is_dir()]


async def test_files_of_a_request_are_gone_after_it(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        async with request_folder(spool) as folder:
            (folder / "upload").write_bytes(b"sound")

        assert folders(spool) == []
    assert not spool.exists()


async def test_what_no_descriptor_was_left_to_remove_goes_with_the_next_request(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        async with AsyncExitStack() as stack:
            folder = await stack.enter_async_context(request_folder(spool))
            (folder / "upload").write_bytes(b"sound")
            with no_descriptors():
                await stack.aclose()
        assert len(folders(spool)) == 1

        async with request_folder(spool) as other:
            (other / "upload").write_bytes(b"sound")

        assert folders(spool) == []


async def test_a_request_that_outlives_the_spool_leaves_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with open_spool(tmp_path) as spool:
            await stack.enter_async_context(request_folder(spool))

    assert not spool.exists()


@pytest.mark.parametrize("files", [[], ["lock"], ["lock", "request/upload"], ["lock", "request.over/upload"]])
def test_what_a_killed_process_left_is_swept_at_the_next_start(tmp_path: Path, files: list[str]) -> None:
    left = tmp_path / "spool" / "left"
    left.mkdir(parents=True)
    for name in files:
        (left / name).parent.mkdir(exist_ok=True)
        (left / name).write_bytes(b"sound")

    with open_spool(tmp_path):
        assert not left.exists()


def test_of_processes_that_share_a_folder_only_what_a_killed_one_had_is_swept(tmp_path: Path) -> None:
    with open_spool(tmp_path) as first:
        command = [sys.executable, "-c", WORKING, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
            try:
                assert killed.stdout is not None
                killed.stdout.readline()
                with open_spool(tmp_path) as second:
                    assert len(list((tmp_path / "spool").glob("*/*/upload"))) == 1
            finally:
                killed.kill()
            killed.wait()
        with open_spool(tmp_path) as third:
            assert sorted(folders(tmp_path / "spool")) == sorted([first, third])
    assert not second.exists()
