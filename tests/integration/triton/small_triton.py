"""A Triton with small limits, so that failures are found and healed soon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton, TritonOptions

REPOSITORY = Path(__file__).parents[3] / "model_repository"
MODEL = "whisper-base"
OPTIONS = TritonOptions(exit_seconds=5, start_deadline=300.0, parameters={"WHISPER_SLOTS": "4"})

Connect = Callable[[EmbeddedTriton], TritonClient]  # opens a connection that the test need not close
