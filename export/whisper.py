"""One Whisper from weights to a folder that serves: graphs, parity, manifest, put in place whole."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export import decoder
from export.download import sha256_of
from export.encoder import encoder_graph
from export.graph import save_graph
from export.onnx_cpu import Float, Int8
from export.packing import pack_decoder, pack_encoder
from export.parity import Tolerance, check_decoders, check_encoder, listen, warm_up
from export.sources import Opened, open_source, pinned_sha256
from export.tokenizer import languages, special_tokens, suppressed_first, suppressed_tokens, write_tokenizer
from export.weights import Weights
from speech.whisper.audio_encoder import ENCODER_FILE, PANELS_FILE
from speech.whisper.cpu_engine import DECODER_FILE
from speech.whisper.manifest import MANIFEST_FILE, InvalidManifest, Manifest, read_manifest, write_manifest

RECIPE = "3"  # grows when an export by an older version should be made again
TOKENIZER_FILE = "tokenizer.json"
STAGING = ".exporting-"


@dataclass(frozen=True, slots=True)
class Order:
    model: str  # id as in the API
    place: str  # where the weights come from: package, openai or a path
    data: Path  # downloads are kept here
    repository: Path  # of Triton's models
    force: bool = False  # export again what is there already


def export_whisper(order: Order) -> Path:
    """Writes model_repository/whisper-<id>/1/ and returns it. Does nothing where it is up to date.

    raises: InvalidDownload, InvalidWeights, InvalidTokenizer, ParityError
    """
    folder = order.repository / f"whisper-{order.model}" / "1"
    if not order.force and _up_to_date(folder, order):
        warm_up(folder)
        print(f"whisper-{order.model} is up to date in {folder}")
        return folder
    with _progress(f"weights of {order.model}"):
        opened = open_source(order.model, order.place, order.data)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{STAGING}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as staging:
        build(order.model, opened, Path(staging))
        _put_in_place(Path(staging), folder)
    _adopt_model(order)
    print(f"whisper-{order.model} is ready in {folder}")
    return folder


def build(model: str, opened: Opened, folder: Path) -> Manifest:
    """Writes graphs, decoder, tokenizer and manifest; raises ParityError if they do not fit the weights."""
    weights = opened.weights
    tolerance = Tolerance()
    with _progress("encoder graph"):
        save_graph(encoder_graph(weights, Float()).model(Float.opset), folder / "float.onnx")
        save_graph(encoder_graph(weights, Int8()).model(Int8.opset), folder / ENCODER_FILE)
    with _progress("decoder graph"):
        graph = decoder.decoder_graph(weights, decoder.PRECISION)
        save_graph(graph.model(decoder.OPSET), folder / decoder.GRAPH_FILE)
    with _progress("panels for the compiled kernels"):
        np.savez(folder / PANELS_FILE, **pack_encoder(weights))
        np.savez(folder / DECODER_FILE, **pack_decoder(weights))
    manifest = _describe(model, opened, folder)
    write_manifest(manifest, folder)
    with _progress("parity with the reference"):
        heard = listen(weights)
        parity = {
            "encoder_graph": check_encoder(folder / "float.onnx", heard, tolerance.graph),
            "encoder": check_encoder(folder / ENCODER_FILE, heard, tolerance.encoder),
            **check_decoders(folder, heard, tolerance),
        }
    for scaffold in folder.glob("float.onnx*"):
        scaffold.unlink()
    print("  " + ", ".join(f"{name} {error:.2g}" for name, error in parity.items()))
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST_FILE}
    manifest = replace(manifest, parity=parity, files=files)
    write_manifest(manifest, folder)
    return manifest


def _describe(model: str, opened: Opened, folder: Path) -> Manifest:
    weights: Weights = opened.weights
    vocabulary = weights.dimensions.n_vocab
    tokenizer = write_tokenizer(opened.tokenizer, vocabulary, folder / TOKENIZER_FILE)
    return Manifest(
        id=model,
        target="onnx",
        dimensions=weights.dimensions,
        languages=languages(vocabulary),
        tokens=special_tokens(vocabulary),
        suppressed=suppressed_tokens(tokenizer, vocabulary),
        suppressed_first=suppressed_first(tokenizer, vocabulary),
        alignment_heads=weights.alignment_heads,
        precision={
            "encoder": "int8",
            "decoder": "int8 weights, float32 sums",
            "decoder_graph": np.dtype(decoder.PRECISION).name,
        },
        opset={"encoder": Int8.opset, "decoder_graph": decoder.OPSET},
        source=opened.source,
        versions=_versions(),
        parity={},
        files={},
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
        and manifest.source.sha256 == pinned_sha256(order.model, order.place)
        and all((folder / name).exists() for name in manifest.files)
    )


def _put_in_place(staging: Path, folder: Path) -> None:
    """The manifest goes first and comes last: without it nothing is served."""
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for path in sorted(staging.iterdir(), key=lambda path: path.name == MANIFEST_FILE):
        path.replace(folder / path.name)


def _adopt_model(order: Order) -> None:
    """Gives a size that Triton does not know yet the configuration of base."""
    template, own = order.repository / "whisper-base", order.repository / f"whisper-{order.model}"
    for name in ("config.pbtxt", "1/model.py"):
        if (template / name).exists() and not (own / name).exists():
            text = (template / name).read_text(encoding="utf-8")
            (own / name).write_text(text.replace("whisper-base", own.name), encoding="utf-8")


@contextmanager
def _progress(what: str) -> Iterator[None]:
    print(f"{what} …", flush=True)
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)
