"""docs/weights.md names every weight file that the code pins, and no other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
SHA256 = r"\b[0-9a-f]{64}\b"
PINNED = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [*(ROOT / "export").rglob("*"), ROOT / "speech" / "weights" / "README.md"]
    if path.suffix in {".py", ".toml", ".md"}
)


@pytest.mark.parametrize("sha256", re.findall(SHA256, PAGE))
def test_a_hash_on_the_page_is_one_that_the_code_pins(sha256: str) -> None:
    assert sha256 in PINNED


def test_every_package_that_weights_come_from_is_explained() -> None:
    requirements = re.findall(r'"([a-z0-9-]+)==[0-9.]+"', PINNED)

    assert requirements
    for name in requirements:
        assert name.rstrip("-0123456789") in PAGE  # one line for all parts
