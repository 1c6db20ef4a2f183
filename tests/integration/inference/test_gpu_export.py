"""The very files that `python -m export whisper --target cuda` writes of the published base weights."""

from __future__ import annotations

from pathlib import Path

import ahead_of_time
import pytest
from small_triton import REPOSITORY

from export.sources import default_place
from export.targets import CUDA
from export.whisper import Order, export_whisper
from speech.whisper.manifest import read_manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = REPOSITORY.parent / "var" / "weights"
    repository = tmp_path_factory.mktemp("repository")
    return export_whisper(Order("base", default_place("base"), weights, repository, target=CUDA))


def test_they_say_what_the_reference_says(folder: Path) -> None:
    errors = read_manifest(folder).parity

    assert errors["encoder"] < 3e-3
    assert errors["logprob"] < 2e-2
    assert max(errors[name] for name in ("language", "no_speech", "choice", "draw", "alignment")) < 2e-3


def test_they_compile_for_an_a100(folder: Path) -> None:
    sizes = read_manifest(folder).dimensions

    ahead_of_time.check_encoder(ahead_of_time.build(folder / "encoder.onnx"), sizes)
    ahead_of_time.check_decoder(ahead_of_time.build(folder / "decoder.onnx"), sizes)
