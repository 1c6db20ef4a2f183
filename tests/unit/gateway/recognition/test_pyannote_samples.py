from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gateway.services import open_diarizer
from gateway.settings import Settings

WORKER = """#!/bin/sh
echo '{}'
read request
echo "$request" > FOLDER/request
cat FOLDER/spool/*.pcm | wc -c > FOLDER/size
echo '{"turns": []}'
"""


async def test_the_samples_of_a_recording_lie_in_the_spool_and_go_with_the_request(tmp_path: Path) -> None:
    """Where a start sweeps what a killed process left, and not in /tmp, which containers have little of."""
    spool, python = tmp_path / "spool", tmp_path / "python"
    spool.mkdir()
    python.write_text(WORKER.replace("FOLDER", str(tmp_path)))
    python.chmod(0o755)
    chosen: dict[str, Any] = {"pyannote_python": python, "pyannote_weights": tmp_path}
    settings = Settings().model_copy(update={"diarization": Settings().diarization.model_copy(update=chosen)})
    fleet: Any = None

    async with open_diarizer(fleet, settings, spool) as diarizer:
        assert diarizer is not None
        await diarizer.turns(np.zeros(1000, np.int16))

    assert Path(json.loads((tmp_path / "request").read_text())["pcm"]).parent == spool
    assert int((tmp_path / "size").read_text()) == 2000
    assert list(spool.iterdir()) == []
