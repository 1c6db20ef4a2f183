"""docs/threats.md is kept honest: each line names tests, and they exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "threats.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| threat", "| taken away"))
]
LINES = [line for line in ROWS if line.count(" | ") >= 3]
TAKEN_AWAY = [line for line in ROWS if line not in LINES]


def test_there_are_threats() -> None:
    assert len(LINES) > 25


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip()[:60])
def test_a_threat_names_tests_that_exist(line: str) -> None:
    threat, stopped_by, tried, proof = (column.strip() for column in line.strip("|").split(" | "))
    assert all((threat, stopped_by, tried, proof))
    check_tests(line)


@pytest.mark.parametrize("line", TAKEN_AWAY, ids=lambda line: line.split("|")[1].strip()[:60])
def test_what_was_taken_away_names_a_test_that_exists(line: str) -> None:
    check_tests(line)


def check_tests(line: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", line)
    assert named
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{path} has no {name}"
