"""What was measured of word confidence (calibrations.toml), put into the manifests of the exports that it is of."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from speech.whisper.calibration import Calibration
from speech.whisper.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest

STAGING = ".calibrating-"


@dataclass(frozen=True, slots=True)
class CalibratedEngine:
    """Weights, and what runs them: another precision has other probabilities."""

    weights: str  # sha256
    target: str
    precision: str  # of the encoder

    @classmethod
    def of(cls, manifest: Manifest) -> CalibratedEngine:
        return cls(manifest.source.sha256, manifest.target, manifest.precision["encoder"])


def read_calibrations(path: Path) -> dict[CalibratedEngine, Calibration]:
    with path.open("rb") as file:
        entries = tomllib.load(file)["calibration"]
    return {
        CalibratedEngine(*(entry[name] for name in ("weights", "target", "precision"))): Calibration(
            *(entry[name] for name in ("slope", "offset", "words"))
        )
        for entry in entries
    }


CALIBRATIONS = read_calibrations(Path(__file__).with_name("calibrations.toml"))


def calibrate(folder: Path, known: Mapping[CalibratedEngine, Calibration] = CALIBRATIONS) -> None:
    """Writes what is known of the export into its manifest; none where nothing was measured. Exports nothing again."""
    manifest = read_manifest(folder)
    calibration = known.get(CalibratedEngine.of(manifest))
    if manifest.calibration == calibration:
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as staging:
        write_manifest(replace(manifest, calibration=calibration), Path(staging))
        (Path(staging) / MANIFEST_FILE).replace(folder / MANIFEST_FILE)
