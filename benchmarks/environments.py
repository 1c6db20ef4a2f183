"""The checkout, and the Python environments beside it in which its parts are measured."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SERVICE_ENVIRONMENT = PROJECT / ".venv"
SERVICE_PYTHON = SERVICE_ENVIRONMENT / "bin" / "python"
PEERS_ENVIRONMENT = PROJECT / ".venv-benchmarks"
PEERS_PYTHON = PEERS_ENVIRONMENT / "bin" / "python"
PYANNOTE_PYTHON = PROJECT / ".venv-pyannote" / "bin" / "python"
WHISPER = PROJECT / "model_repository" / "whisper-base"  # the export for a CPU
