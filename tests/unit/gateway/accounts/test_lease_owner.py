import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.accounts.lease_owner import is_dead, this_process

NAME_ITSELF = "from gateway.accounts.lease_owner import this_process; print(this_process())"


def test_this_process_lives() -> None:
    assert not is_dead(this_process())


def test_a_process_that_has_ended_is_dead() -> None:
    ended = subprocess.run([sys.executable, "-c", NAME_ITSELF], capture_output=True, text=True, check=True)

    assert is_dead(ended.stdout.strip())


def test_a_process_that_took_over_the_number_is_not_taken_for_the_old_one() -> None:
    place, _, started, rest = this_process().split("|")

    assert is_dead(f"{place}|{os.getpid()}|{int(started) - 1}|{rest}")


@pytest.mark.parametrize("error", [PermissionError(1, "hidepid"), OSError(24, "Too many open files")])
def test_a_process_that_cannot_be_looked_at_is_not_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    owner, read = this_process(), Path.read_text

    def read_text(path: Path) -> str:
        if path.name == "stat":
            raise error
        return read(path)

    monkeypatch.setattr(Path, "read_text", read_text)

    assert not is_dead(owner)


def test_nothing_is_claimed_about_another_machine() -> None:
    assert not is_dead("elsewhere/boot/1|1|1|abcd")
    assert not is_dead("what is this")
