"""Ideal rates: those that the capacity plan counts with, from nothing but dimensions and data sheets."""

import pytest

from benchmarks.ideal import Card, audio_rate, find_card
from benchmarks.planning import IDEAL
from speech.whisper.engine import Dimensions


def dimensions(state: int, encoder: int, decoder: int) -> Dimensions:
    large = state == 1280
    mels, vocabulary = (128, 51866) if large else (80, 51865)
    return Dimensions(mels, 1500, state, state // 64, encoder, vocabulary, 448, state, state // 64, decoder)


SIZES = {
    "large-v3-turbo": dimensions(1280, 32, 4),
    "large-v3": dimensions(1280, 32, 32),
    "small": dimensions(768, 12, 12),
    "base": dimensions(512, 6, 6),
}
NAMES = {"H100": "NVIDIA H100 80GB HBM3", "A100": "NVIDIA A100-SXM4-80GB"}


def card(name: str) -> Card:
    found = find_card(name)
    assert found
    return found


@pytest.mark.parametrize("gpu", NAMES)
@pytest.mark.parametrize("model", SIZES)
def test_the_rates_are_those_of_the_plan(gpu: str, model: str) -> None:
    assert audio_rate(card(NAMES[gpu]), SIZES[model], 64) == pytest.approx(IDEAL[gpu][model], rel=0.05)


def test_a_batch_shares_the_reading_of_the_weights() -> None:
    alone, together = (audio_rate(card(NAMES["A100"]), SIZES["large-v3"], batch) for batch in (1, 64))

    assert 2 < together / alone < 64


def test_cards_of_one_family_are_told_apart() -> None:
    names = ["NVIDIA A100-SXM4-40GB", "NVIDIA A100 80GB PCIe", "NVIDIA H100 PCIe", "NVIDIA H200", "NVIDIA L4"]

    assert [card(name).bandwidth / 1e9 for name in names] == [1555, 1935, 2000, 4800, 300]
    assert card("NVIDIA L40S") != card("NVIDIA L4")


def test_an_unknown_card_and_a_part_of_one_have_no_ideal() -> None:
    assert find_card("NVIDIA GeForce RTX 2060") is None
    assert find_card("NVIDIA A100-SXM4-80GB MIG 3g.40gb") is None
