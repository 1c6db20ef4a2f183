"""A model in Whisper's place for a run of chaos: it answers with the words that the sound itself names.

It is copied into a model repository, beside `words.json`; see `sounds.py`. A word that the window cuts is not heard.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as backend

from speech.parent_watchdog import exit_with_parent
from speech.tensors import AUDIO, RESULT, write_result
from speech.transcript import WindowResult, Word

RATE = 16_000
AT_ONCE = 32


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        exit_with_parent()
        folder = Path(args["model_repository"]) / args["model_version"]
        self._vocabulary = json.loads((folder / "words.json").read_text())
        self._seconds = float(os.environ.get("ECHO_SECONDS", "0.05"))
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def execute(self, requests: list[Any]) -> None:
        for request in requests:
            pcm = backend.get_input_tensor_by_name(request, AUDIO.name).as_numpy().copy()
            self._pool.submit(self._answer, request.get_response_sender(), pcm)

    def _answer(self, sender: Any, pcm: Any) -> None:
        if len(pcm):
            time.sleep(self._seconds)
        words = self._words(pcm)
        text = " ".join(word.text for word in words)
        result = WindowResult(words, text, "en", 1.0, -0.1 if words else -2.0, 0.0 if words else 0.95)
        output = backend.Tensor(RESULT.name, np.array([write_result(result)], dtype=object))
        sender.send(backend.InferenceResponse([output]), flags=backend.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _words(self, pcm: Any) -> tuple[Word, ...]:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (pcm != 0).astype(np.int8), [0]])))
        starts, ends = edges[::2], edges[1::2]
        found = []
        for start, end in zip(starts, ends, strict=True):
            number, odd = divmod(int(end - start) - self._vocabulary["shortest"], self._vocabulary["step"])
            whole = start > 0 and end < len(pcm) and not odd and 0 <= number < len(self._vocabulary["words"])
            if whole:
                found.append(Word(self._vocabulary["words"][number], start / RATE, end / RATE, 0.95))
        return tuple(found)

    def finalize(self) -> None:
        self._pool.shutdown(wait=True)
