"""The diarizer in Triton: this file adapts, speech.diarization does the work. The graphs lie beside it."""

from __future__ import annotations

from typing import Any

import triton_python_backend_utils as backend

from speech.diarization.serving import DiarizerAdapter


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._adapter = DiarizerAdapter.open(backend, args)

    def execute(self, requests: list[Any]) -> list[Any]:
        return self._adapter.answer(requests)
