"""What torch computed from the published weights: a few kilobytes each, which every export is compared with.

`python -m export.references` makes the files again; it alone needs torch (pip install .[reference]).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
SAMPLES = 500  # numbers that are kept of each output
SPREAD = 2_654_435_761  # a prime: its multiples visit an array evenly, across every axis

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class StoredReference:
    """Outputs of one network, or of several, for a known input."""

    weights: dict[str, str]  # sha256 by file name
    versions: dict[str, str]  # of the programs that computed it
    inputs: dict[str, list[int]]  # what was fed besides the probe
    outputs: dict[str, NDArray[np.float32]]  # SAMPLES numbers of each

    def difference(self, name: str, found: Floats) -> float:
        """Largest absolute difference of an output from what torch computed."""
        return float(np.abs(sample(found) - self.outputs[name]).max())


def sample(values: Floats) -> NDArray[np.float32]:
    places = np.arange(SAMPLES) * SPREAD % values.size
    kept: NDArray[np.float32] = values.ravel()[places].astype(np.float32)
    return kept


def write_reference(name: str, reference: StoredReference) -> Path:
    path = FOLDER / f"{name}.npz"
    described = json.dumps(
        {"weights": reference.weights, "versions": reference.versions, "inputs": reference.inputs}, indent=1
    )
    np.savez_compressed(path, described=np.array(described), **reference.outputs)
    return path


def read_reference(name: str) -> StoredReference:
    with np.load(FOLDER / f"{name}.npz") as arrays:
        described: Mapping[str, Any] = json.loads(str(arrays["described"]))
        outputs = {key: arrays[key] for key in arrays.files if key != "described"}
    return StoredReference(outputs=outputs, **described)


def whisper_reference(sha256: str) -> StoredReference | None:
    """That of a Whisper's file of weights, if it was published and is known here."""
    stored = (read_reference(path.stem) for path in sorted(FOLDER.glob("whisper-*.npz")))
    return next((reference for reference in stored if sha256 in reference.weights.values()), None)
