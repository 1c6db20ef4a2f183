"""What a hostile file could do if it took ffmpeg over: tried by a shell in ffmpeg's place."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.media.ffmpeg import Ffmpeg, MediaLimits


def said_in_its_place(script: str) -> str:
    shell = replace(Ffmpeg.find(), executable=Path("/bin/sh"))
    with Path("/dev/null").open("rb") as nothing:
        child = shell.spawn(["-c", f"sleep 0.2; {script}"], nothing.fileno(), MediaLimits())
    said, _ = child.communicate(timeout=60)
    return said.decode()


def test_it_can_gain_no_privileges() -> None:
    assert "NoNewPrivs:\t1" in said_in_its_place("cat /proc/self/status")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are out of reach of somebody else")
def test_it_cannot_read_the_files_of_a_root_that_runs_the_service(tmp_path: Path) -> None:
    secret = tmp_path / "accounts.db"
    secret.write_text("secret")
    secret.chmod(0o600)
    tmp_path.chmod(0o755)

    assert "secret" not in said_in_its_place(f"cat {secret} 2>&1")


def test_it_writes_no_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    said_in_its_place(f"echo sound > {tmp_path / 'left'}")

    assert not any(path.stat().st_size for path in tmp_path.iterdir())


def test_it_sees_no_network() -> None:
    interfaces = said_in_its_place("tail -n +3 /proc/net/dev | cut -d: -f1").split()
    if not any("--net" in part for part in Ffmpeg.find().isolation):
        pytest.skip("this kernel lets nobody make a network namespace")

    assert interfaces in ([], ["lo"])


def test_its_memory_and_its_time_are_limited() -> None:
    limits = said_in_its_place("ulimit -v; ulimit -t; ulimit -n").split()

    assert limits == [str(MediaLimits().memory // 1024), str(MediaLimits().processor), "64"]
