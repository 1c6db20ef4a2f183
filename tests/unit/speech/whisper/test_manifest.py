"""The manifest says what was written, or why it cannot."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from speech.whisper.calibration import Calibration
from speech.whisper.engine import Dimensions
from speech.whisper.manifest import (
    FORMAT,
    MANIFEST_FILE,
    Compiled,
    InvalidManifest,
    Manifest,
    Source,
    check_plan,
    read_manifest,
    write_manifest,
)
from speech.whisper.special_tokens import SpecialTokens

MANIFEST = Manifest(
    id="base",
    target="cpu",
    dimensions=Dimensions(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6),
    languages=("en", "zh"),
    tokens=SpecialTokens(10, 11, 12, 14, 15, 16, 17, 18, 19),
    suppressed=(1, 2),
    suppressed_first=(3, 10),
    alignment_heads=((3, 1), (4, 2)),
    precision={"encoder": "int8"},
    opset={"encoder": 21, "decoder_graph": 24},
    source=Source("base", "somewhere", "MIT", "0" * 64),
    versions={"recipe": "1"},
    parity={"encoder": 0.1},
    files={"encoder.onnx": "1" * 64},
)


PLAN = replace(MANIFEST, target="tensorrt", precision={"encoder": "int8"}, tensorrt=Compiled("11.4.0.106", "8.0"))


def test_a_manifest_reads_back_as_written(tmp_path: Path) -> None:
    write_manifest(MANIFEST, tmp_path)

    assert read_manifest(tmp_path) == MANIFEST


def test_the_older_name_of_the_cpu_s_target_is_understood(tmp_path: Path) -> None:
    write_manifest(replace(MANIFEST, target="onnx"), tmp_path)

    assert read_manifest(tmp_path) == MANIFEST


def test_the_manifest_of_a_plan_reads_back_as_written(tmp_path: Path) -> None:
    write_manifest(PLAN, tmp_path)

    assert read_manifest(tmp_path) == PLAN


def test_a_calibration_reads_back_as_written_and_versions_before_it_read_a_manifest_without(tmp_path: Path) -> None:
    calibrated = replace(MANIFEST, calibration=Calibration(0.8, -0.3, 1200))
    write_manifest(calibrated, tmp_path)
    assert read_manifest(tmp_path) == calibrated

    write_manifest(MANIFEST, tmp_path)
    assert "calibration" not in json.loads((tmp_path / MANIFEST_FILE).read_text())


def test_a_plan_is_refused_by_another_tensorrt_and_on_another_card() -> None:
    check_plan(PLAN, Compiled("11.4.0.106", "8.0"))
    command = "run `python -m export whisper --model base --target tensorrt --precision int8 --recordings FOLDER`"
    with pytest.raises(InvalidManifest, match=r"TensorRT 11\.4\.0\.106 .* 8\.0; here are 11\.5\.0\.1 and 8\.0"):
        check_plan(PLAN, Compiled("11.5.0.1", "8.0"))
    with pytest.raises(InvalidManifest, match=re.escape(command)):
        check_plan(PLAN, Compiled("11.4.0.106", "9.0"))
    with pytest.raises(InvalidManifest, match="was not exported for TensorRT"):
        check_plan(replace(PLAN, tensorrt=None), Compiled("11.4.0.106", "8.0"))


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match="python -m export whisper"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 0}', '{"format": 1}'])
def test_a_broken_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(text)

    with pytest.raises(InvalidManifest):
        read_manifest(tmp_path)


@pytest.mark.parametrize("target", ["cuda", "tensorrt"])
@pytest.mark.parametrize("older", [1, FORMAT - 1])
def test_graphs_whose_inputs_have_older_names_are_exported_again(tmp_path: Path, target: str, older: int) -> None:
    _write_with_format(older, replace(MANIFEST, target=target), tmp_path)

    with pytest.raises(InvalidManifest, match=rf"is not of format {FORMAT}: run `python -m export whisper` again"):
        read_manifest(tmp_path)


def test_an_older_export_for_cpus_is_still_served(tmp_path: Path) -> None:
    _write_with_format(1, MANIFEST, tmp_path)

    assert read_manifest(tmp_path) == MANIFEST


@pytest.mark.parametrize("version", [0, FORMAT + 1, "1", None])
def test_a_manifest_of_an_unknown_format(tmp_path: Path, version: object) -> None:
    _write_with_format(version, MANIFEST, tmp_path)

    with pytest.raises(InvalidManifest, match=f"not of format {FORMAT}"):
        read_manifest(tmp_path)


def _write_with_format(version: object, manifest: Manifest, folder: Path) -> None:
    write_manifest(manifest, folder)
    fields = json.loads((folder / MANIFEST_FILE).read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps(fields | {"format": version}))


def test_a_manifest_with_an_unknown_field(tmp_path: Path) -> None:
    write_manifest(MANIFEST, tmp_path)
    fields = json.loads((tmp_path / MANIFEST_FILE).read_text())
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({**fields, "more": 1}))

    with pytest.raises(InvalidManifest, match="more"):
        read_manifest(tmp_path)
