"""The manifest beside the engines: what the weights say about themselves, so that nothing is hard-coded."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speech.whisper.calibration import Calibration
from speech.whisper.engine import Dimensions
from speech.whisper.special_tokens import SpecialTokens, sot_sequence

MANIFEST_FILE = "manifest.json"
RANDOM = "random numbers, for timing"  # origin of weights that say nothing
FORMAT = 4  # grows when an older export can no longer be served
# Format 2 renamed an input of the GPU graphs, 3 gave steps a graph of their own, 4 has them keep queries instead of
# alignment weights; what a CPU runs did not change, so its older exports are still served.
OLDEST_FORMAT = {"cpu": 1, "onnx": 1}

log = logging.getLogger(__name__)


class InvalidManifest(ValueError):
    """The folder holds no export that this version can serve."""


@dataclass(frozen=True, slots=True)
class Source:
    name: str  # of the weights as published
    origin: str  # where they came from
    licence: str
    sha256: str  # of the file of weights


@dataclass(frozen=True, slots=True)
class Compiled:
    """What TensorRT's plans were made by and for: they run nowhere else.

    What TensorRT for RTX made on any machine was tuned on no card, and chooses its kernels where it is opened.
    """

    version: str  # of TensorRT, or of TensorRT for RTX
    compute_capability: str  # of the card: 8.0, 9.0 …
    card: str = ""  # its name, "" in older exports and where there was none
    multiprocessors: int = 0  # of the card, or of the part of it (MIG) that they were tuned on; 0 likewise


@dataclass(frozen=True, slots=True)
class Manifest:
    id: str  # as in the API: base, large-v3-turbo …
    target: str  # cpu, cuda, tensorrt or tensorrt-rtx
    dimensions: Dimensions
    languages: tuple[str, ...]  # codes, in the order of their tokens; empty for English-only weights
    tokens: SpecialTokens
    suppressed: tuple[int, ...]  # never written: special tokens, timestamps, non-speech symbols
    suppressed_first: tuple[int, ...]  # besides, right after a prompt: blank, end of text
    alignment_heads: tuple[tuple[int, int], ...]  # (layer, head) of the decoder, in that order
    precision: dict[str, str]  # of each network's weights
    opset: dict[str, int]  # of each ONNX graph
    source: Source
    versions: dict[str, str]  # of the programs that wrote the export
    parity: dict[str, float]  # largest relative error against the reference, by network
    files: dict[str, str]  # sha256 by name, of every file beside the manifest
    tensorrt: Compiled | None = None  # of the targets with plans
    calibration: Calibration | None = None  # of word confidence; None: uncalibrated

    @property
    def random(self) -> bool:
        """Whether the weights are noise of the true shape: never to be served."""
        return self.source.origin == RANDOM

    @property
    def multilingual(self) -> bool:
        return bool(self.languages)

    def sot_sequence(self, language: str) -> list[int]:
        """The start-of-transcript prompt. Raises UnknownLanguage for a language that the weights do not have."""
        return sot_sequence(self.tokens, self.languages, language)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    fields = {"format": FORMAT, **asdict(manifest)}
    if manifest.calibration is None:
        del fields["calibration"]  # versions before it know no such field
    text = json.dumps(fields, indent=1)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The inverse of `write_manifest`.

    raises: InvalidManifest if the file is missing, broken, or of another format
    """
    path = folder / MANIFEST_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidManifest(f"no {MANIFEST_FILE} in {folder}: run `python -m export whisper`") from None
    except ValueError as error:
        raise InvalidManifest(f"{path} is not JSON: {error}") from None
    if not isinstance(fields, dict) or not _readable(fields.pop("format", None), fields.get("target")):
        raise InvalidManifest(f"{path} is not of format {FORMAT}: run `python -m export whisper` again")
    try:
        return _manifest(fields)
    except (TypeError, KeyError) as error:
        raise InvalidManifest(f"{path} lacks or has too many fields: {error}") from None


def _readable(written: object, target: object) -> bool:
    oldest = OLDEST_FORMAT.get(str(target), FORMAT)
    return isinstance(written, int) and oldest <= written <= FORMAT


def check_plan(manifest: Manifest, here: Compiled) -> None:
    """Plans fit one exact version of TensorRT and one kind of card.

    here: the TensorRT that would run them, and the card
    A card of the same kind with more or fewer multiprocessors runs them, slower than plans of its own: that is logged.
    raises: InvalidManifest, with the command that builds them again
    """
    built = manifest.tensorrt
    target = "tensorrt" if built is None else manifest.target
    command = f"python -m export whisper --model {manifest.id} --target {target}"
    precision = manifest.precision["encoder"]
    if built is None:
        raise InvalidManifest(f"whisper-{manifest.id} was not exported for TensorRT: run `{command}`")
    command += f" --compute-capability {here.compute_capability}" if target == "tensorrt-rtx" else ""
    command += "" if precision == "float16" else f" --precision {precision} --recordings FOLDER"
    if (built.version, built.compute_capability) != (here.version, here.compute_capability):
        raise InvalidManifest(
            f"whisper-{manifest.id} was built by TensorRT {built.version} for compute capability "
            f"{built.compute_capability}; here are {here.version} and {here.compute_capability}: run `{command}`"
        )
    if built.multiprocessors not in (0, here.multiprocessors):
        log.warning(
            "whisper-%s was tuned on %s (%d multiprocessors), and runs slower than it could on %s (%d): run `%s`",
            manifest.id, built.card, built.multiprocessors, here.card, here.multiprocessors, command,
        )  # fmt: skip


def _manifest(fields: dict[str, Any]) -> Manifest:
    compiled = fields.pop("tensorrt", None)
    calibration = fields.pop("calibration", None)
    target = fields.pop("target")
    typed: dict[str, Any] = {
        "target": "cpu" if target == "onnx" else target,  # its name in older exports
        "tensorrt": Compiled(**compiled) if compiled else None,
        "calibration": Calibration(**calibration) if calibration else None,
        "dimensions": Dimensions(**fields.pop("dimensions")),
        "tokens": SpecialTokens(**fields.pop("tokens")),
        "source": Source(**fields.pop("source")),
        "languages": tuple(fields.pop("languages")),
        "suppressed": tuple(fields.pop("suppressed")),
        "suppressed_first": tuple(fields.pop("suppressed_first")),
        "alignment_heads": tuple((layer, head) for layer, head in fields.pop("alignment_heads")),
    }
    return Manifest(**typed, **fields)
