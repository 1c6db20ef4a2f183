"""Every size of Whisper goes through the whole export and decodes.

Widths, heads, vocabularies and mel bins are the true ones. Layers are all alike, so the larger sizes
take two of each kind (turbo its four of the decoder): what differs between sizes is exercised, and the
suite stays within minutes and a few gigabytes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from export.random_weights import random_weights
from export.targets import CPU, CUDA
from export.whisper import build
from speech.whisper.manifest import read_manifest
from tests.unit.export.small_whispers import dimensions, opened

SIZES = {
    "small": dimensions(768, (3, 3)),
    "medium": dimensions(1024, (2, 2)),
    "large-v3": dimensions(1280, (2, 2), vocabulary=51866, mels=128),
    "large-v3-turbo": dimensions(1280, (2, 4), vocabulary=51866, mels=128),
}


@pytest.mark.parametrize("model", SIZES)
def test_a_size_is_exported_agrees_with_the_reference_and_decodes(model: str, tmp_path: Path) -> None:
    sizes = SIZES[model]
    weights = random_weights(sizes, alignment_heads=((0, 1), (sizes.n_text_layer - 1, 3)))
    source = opened(weights, tmp_path)

    for target in (CPU, CUDA):
        folder = tmp_path / target.name
        folder.mkdir()
        manifest = build(model, source, folder, target)

        assert read_manifest(folder) == manifest
        assert manifest.dimensions == sizes
        assert len(manifest.languages) == (100 if sizes.n_vocab == 51866 else 99)
        assert manifest.parity["encoder_graph" if target is CPU else "encoder"] < (1e-4 if target is CPU else 5e-3)
        assert {path.name for path in folder.iterdir()} == {*manifest.files, "manifest.json"}
