import os
from pathlib import Path

import pytest

from gateway.processes.memory import memory_bytes

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own"
    file.write_text("1:name=systemd:/elsewhere\n0::/system.slice/stt.service\n")
    return file


def limit(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(text)


def test_the_narrowest_of_the_control_groups_counts(tmp_path: Path, own: Path) -> None:
    limit(tmp_path / "groups" / "system.slice" / "stt.service", "max\n")
    limit(tmp_path / "groups" / "system.slice", "1048576\n")
    limit(tmp_path / "groups", "2097152\n")

    assert memory_bytes(tmp_path / "groups", own) == 1048576


@pytest.mark.parametrize("text", ["max", "", str(10 * MACHINE)])
def test_without_a_limit_the_machine_has_what_it_has(tmp_path: Path, own: Path, text: str) -> None:
    limit(tmp_path / "groups", text)

    assert memory_bytes(tmp_path / "groups", own) == MACHINE


def test_in_a_container_its_own_group_is_the_root(tmp_path: Path) -> None:
    limit(tmp_path / "groups", "1048576")

    assert memory_bytes(tmp_path / "groups", tmp_path / "none") == 1048576
