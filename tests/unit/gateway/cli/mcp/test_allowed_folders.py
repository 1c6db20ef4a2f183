from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.cli.errors import WrongUse
from gateway.cli.mcp.allowed_folders import AllowedFolders


@pytest.fixture
def folders(tmp_path: Path) -> AllowedFolders:
    """`calls` and `talks` are allowed; `private` beside them is not."""
    for name in ("calls", "talks", "private", "calls/.cache"):
        (tmp_path / name).mkdir()
    for name in ("calls/a.mp3", "talks/b.mp3", "private/c.mp3", "calls/.cache/d.mp3"):
        (tmp_path / name).write_bytes(b"sound")
    return AllowedFolders.of([str(tmp_path / "calls"), str(tmp_path / "talks")])


def test_files_in_allowed_folders_are_found_by_relative_and_whole_paths(
    folders: AllowedFolders, tmp_path: Path
) -> None:
    assert folders.existing_file("a.mp3") == tmp_path / "calls" / "a.mp3"
    assert folders.existing_file(str(tmp_path / "talks" / "b.mp3")) == tmp_path / "talks" / "b.mp3"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../private/c.mp3", "lies outside"),
        ("../private/nothing.mp3", "lies outside"),
        ("/etc/passwd", "lies outside"),
        ("link.mp3", "lies outside"),
        ("/proc/self/root/etc/passwd", "lies outside"),
        (".cache/d.mp3", "is hidden"),
        ("file:///etc/passwd", "accepted are a file's path"),
        ("a\0.mp3", "is no path"),
        ("missing.mp3", "there is no such file"),
        (".", "is a folder"),
        ("pipe.mp3", "is not a regular file"),
    ],
)
def test_nothing_else_is_read(folders: AllowedFolders, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "calls" / "link.mp3").symlink_to(tmp_path / "private" / "c.mp3")
    os.mkfifo(tmp_path / "calls" / "pipe.mp3")

    with pytest.raises(WrongUse, match=said):
        folders.existing_file(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.srt", "is there already"),
        ("../new.srt", "lies outside"),
        ("elsewhere/new.srt", "lies outside"),
        (".profile.srt", "is hidden"),
        ("new.sh", r"has to end in \.srt"),
        ("deeper/new.srt", "there is no folder deeper"),
    ],
)
def test_only_new_files_of_the_format_are_written(
    folders: AllowedFolders, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "calls" / "a.srt").write_text("mine")
    (tmp_path / "calls" / "elsewhere").symlink_to(tmp_path / "private")

    with pytest.raises(WrongUse, match=said):
        folders.new_file(name, "srt")
    assert folders.new_file("new.srt", "srt") == tmp_path / "calls" / "new.srt"


def test_without_a_name_it_is_the_working_directory_unless_that_is_the_whole_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert AllowedFolders.of([]).folders == (tmp_path.resolve(),)

    monkeypatch.chdir("/")
    with pytest.raises(WrongUse, match="stt mcp --root FOLDER"):
        AllowedFolders.of([]).existing_file("etc/passwd")


def test_a_folder_that_is_not_there_cannot_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="there is no such folder"):
        AllowedFolders.of([str(tmp_path / "missing")])
