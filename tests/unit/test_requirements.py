"""The locks can be installed from the public index alone, and none but the peers' own brings torch."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

LOCKS = sorted((Path(__file__).parents[2] / "requirements").glob("*.txt"))
WITH_TORCH = {"pyannote"}  # the alternative diarizer, in an environment of its own


def test_the_extra_for_gpus_brings_what_onnx_runtimes_provider_is_linked_to() -> None:
    """libcublas, libcublasLt, libcurand and cuDNN, which its wheel lacks and NVIDIA's images have."""
    extras = tomllib.loads((LOCKS[0].parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {re.split(r"[>=<\[]", each)[0] for each in extras["gpu"]}

    assert {"nvidia-cublas", "nvidia-curand", "nvidia-cudnn-cu13"} <= named
    assert "stt[nvidia-image]" in extras["gpu"]
    assert not named & {re.split("[>=<]", each)[0] for each in extras["nvidia-image"]}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_nothing_but_versions_of_the_public_index(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", text, flags=re.MULTILINE))

    assert versions
    assert not [name for name, version in versions.items() if "+" in version]
    assert "--find-links" not in text
    assert "--extra-index-url" not in text
    assert "--index-url" not in text
    assert ("torch" in versions) == (lock.stem in WITH_TORCH)
