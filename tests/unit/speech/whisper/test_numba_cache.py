"""Compiled kernels are kept where they can be written, and old ones do not pile up."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from speech.whisper.numba_cache import cache_folder, cpu_features, save_in_turn

SOURCES = ("float_kernels.py", "int8_kernels.py", "decoder_kernels.py", "encoder_kernels.py", "panel_layout.py")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "cpu"
    folder.mkdir()
    for name in SOURCES:
        (folder / name).write_text("first")
    return folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def seal(monkeypatch: pytest.MonkeyPatch, sealed: Path) -> None:
    """Makes a folder read-only, for root too."""
    make = tempfile.TemporaryFile

    def refuse(*, dir: Path) -> object:
        if dir.is_relative_to(sealed):
            raise OSError(30, "Read-only file system")
        return make(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


@pytest.mark.parametrize("changed", SOURCES)
def test_code_is_kept_beside_its_sources_and_that_of_older_sources_goes(
    sources: Path, temporary: Path, changed: str
) -> None:
    first = cache_folder(sources)
    (first / "code.nbc").write_text("compiled")
    (sources / changed).write_text("second")

    second = cache_folder(sources)

    assert second != first
    assert list((sources / "__pycache__").iterdir()) == [second] == [cache_folder(sources)]
    assert not list(temporary.iterdir())


def test_a_read_only_installation_brings_its_own_code(
    sources: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = cache_folder(sources) / "whisper_1"
    module.mkdir()
    (module / "code.nbc").write_text("compiled")
    module.chmod(0o500)
    seal(monkeypatch, sources)

    folder = cache_folder(sources)

    assert folder.is_relative_to(temporary)
    assert (folder / "whisper_1" / "code.nbc").read_text() == "compiled"
    assert (folder / "whisper_1").stat().st_mode & 0o200
    assert cache_folder(sources) == folder


def test_code_from_a_folder_that_others_can_write_is_not_run(
    sources: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(monkeypatch, sources)
    shared = cache_folder(sources).parent
    shared.chmod(0o777)

    assert shared not in cache_folder(sources).parents


def test_code_that_two_processes_compile_at_once_is_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_file: Any = IndexDataCacheFile
    together, load = Barrier(2), index_file._load_index

    def load_together(index: Any) -> Any:
        found = load(index)
        with suppress(BrokenBarrierError):
            together.wait(0.2)  # while both are here, neither has written what the other should see
        return found

    monkeypatch.setattr(index_file, "_load_index", load_together)
    indexes = [index_file(str(tmp_path), "kernel", "stamp") for _ in range(2)]
    with ThreadPoolExecutor(2) as processes:
        list(processes.map(save_in_turn, indexes, ["float32", "int8"], [b"of floats", b"of integers"]))

    assert [indexes[0].load(key) for key in ("float32", "int8")] == [b"of floats", b"of integers"]


def test_an_instruction_set_that_is_taken_away_again_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+avx2,+amx-tile,-sse4a,-amx-tile")

    assert cpu_features() == {"avx2"}
