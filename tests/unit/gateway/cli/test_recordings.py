from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gateway.cli.errors import WrongUse
from gateway.cli.recordings import ENDINGS, RecordingFile, find_recordings, on_disk
from gateway.media.verdict import ACCEPTED


def test_the_endings_are_the_formats_that_the_service_names() -> None:
    assert {ending.removeprefix(".").upper() for ending in ENDINGS} == {
        name.strip().upper() for name in ACCEPTED.removeprefix("accepted are ").split(",")
    }


def test_a_folder_is_its_recordings_in_order_and_keeps_its_shape(tmp_path: Path) -> None:
    for name in ("b.mp3", "a.WAV", "notes.txt", "sub/c.mkv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = find_recordings([str(tmp_path)])

    assert [str(recording.place) for recording in found] == ["a.WAV", "b.mp3", "sub/c.mkv"]
    assert found[2] == RecordingFile(f"{tmp_path}/sub/c.mkv", tmp_path / "sub" / "c.mkv", Path("sub/c.mkv"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.mp3"], "nothing.mp3: there is no such file"),
        (["https://example.org/talk.mp3"], "https://example.org/talk.mp3 is an address"),
        (["empty"], "empty: no recording lies in this folder; looked for .mp3"),
        (["-", "-"], "can be given once"),
    ],
)
def test_what_cannot_be_read_is_a_wrong_use(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with (tmp_path / "in").open("w+") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)

        with pytest.raises(WrongUse, match=says):
            find_recordings(arguments)


async def test_what_comes_through_a_pipe_is_a_file_for_as_long_as_it_is_needed(tmp_path: Path) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "wb") as pipe:
        pipe.write(b"sound")

    async with on_disk(RecordingFile("pipe", Path(f"/dev/fd/{read}"), Path("pipe"))) as path:
        content = path.read_bytes()

    os.close(read)
    assert content == b"sound"
    assert not path.exists()


async def test_an_empty_pipe_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)

        with pytest.raises(WrongUse, match="standard input: nothing came"):
            async with on_disk(RecordingFile("standard input", None, Path("stdin"))):
                pass
