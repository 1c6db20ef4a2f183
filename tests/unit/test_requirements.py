"""The locks can be installed from the public index alone, and none but the peers' own brings torch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LOCKS = sorted((Path(__file__).parents[2] / "requirements").glob("*.txt"))
WITH_TORCH = {"pyannote"}  # the alternative diarizer, in an environment of its own


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
