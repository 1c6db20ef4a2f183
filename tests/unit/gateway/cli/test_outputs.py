from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.errors import WrongUse
from gateway.cli.outputs import check_picture, check_writable, choose_targets
from gateway.cli.recordings import RecordingFile


def recordings(*names: str) -> list[RecordingFile]:
    return [RecordingFile(name, Path(name), Path(name)) for name in names]


def test_one_transcript_goes_to_a_file_and_several_to_a_folder(tmp_path: Path) -> None:
    one, folder = tmp_path / "a.srt", tmp_path / "out"

    assert choose_targets(recordings("a.mp3"), None, "srt") == [None]
    assert choose_targets(recordings("a.mp3"), str(one), "srt") == [one]
    assert choose_targets(recordings("a.mp3"), f"{folder}/", "srt") == [folder / "a.srt"]
    assert choose_targets(recordings("a.b.mp3", "sub/c.mp3"), str(folder), "txt") == [
        folder / "a.b.txt",
        folder / "sub" / "c.txt",
    ]


def test_recordings_that_differ_in_their_endings_keep_them(tmp_path: Path) -> None:
    targets = choose_targets(recordings("a.mp3", "a.wav", "b.wav"), str(tmp_path), "txt")

    assert targets == [tmp_path / "a.mp3.txt", tmp_path / "a.wav.txt", tmp_path / "b.txt"]


def test_two_of_the_same_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="same name"):
        choose_targets(recordings("a.mp3", "a.mp3"), str(tmp_path), "txt")


@pytest.mark.parametrize("target", ["/proc/transcript.txt", "/dev/null/transcript.txt", "."])
def test_a_target_that_cannot_be_written_is_refused(target: str) -> None:
    with pytest.raises(WrongUse, match="cannot be written"):
        check_writable(Path(target))


def test_the_check_leaves_everything_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "there.txt"
    there.write_text("text")

    check_writable(there)
    check_writable(tmp_path / "new.txt")

    assert there.read_text() == "text"
    assert list(tmp_path.iterdir()) == [there]


def test_an_unknown_kind_of_picture_is_refused(tmp_path: Path) -> None:
    assert check_picture(str(tmp_path / "a.SVG")) == tmp_path / "a.SVG"
    with pytest.raises(WrongUse, match=r"accepted: \.png, \.svg, \.pdf"):
        check_picture("a.foo")


def test_where_nothing_draws_the_command_that_brings_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.outputs.find_spec", lambda _name: None)

    with pytest.raises(WrongUse, match=r"`make -C .* plot` brings it"):
        check_picture(str(tmp_path / "a.svg"))
