"""Ideal rates: those that the capacity plan counts with, from nothing but dimensions and data sheets."""

import pytest

from benchmarks.ideal import MODELS, Card, audio_rate, find_card, model_sizes
from benchmarks.planning import ideal_rates
from export.sizes import published

EXPECTED = {  # seconds of audio a second, worked out by hand
    "H100": {"large-v3-turbo": 7270.0, "large-v3": 2380.0, "small": 11800.0, "base": 37000.0},
    "A100": {"large-v3-turbo": 2780.0, "large-v3": 1180.0, "small": 6100.0, "base": 19800.0},
}
NAMES = {"H100": "NVIDIA H100 80GB HBM3", "A100": "NVIDIA A100-SXM4-80GB"}


def card(name: str) -> Card:
    found = find_card(name)
    assert found
    return found


@pytest.mark.parametrize("gpu", NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_the_rates_are_those_of_the_plan(gpu: str, model: str) -> None:
    assert audio_rate(card(NAMES[gpu]), model_sizes(model), 64) == pytest.approx(EXPECTED[gpu][model], rel=0.05)
    assert ideal_rates(gpu)[model] == audio_rate(card(NAMES[gpu]), model_sizes(model), 64)


def test_a_batch_shares_the_reading_of_the_weights() -> None:
    alone, together = (audio_rate(card(NAMES["A100"]), model_sizes("large-v3"), batch) for batch in (1, 64))

    assert 2 < together / alone < 64


def test_cards_of_one_family_are_told_apart() -> None:
    names = ["NVIDIA A100-SXM4-40GB", "NVIDIA A100 80GB PCIe", "NVIDIA H100 PCIe", "NVIDIA H200", "NVIDIA L4"]

    assert [card(name).bandwidth / 1e9 for name in names] == [1555, 1935, 2000, 4800, 300]
    assert card("NVIDIA L40S") != card("NVIDIA L4")


def test_an_unknown_card_and_a_part_of_one_have_no_ideal() -> None:
    assert find_card("NVIDIA GeForce RTX 2060") is None
    assert find_card("NVIDIA A100-SXM4-80GB MIG 3g.40gb") is None


@pytest.mark.parametrize("model", MODELS)
def test_the_models_are_those_that_are_exported(model: str) -> None:
    assert model_sizes(model) == published(model).dimensions
