from __future__ import annotations

from export.sources import CHECKPOINTS, MODELS, PACKAGES, default_source


def test_every_model_has_a_pinned_source() -> None:
    hashes = [source.sha256 for source in CHECKPOINTS.values()]
    hashes += [package.files["model.bin"].sha256 for package in PACKAGES.values()]

    assert all(len(value) == 64 and int(value, 16) for value in hashes)
    assert len(set(hashes)) == len(hashes)
    assert {default_source(model) for model in MODELS} == {"package", "openai"}
    assert default_source("base") == "package"
