"""A model of the Python backend that answers with the sum of the sound, and raises where the sound begins with -1."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as backend


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._decoupled = '"decoupled":true' in args["model_config"].replace(" ", "")

    def execute(self, requests: list[Any]) -> list[Any] | None:
        answers = [self._answer(request) for request in requests]
        if not self._decoupled:
            return answers
        for request, answer in zip(requests, answers, strict=True):
            request.get_response_sender().send(answer, flags=backend.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return None

    @staticmethod
    def _answer(request: Any) -> Any:
        sound = backend.get_input_tensor_by_name(request, "AUDIO").as_numpy()
        if sound[:1] == -1:
            raise ValueError("this sound is refused")
        total = str(int(sound.sum(dtype=np.int64))).encode()
        return backend.InferenceResponse([backend.Tensor("RESULT", np.array([total], dtype=object))])
