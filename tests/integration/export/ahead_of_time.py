"""What TensorRT-RTX makes of a graph, in a process of its own: its crash or its hunger for memory fails one test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from export.tensorrt import DECODER_PROFILES, ENCODER_PROFILES, STEP_PROFILES
from speech.whisper.engine import Dimensions

SCRIPT = Path(__file__).with_name("rtx_build.py")
ROOT = Path(__file__).parents[3]
SECONDS = 240  # a build takes a few; a machine may be busy


def build(graph: Path, card: str = "8.0") -> dict[str, Any]:
    """Layers by kind, bytes and profiles of the plan. card: its compute capability; 8.0 is an A100, 8.9 an L40."""
    command = [sys.executable, str(SCRIPT), str(graph), card]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def check_encoder(said: dict[str, Any], sizes: Dimensions) -> None:
    assert said["layers"]["ATTENTION_INPUT"] == sizes.n_audio_layer
    assert (said["profiles"], said["tf32"]) == (len(ENCODER_PROFILES), False)
    assert said["scaled_keys"] == 0


def check_decoder(said: dict[str, Any], sizes: Dimensions) -> None:
    """A mask over the text, and as many frames of the window as were encoded."""
    _check_layers(said, sizes, len(DECODER_PROFILES))
    assert (said["masks"], said["lengths"]) == (sizes.n_text_layer, sizes.n_text_layer), "lengths were lost on the way"


def _check_layers(said: dict[str, Any], sizes: Dimensions, profiles: int) -> None:
    """Each layer writes keys and values and attends twice; the alignment queries are one cache more."""
    assert said["layers"]["KV_CACHE_UPDATE"] == 2 * sizes.n_text_layer + 1
    assert said["layers"]["ATTENTION_INPUT"] == 2 * sizes.n_text_layer
    assert said["scaled_keys"] == 0, "keys are read, multiplied by one, written and read again"
    assert (said["profiles"], said["tf32"]) == (profiles, False)


def check_step(said: dict[str, Any], sizes: Dimensions) -> None:
    """The same. The graph asks for no shape; TensorRT's parser asks for the number of rows all the same."""
    _check_layers(said, sizes, len(STEP_PROFILES))
    assert (said["masks"], said["lengths"]) == (0, 2 * sizes.n_text_layer), "lengths were lost on the way"
