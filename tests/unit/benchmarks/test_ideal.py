"""Ideal rates: those that the capacity plan counts with, from nothing but dimensions and data sheets."""

import re
from pathlib import Path

import pytest

from benchmarks.ideal import (
    ALIGNMENT_HEADS,
    MODELS,
    Card,
    audio_rate,
    encode_seconds,
    find_card,
    model_sizes,
    step_seconds,
)
from benchmarks.planning import ideal_rates
from export.sizes import published

EXPECTED = {  # seconds of audio a second, worked out by hand
    "H100": {"large-v3-turbo": 7493.0, "large-v3": 2383.0, "small": 11745.0, "base": 36775.0},
    "A100": {"large-v3-turbo": 2783.0, "large-v3": 1182.0, "small": 6124.0, "base": 19788.0},
}
NAMES = {"H100": "NVIDIA H100 80GB HBM3", "A100": "NVIDIA A100-SXM4-80GB"}


def card(name: str) -> Card:
    found = find_card(name)
    assert found
    return found


@pytest.mark.parametrize("gpu", NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_the_rates_are_those_of_the_plan(gpu: str, model: str) -> None:
    assert audio_rate(card(NAMES[gpu]), model_sizes(model), 64) == pytest.approx(EXPECTED[gpu][model], rel=1e-3)
    assert ideal_rates(gpu)[model] == audio_rate(card(NAMES[gpu]), model_sizes(model), 64)


PAGE = (Path(__file__).parents[3] / "docs" / "gpu.md").read_text(encoding="utf-8")


def test_the_page_of_what_was_measured_compares_with_this_ideal() -> None:
    """Its tables' columns "ideal": model, rows or windows, milliseconds."""
    h200 = card("NVIDIA H200")
    model, found = "", 0
    for line in PAGE.partition("## Measured on an H200")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 5 or not re.match(r"\d", cells[1]):
            continue
        model = cells[0] or model
        batch, ideal = int(cells[1].split(",")[0]), float(cells[2])
        step = len(cells) == 8
        seconds = step_seconds(h200, model_sizes(model), batch) if step else encode_seconds(h200, model_sizes(model))
        assert ideal == pytest.approx(seconds * 1e3, abs=0.006), line
        found += 1
    assert found == 11
    assert f"the ideal\n  {audio_rate(h200, model_sizes('large-v3-turbo'), 64):,.0f})" in PAGE


def test_a_batch_shares_the_reading_of_the_weights() -> None:
    alone, together = (audio_rate(card(NAMES["A100"]), model_sizes("large-v3"), batch) for batch in (1, 64))

    assert 2 < together / alone < 64


def test_cards_of_one_family_are_told_apart() -> None:
    names = ["NVIDIA A100-SXM4-40GB", "NVIDIA A100 80GB PCIe", "NVIDIA H100 PCIe", "NVIDIA H200", "NVIDIA L4"]
    names += ["NVIDIA A30", "NVIDIA GH200 480GB", "NVIDIA GH200 144G HBM3e", "NVIDIA B200"]

    assert [card(name).bandwidth / 1e9 for name in names] == [1555, 1935, 2000, 4800, 300, 933, 4000, 4900, 8000]
    assert card("NVIDIA L40S") != card("NVIDIA L4")


@pytest.mark.parametrize(
    ("part", "computes", "reads"),
    [
        ("NVIDIA A100-SXM4-80GB MIG 2g.20gb", 2 / 7, 2 / 8),
        ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", 3 / 7, 4 / 8),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 1 / 7, 1 / 8),
        ("NVIDIA H100 NVL MIG 1g.12gb", 1 / 7, 1 / 8),
        ("NVIDIA H200 MIG 3g.71gb", 3 / 7, 4 / 8),
        ("NVIDIA A30 MIG 1g.6gb", 1 / 4, 1 / 4),
    ],
)
def test_a_part_of_a_card_does_a_part_of_what_the_card_does(part: str, computes: float, reads: float) -> None:
    whole, found = card(part.partition(" MIG ")[0]), card(part)

    assert found.flops == pytest.approx(whole.flops * computes)
    assert found.bandwidth == pytest.approx(whole.bandwidth * reads)


def test_an_unknown_card_and_an_unknown_part_have_no_ideal() -> None:
    assert find_card("NVIDIA GeForce RTX 2060") is None
    assert find_card("NVIDIA A100-SXM4-80GB MIG of some kind") is None


@pytest.mark.parametrize("model", MODELS)
def test_the_models_are_those_that_are_exported(model: str) -> None:
    assert model_sizes(model) == published(model).dimensions
    assert ALIGNMENT_HEADS[model] == published(model).alignment_heads
