from pathlib import Path

from gateway.spool import open_spool, request_folder


def test_files_of_a_request_are_gone_after_it(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool, request_folder(spool) as folder:
        (folder / "upload").write_bytes(b"sound")

    assert not folder.exists()
    assert not spool.exists()


def test_what_a_killed_process_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "spool" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "upload").write_bytes(b"sound")

    with open_spool(tmp_path):
        assert not left.exists()


def test_the_folder_of_a_living_process_stays(tmp_path: Path) -> None:
    with open_spool(tmp_path) as first, open_spool(tmp_path) as second:
        assert first.exists()
        assert second.exists()
