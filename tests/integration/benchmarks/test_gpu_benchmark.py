"""The whole benchmark of GPUs but the GPU: a tiny export of random numbers, timed on the processor."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import gpu, gpu_service
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.timed import Timer
from export.random_weights import random_weights
from export.sources import NO_FILE
from export.targets import CUDA
from export.whisper import build
from speech.whisper.manifest import RANDOM, Source
from tests.unit.export.small_whispers import dimensions, opened


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a large-v3 of one narrow layer, where the benchmark looks for its exports."""
    folder = tmp_path_factory.mktemp("exports")
    export = folder / "cuda" / "whisper-large-v3" / "1"
    export.mkdir(parents=True)
    weights = opened(random_weights(dimensions(64, (1, 1)), ((0, 0),)), folder)
    build("large-v3", replace(weights, source=Source("noise", RANDOM, "none", NO_FILE)), export, CUDA)
    return folder


def test_every_batch_is_timed_and_told_as_a_rehearsal(exports: Path, tmp_path: Path) -> None:
    arguments = "--provider cpu --models large-v3 --batches 1 2 --tokens 3 --rounds 1 --tflops 1 --bandwidth 10"
    places = ["--exports", str(exports), "--results", str(tmp_path), "--python", sys.executable]

    assert gpu.main([*arguments.split(), *places]) == 0

    told = json.loads((tmp_path / "gpu-rehearsal.json").read_text())
    card, passes = told["tables"]
    assert card["rows"][0] == ["name", "none: a rehearsal on the processor, whose figures say nothing of a GPU"]
    assert [row[0] for row in passes["rows"]] == [1, 2]
    assert RANDOM in passes["note"]
    ours = told["data"]["large-v3"]["ours"]["2"]
    assert ours["total"] == pytest.approx(ours["encode"] + 3 * ours["step"])


def test_the_service_is_timed_with_files_alone_and_beside_live_sessions(
    exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = "--provider cpu --models large-v3 --batches 2 --tokens 3 --rounds 1 --without-peer --service"
    places = ["--exports", str(exports), "--results", str(tmp_path), "--python", sys.executable]
    monkeypatch.setattr(gpu_service, "SESSIONS", (0, 1))

    assert gpu.main([*arguments.split(), *places]) == 0

    told = json.loads((tmp_path / "gpu-rehearsal.json").read_text())
    alone, beside = told["data"]["large-v3 service"]
    assert (alone["audio"], alone["live"], alone["live_p95"]) == (2 * gpu_service.TURNS * 30, 0, None)
    assert beside["live"] > 0
    assert told["tables"][-1]["title"] == "large-v3: the service"


def test_a_limit_that_has_passed_leaves_models_out(exports: Path, tmp_path: Path) -> None:
    places = ["--exports", str(exports), "--results", str(tmp_path), "--python", sys.executable]

    assert gpu.main(["--provider", "cpu", "--models", "large-v3", "--limit", "1e-9", *places]) == 0

    told = json.loads((tmp_path / "gpu-rehearsal.json").read_text())
    assert told["tables"][1]["title"] == "large-v3: left out"


def test_without_a_card_nothing_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blind = tmp_path / "python"  # an environment that finds no card
    blind.write_text("#!/bin/sh\necho null\n")
    blind.chmod(0o755)

    assert gpu.main(["--python", str(blind)]) == 1
    assert "no NVIDIA GPU here" in capsys.readouterr().err


def test_a_timer_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match=r"the engine: InvalidManifest: no manifest\.json"):
        Timer("the engine", "graphs", [tmp_path], Path(sys.executable))


def test_a_model_that_cannot_be_exported_is_told_and_ends_nothing(tmp_path: Path) -> None:
    arguments = ["--provider", "cpu", "--models", "gigantic", "--results", str(tmp_path)]

    assert gpu.main([*arguments, "--exports", str(tmp_path), "--python", sys.executable]) == 0

    told = json.loads((tmp_path / "gpu-rehearsal.json").read_text())
    assert told["tables"][1]["title"] == "gigantic: broken off"
