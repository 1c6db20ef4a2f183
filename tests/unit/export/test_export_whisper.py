"""An export is made whole, again when a part is missing, and never put in place when it is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from export import targets, whisper
from export.calibrations import CalibratedEngine, calibrate
from export.decoder import decoder_graph
from export.parity import ParityError
from export.random_weights import random_weights
from export.sources import LoadedWeights
from export.targets import CUDA
from export.whisper import ExportRequest, export_whisper
from speech.whisper.calibration import Calibration
from speech.whisper.manifest import read_manifest
from tests.unit.export.small_whispers import dimensions, opened


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedWeights:
    """What every order gets instead of published weights."""
    folder = tmp_path / "source"
    folder.mkdir()
    source = opened(random_weights(dimensions(64, (1, 1)), alignment_heads=((0, 0),)), folder)
    monkeypatch.setattr(whisper, "load_weights", lambda *_: source)
    monkeypatch.setattr(whisper, "pinned_sha256", lambda *_: source.source.sha256)
    return source


@pytest.fixture
def order(source: LoadedWeights, tmp_path: Path) -> ExportRequest:
    return ExportRequest("base", "package", tmp_path / "data", tmp_path / "repository")


def test_an_export_without_one_of_its_files_is_made_again(order: ExportRequest) -> None:
    folder = export_whisper(order)
    (folder / "decoder.npz").unlink()

    export_whisper(order)

    assert (folder / "decoder.npz").exists()


def test_another_target_takes_the_place_of_the_one_before(order: ExportRequest) -> None:
    folder = export_whisper(order)
    (folder / "model.py").touch()  # not the export's

    export_whisper(replace(order, target=CUDA))

    assert {path.name for path in folder.iterdir()} == {
        "encoder.onnx", "decoder.onnx", "step.onnx", "tokenizer.json", "manifest.json", "model.py",
    }  # fmt: skip
    manifest = read_manifest(folder)
    assert (manifest.target, manifest.precision["encoder"], manifest.opset["decoder"]) == ("cuda", "float16", 24)


def test_another_size_has_the_model_and_configuration_of_this_version(order: ExportRequest) -> None:
    order = replace(order, model="small")
    base, own = order.repository / "whisper-base", order.repository / "whisper-small"
    (base / "1").mkdir(parents=True)
    (base / "config.pbtxt").write_text('name: "whisper-base"')
    (base / "1" / "model.py").write_text("first")
    export_whisper(order)

    (base / "1" / "model.py").write_text("second")
    export_whisper(order)  # its engines are up to date

    assert (own / "config.pbtxt").read_text() == 'name: "whisper-small"'
    assert (own / "1" / "model.py").read_text() == "second"


def test_an_export_gets_what_was_measured_of_its_confidence_and_is_not_made_again(
    order: ExportRequest, source: LoadedWeights
) -> None:
    folder = export_whisper(order)
    engines = {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    engine = CalibratedEngine(source.source.sha256, "cpu", read_manifest(folder).precision["encoder"])
    assert read_manifest(folder).calibration is None

    calibrate(folder, {engine: Calibration(0.8, -0.3, 1200)})
    assert read_manifest(folder).calibration == Calibration(0.8, -0.3, 1200)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")} == engines

    calibrate(folder, {replace(engine, precision="float16"): Calibration(0.8, -0.3, 1200)})
    assert read_manifest(folder).calibration is None


def test_a_graph_of_other_weights_is_refused_and_nothing_stays(
    order: ExportRequest, source: LoadedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {name: source.weights.tensors[name] for name in source.weights.tensors}
    tensors["decoder.blocks.0.attn.value.weight"] = tensors["decoder.blocks.0.attn.value.weight"] * 3
    other = replace(source.weights, tensors=tensors)
    monkeypatch.setattr(targets, "decoder_graph", lambda _, vocabulary: decoder_graph(other, vocabulary))

    with pytest.raises(ParityError, match="differs"):
        export_whisper(replace(order, target=CUDA))

    assert not list((order.repository / "whisper-base" / "1").iterdir())
