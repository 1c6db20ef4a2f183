"""Whisper in Triton: this file adapts, speech.whisper does the work. The engines lie beside it."""

from __future__ import annotations

from typing import Any

import triton_python_backend_utils as backend

from speech.whisper.serving import WhisperAdapter


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._adapter = WhisperAdapter.open(backend, args)

    def execute(self, requests: list[Any]) -> None:
        self._adapter.accept(requests)

    def finalize(self) -> None:
        self._adapter.close()
