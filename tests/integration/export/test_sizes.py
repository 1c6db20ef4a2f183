"""Every size of Whisper goes through the whole export and decodes.

Widths, heads, vocabularies and mel bins are the true ones. Layers are all alike, so the larger sizes take one or two of
each kind (turbo its four of the decoder): what differs between sizes is exercised, and the suite stays within minutes
and a few gigabytes. Turbo is large-v3 with other layers, and has its random numbers, which are drawn once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from export.random_weights import random_weights
from export.targets import CPU, CUDA
from export.weights import Weights
from export.whisper import build
from speech.whisper.manifest import read_manifest
from tests.unit.export.small_whispers import dimensions, opened

SIZES = {
    "small": dimensions(768, (2, 2)),
    "medium": dimensions(1024, (1, 1)),
    "large-v3": dimensions(1280, (1, 2), vocabulary=51866, mels=128),
    "large-v3-turbo": dimensions(1280, (1, 4), vocabulary=51866, mels=128),
}
LARGE = random_weights(SIZES["large-v3-turbo"])


@pytest.mark.parametrize("model", SIZES)
def test_a_size_is_exported_agrees_with_the_reference_and_decodes(model: str, tmp_path: Path) -> None:
    sizes = SIZES[model]
    heads = ((0, 1), (sizes.n_text_layer - 1, 3))
    tensors = (LARGE if sizes.n_text_state == 1280 else random_weights(sizes)).tensors
    weights = Weights(sizes, tensors, heads)
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
