"""One Whisper from weights to a folder that is served: graphs, parity, manifest, put in place whole."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from export.calibrations import calibrate
from export.download import sha256_of
from export.parity import warm_up
from export.plan_store import PlanKey, PlanStore
from export.progress import step
from export.random_weights import load_random
from export.sources import RANDOM_SOURCE, LoadedWeights, load_weights, pinned_sha256
from export.targets import CPU, CUDA, Target
from export.tokenizer import languages, special_tokens, suppressed_first, suppressed_tokens, write_tokenizer
from export.weights import Weights
from speech.whisper.manifest import MANIFEST_FILE, InvalidManifest, Manifest, read_manifest, write_manifest

# By target; each grows when an export by an older version should be made again.
RECIPES = {"cpu": "4", "cuda": "7", "tensorrt": "7", "tensorrt-rtx": "7"}
TOKENIZER_FILE = "tokenizer.json"
STAGING = ".exporting-"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    model: str  # id as in the API
    source: str  # of the weights: package, openai, random or a path
    data: Path  # downloads are kept here
    repository: Path  # of Triton's models
    force: bool = False  # export again what is there already
    target: Target = CPU
    tokenizer: Path | None = None  # of random weights, where none can be fetched
    plans: PlanStore | None = None  # what is there is taken, what is made is put there
    building: bool = True  # plans that are not there are made here; else the graphs that they are made of serve instead


def export_whisper(request: ExportRequest) -> Path:
    """Writes model_repository/whisper-<id>/1/ and returns it. Does nothing where it is up to date.

    raises: InvalidDownload, InvalidWeights, InvalidTokenizer, InvalidRecordings, CompileError, ParityError,
    InvalidPlans
    """
    folder = _export(request)
    calibrate(folder)
    return folder


def _export(request: ExportRequest) -> Path:
    folder = request.repository / f"whisper-{request.model}" / "1"
    _copy_model(request)
    if not request.force and _up_to_date(folder, request):
        if request.target.name == CPU.name:
            warm_up(folder)
        print(f"whisper-{request.model} is up to date in {folder}")
        return folder
    if request.plans and not request.force and _fetch_in_place(request, request.plans, folder):
        print(f"whisper-{request.model} is taken from the store, in {folder}")
        return folder
    if request.target.compiled and not request.building:
        print(f"no plan of whisper-{request.model} for this card is in the store: its graphs serve until there is one")
        return _export(replace(request, target=CUDA))
    with request.target.prepare():
        with step(f"weights of {request.model}"):
            loaded = _load(request)
        _build_in_place(request, loaded, folder)
    if request.plans:
        _store(request.plans, folder)
    print(f"whisper-{request.model} is ready in {folder}")
    return folder


def _build_in_place(request: ExportRequest, loaded: LoadedWeights, folder: Path) -> None:
    with _staging(folder) as staging:
        build(request.model, loaded, staging, request.target)
        _publish(staging, folder)


def _fetch_in_place(request: ExportRequest, plans: PlanStore, folder: Path) -> bool:
    """Where the weights' hash is known before they are read."""
    target, source = request.target, pinned_sha256(request.model, request.source)
    if source is None:
        return False
    key = PlanKey(
        request.model, source, RECIPES[target.name], target.name, target.precision["encoder"], target.compiled
    )
    with _staging(folder) as staging:
        found = plans.fetch(key, staging)
        if found:
            _publish(staging, folder)
    return found


def _store(plans: PlanStore, folder: Path) -> None:
    """A store that may only be read costs the others the same work, and this machine nothing."""
    try:
        print(f"stored as {plans.publish(folder)}")
    except OSError as error:
        print(f"not stored: {error}")


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A folder beside what is served, on the same file system."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{STAGING}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as staging:
        yield Path(staging)


def _load(request: ExportRequest) -> LoadedWeights:
    if request.source == RANDOM_SOURCE:
        return load_random(request.model, request.data, request.tokenizer)
    return load_weights(request.model, request.source, request.data)


def build(model: str, loaded: LoadedWeights, folder: Path, target: Target = CPU) -> Manifest:
    """Writes engines, tokenizer and manifest. raises: ParityError if they do not fit the weights"""
    manifest = _describe(model, loaded, target, folder)
    parity = target.write(loaded.weights, manifest, folder)
    print("  " + ", ".join(f"{name} {error:.2g}" for name, error in parity.items()))
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    manifest = replace(manifest, parity=parity, files=files)
    write_manifest(manifest, folder)
    return manifest


def _describe(model: str, loaded: LoadedWeights, target: Target, folder: Path) -> Manifest:
    weights: Weights = loaded.weights
    vocabulary = weights.dimensions.n_vocab
    tokenizer = write_tokenizer(loaded.tokenizer, vocabulary, folder / TOKENIZER_FILE)
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
        source=loaded.source,
        versions=_versions(target),
        parity={},
        files={},
        tensorrt=target.compiled,
    )


def _versions(target: Target) -> dict[str, str]:
    """By the modules themselves: `onnxruntime` comes from several distributions, of other names."""
    modules = {module.__name__: str(module.__version__) for module in (onnx, onnxruntime, np)}
    return {"recipe": RECIPES[target.name], "python": platform.python_version(), **modules}


def _up_to_date(folder: Path, request: ExportRequest) -> bool:
    try:
        manifest = read_manifest(folder)
    except InvalidManifest:
        return False
    return (
        manifest.versions.get("recipe") == RECIPES[request.target.name]
        and manifest.target == request.target.name
        and manifest.tensorrt == request.target.compiled
        and manifest.precision["encoder"] == request.target.precision["encoder"]
        and manifest.source.sha256 == pinned_sha256(request.model, request.source)
        and all((folder / name).exists() for name in manifest.files)
    )


def _publish(staging: Path, folder: Path) -> None:
    """The manifest goes first and comes last: without it nothing is served. Nothing of another target stays."""
    stale = _exported_files(folder)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    for path in sorted(staging.iterdir(), key=lambda path: path.name == MANIFEST_FILE):
        path.replace(folder / path.name)


def _exported_files(folder: Path) -> list[str]:
    try:
        return list(read_manifest(folder).files)
    except InvalidManifest:
        return []


def _copy_model(request: ExportRequest) -> None:
    """Gives another size the Triton model of base, each time: that of an older version would not fit this one."""
    template, own = request.repository / "whisper-base", request.repository / f"whisper-{request.model}"
    for name in ("config.pbtxt", "1/model.py"):
        if own != template and (template / name).exists():
            text = (template / name).read_text(encoding="utf-8")
            (own / name).parent.mkdir(parents=True, exist_ok=True)
            (own / name).write_text(text.replace("whisper-base", own.name), encoding="utf-8")
