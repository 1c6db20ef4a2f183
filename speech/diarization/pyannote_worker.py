"""pyannote.audio's own pipeline as a process: one JSON request a line in, one JSON answer a line out.

    python pyannote_worker.py WEIGHTS
    {"pcm": "/path/of/int16-mono-16kHz", "speakers": 0} → {"turns": [[start, end, "SPEAKER_00"], …], "cpu": seconds}

Started as a file, in an environment of its own that has pyannote.audio and onnxruntime: its numpy is newer
than the one that the embedded Triton can load. WEIGHTS is a folder: either a pipeline as pyannote publishes it
(config.yaml and what that names), or what `python -m export diarizer --pyannote FOLDER` writes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import types
from pathlib import Path
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "0"  # no telemetry, nor by ONNX Runtime
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched while serving

import numpy as np
import onnxruntime
import torch

# The published parameters of pyannote.audio 3.1's pipeline but for the threshold, which belongs to CAM++.
CLUSTERING = {"method": "centroid", "min_cluster_size": 12, "threshold": 0.8}
STEP = 0.25  # of a window of 10 s
SEGMENT = 200  # mel frames: the embedding takes multiples of it


class CamPlusPlusEmbedding:
    """CAM++ where pyannote.audio expects a speaker embedding."""

    sample_rate = 16_000
    dimension = 192
    metric = "cosine"
    min_num_samples = 6_400

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()

        def open_graph(name: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])

        self._filterbank, self._embedding = open_graph("filterbank.onnx"), open_graph("embedding.onnx")
        with np.load(folder / "vector.npz") as layer:
            self._weight, self._bias = layer["weight"], layer["bias"]

    def to(self, device: Any) -> CamPlusPlusEmbedding:
        return self

    def __call__(self, waveforms: torch.Tensor, masks: torch.Tensor | None = None) -> np.ndarray[Any, Any]:
        """(batch, 192) from (batch, 1, samples) and masks (batch, frames); NaN where there is too little speech."""
        vectors = np.full((len(waveforms), self.dimension), np.nan, np.float32)
        for row, waveform in enumerate(waveforms):
            mel = self._filterbank.run(None, {"input": waveform.numpy()})[0][0]
            if masks is not None:
                places = (np.arange(len(mel)) * masks.shape[1] / len(mel)).astype(int)
                mel = mel[masks[row].numpy()[places] > 0.5]
            if len(mel) >= self.min_num_samples // 160:
                vectors[row] = self._embed(mel)
        return vectors

    def _embed(self, mel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        whole = -(-len(mel) // SEGMENT) * SEGMENT
        rows = np.resize(mel - mel.mean(axis=0), (1, whole, mel.shape[1]))
        features = self._embedding.run(None, {"input": rows})[0][0][: max(2, len(mel) // 2)]
        statistics = np.concatenate([features.mean(0), features.std(0, ddof=1)])
        vector: np.ndarray[Any, Any] = self._weight @ statistics + self._bias
        return vector


def leave_out_compiled_torchaudio() -> None:
    """torchaudio's compiled part is built for CUDA and fails beside a CPU torch; nothing here calls it."""
    if torch.version.cuda is None:
        extension = types.ModuleType("torchaudio._extension")
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
        extension.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
        sys.modules["torchaudio._extension"] = extension


def open_pipeline(folder: Path) -> Any:
    leave_out_compiled_torchaudio()
    from pyannote.audio import Model, Pipeline
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.pipelines import speaker_diarization

    if (folder / "config.yaml").is_file():
        return Pipeline.from_pretrained(folder)
    # torch reads the checkpoint's classes; the export has checked its hash.
    segmentation = Model.from_pretrained(folder / "pytorch_model.bin")
    speaker_diarization.PretrainedSpeakerEmbedding = lambda *_, **__: CamPlusPlusEmbedding(folder)
    pipeline = speaker_diarization.SpeakerDiarization(
        segmentation=segmentation,
        segmentation_step=STEP,
        segmentation_batch_size=8,
        embedding=str(folder / "embedding.onnx"),
        embedding_exclude_overlap=True,
        embedding_batch_size=8,
        clustering="AgglomerativeClustering",
        plda=PLDA.__new__(PLDA),  # asked for, though this clustering uses none
    )
    return pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": CLUSTERING})


def answer(pipeline: Any, request: dict[str, Any]) -> dict[str, Any]:
    before = cpu_seconds()
    samples = np.fromfile(request["pcm"], np.int16).astype(np.float32) / 32768.0
    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": 16_000}
    known = {"num_speakers": request["speakers"]} if request.get("speakers") else {}
    annotation = pipeline(file, **known).speaker_diarization
    turns = [[turn.start, turn.end, name] for turn, _, name in annotation.itertracks(yield_label=True)]
    return {"turns": turns, "cpu": cpu_seconds() - before}


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(weights: Path) -> None:
    torch.set_num_threads(int(os.environ.get("DIARIZER_THREADS", "2")))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print must not be taken for an answer
    pipeline = open_pipeline(weights)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            reply = answer(pipeline, json.loads(line))
        except Exception as problem:  # one recording's failure is reported; the next may succeed
            reply = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
