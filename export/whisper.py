"""One Whisper from weights to a folder that serves: graphs, parity, manifest, put in place whole."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from export.download import sha256_of
from export.parity import warm_up
from export.random_weights import open_random
from export.sources import RANDOM_PLACE, Opened, open_source, pinned_sha256
from export.targets import CPU, Target, progress
from export.tokenizer import languages, special_tokens, suppressed_first, suppressed_tokens, write_tokenizer
from export.weights import Weights
from speech.whisper.manifest import MANIFEST_FILE, InvalidManifest, Manifest, read_manifest, write_manifest

RECIPE = "3"  # grows when an export by an older version should be made again
TOKENIZER_FILE = "tokenizer.json"
STAGING = ".exporting-"


@dataclass(frozen=True, slots=True)
class Order:
    model: str  # id as in the API
    place: str  # where the weights come from: package, openai, random or a path
    data: Path  # downloads are kept here
    repository: Path  # of Triton's models
    force: bool = False  # export again what is there already
    target: Target = CPU


def export_whisper(order: Order) -> Path:
    """Writes model_repository/whisper-<id>/1/ and returns it. Does nothing where it is up to date.

    raises: InvalidDownload, InvalidWeights, InvalidTokenizer, InvalidRecordings, CompileError, ParityError
    """
    folder = order.repository / f"whisper-{order.model}" / "1"
    _adopt_model(order)
    if not order.force and _up_to_date(folder, order):
        if order.target.name == CPU.name:
            warm_up(folder)
        print(f"whisper-{order.model} is up to date in {folder}")
        return folder
    with progress(f"weights of {order.model}"):
        opened = _open(order)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{STAGING}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as staging:
        build(order.model, opened, Path(staging), order.target)
        _put_in_place(Path(staging), folder)
    print(f"whisper-{order.model} is ready in {folder}")
    return folder


def _open(order: Order) -> Opened:
    if order.place == RANDOM_PLACE:
        return open_random(order.model, order.data)
    return open_source(order.model, order.place, order.data)


def build(model: str, opened: Opened, folder: Path, target: Target = CPU) -> Manifest:
    """Writes engines, tokenizer and manifest; raises ParityError if they do not fit the weights."""
    manifest = _describe(model, opened, target, folder)
    write_manifest(manifest, folder)
    parity = target.write(opened.weights, manifest, folder)
    print("  " + ", ".join(f"{name} {error:.2g}" for name, error in parity.items()))
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST_FILE}
    manifest = replace(manifest, parity=parity, files=files)
    write_manifest(manifest, folder)
    return manifest


def _describe(model: str, opened: Opened, target: Target, folder: Path) -> Manifest:
    weights: Weights = opened.weights
    vocabulary = weights.dimensions.n_vocab
    tokenizer = write_tokenizer(opened.tokenizer, vocabulary, folder / TOKENIZER_FILE)
    return Manifest(
        id=model,
        target=target.name,
        dimensions=weights.dimensions,
        languages=languages(vocabulary),
        tokens=special_tokens(vocabulary),
        suppressed=suppressed_tokens(tokenizer, vocabulary),
        suppressed_first=suppressed_first(tokenizer, vocabulary),
        alignment_heads=weights.alignment_heads,
        precision=target.precision,
        opset=target.opset,
        source=opened.source,
        versions=_versions(),
        parity={},
        files={},
        tensorrt=target.compiled,
    )


def _versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime", "numpy", "torch")}
    return {"recipe": RECIPE, "python": platform.python_version(), **packages}


def _up_to_date(folder: Path, order: Order) -> bool:
    try:
        manifest = read_manifest(folder)
    except InvalidManifest:
        return False
    return (
        manifest.versions.get("recipe") == RECIPE
        and manifest.target == order.target.name
        and manifest.tensorrt == order.target.compiled
        and manifest.precision["encoder"] == order.target.precision["encoder"]
        and manifest.source.sha256 == pinned_sha256(order.model, order.place)
        and all((folder / name).exists() for name in manifest.files)
    )


def _put_in_place(staging: Path, folder: Path) -> None:
    """The manifest goes first and comes last: without it nothing is served. Nothing of another target stays."""
    stale = _written(folder)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    for path in sorted(staging.iterdir(), key=lambda path: path.name == MANIFEST_FILE):
        path.replace(folder / path.name)


def _written(folder: Path) -> list[str]:
    try:
        return list(read_manifest(folder).files)
    except InvalidManifest:
        return []


def _adopt_model(order: Order) -> None:
    """Gives another size what base has for Triton, anew each time: an older version's would not fit this one."""
    template, own = order.repository / "whisper-base", order.repository / f"whisper-{order.model}"
    for name in ("config.pbtxt", "1/model.py"):
        if own != template and (template / name).exists():
            text = (template / name).read_text(encoding="utf-8")
            (own / name).parent.mkdir(parents=True, exist_ok=True)
            (own / name).write_text(text.replace("whisper-base", own.name), encoding="utf-8")
