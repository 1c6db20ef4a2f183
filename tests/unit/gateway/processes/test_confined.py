"""Confined processes whose fork server is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SHORT
from gateway.processes import confined
from gateway.processes.sandbox import Sandbox


@pytest.mark.parametrize("error", [ChildProcessError("it has ended"), BrokenPipeError(32, "broken")])
def test_a_server_that_is_killed_twice_is_a_shortage_of_the_machine(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    class KilledServer:
        def __init__(self, *_: Any) -> None:
            started.append(self)

        def start(self, *_: Any) -> None:
            raise error

        def close(self) -> None:
            pass

    monkeypatch.setattr(confined, "_Server", KilledServer)

    with pytest.raises(OSError, match="ended twice") as raised:
        confined.ConfinedProcesses(Sandbox.find(), Path("/bin/true")).start([], {}, 0)

    assert raised.value.errno in SHORT
    assert len(started) == 2
