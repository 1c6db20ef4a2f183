"""The very files that `python -m export whisper --target cuda` writes of the published base weights."""

from __future__ import annotations

from pathlib import Path

from speech.whisper.manifest import read_manifest
from tests.integration.export import ahead_of_time


def test_they_say_what_the_reference_says(gpu_export: Path) -> None:
    errors = read_manifest(gpu_export).parity

    assert errors["encoder"] < 3e-3
    assert errors["logprob"] < 2e-2
    assert max(errors[name] for name in ("language", "no_speech", "choice", "draw", "alignment")) < 2e-3


def test_they_compile_for_an_a100(gpu_export: Path) -> None:
    sizes = read_manifest(gpu_export).dimensions

    ahead_of_time.check_encoder(ahead_of_time.build(gpu_export / "encoder.onnx"), sizes)
    ahead_of_time.check_decoder(ahead_of_time.build(gpu_export / "decoder.onnx"), sizes)
    ahead_of_time.check_step(ahead_of_time.build(gpu_export / "step.onnx"), sizes)
