from __future__ import annotations

import pytest

from gateway.recognition.languages import (
    HeardRegion,
    main_language,
    split_by_language,
    spoken_languages,
    unsure_pieces,
)
from speech.activity import Region
from speech.windows import Window


def heard(seconds: float, **probabilities: float) -> HeardRegion:
    return HeardRegion(Region(0.0, seconds), probabilities)


SURE = heard(4.0, en=0.99)


@pytest.mark.parametrize("lone", [heard(3.0, ar=0.5, en=0.2), heard(0.4, cy=0.9, en=0.02), heard(2.0, la=0.8, en=0.05)])
def test_a_lone_unsure_stretch_keeps_its_neighbours_language(lone: HeardRegion) -> None:
    assert spoken_languages([SURE, lone, SURE]) == ["en"] * 3


@pytest.mark.parametrize("others", [[heard(3.0, fr=0.98)], [heard(1.6, ru=0.85, en=0.05)] * 4])
def test_a_real_change_is_followed_and_left_again(others: list[HeardRegion]) -> None:
    other = max(others[0].probabilities, key=lambda code: others[0].probabilities[code])

    assert spoken_languages([SURE] * 10 + others + [SURE]) == ["en"] * 10 + [other] * len(others) + ["en"]


def test_an_unclear_clip_is_rather_in_a_common_language() -> None:
    assert spoken_languages([heard(4.0, la=0.6, en=0.1)]) == ["en"]
    assert spoken_languages([heard(4.0, la=0.95)]) == ["la"]


def test_only_allowed_languages_come_out() -> None:
    assert spoken_languages([heard(4.0, fr=0.9, de=0.08), SURE], ("de", "en")) == ["de", "en"]
    assert spoken_languages([heard(4.0, fr=0.9)], ("de", "it")) == ["de"]


def test_the_main_language_is_spoken_longest() -> None:
    assert main_language(["en", "fr", "en"], [2.0, 3.0, 2.0]) == "en"
    assert main_language([], []) == "en"


def test_a_window_is_cut_in_the_pause_before_another_language() -> None:
    regions = (Region(1.0, 2.0), Region(2.4, 4.0), Region(6.0, 7.0))
    window = Window(8_000, 120_000, regions)

    first, second, third = split_by_language(window, ["en", "fr", "en"])

    assert first == (Window(8_000, 35_200, regions[:1]), "en")
    assert second == (Window(35_200, 70_400, regions[1:2]), "fr")
    assert third == (Window(89_600, 120_000, regions[2:]), "en")
    assert split_by_language(window, ["en"] * 3) == [(window, "en")]


@pytest.mark.parametrize(
    ("sure", "pieces"),
    [
        ([0.99, 0.4, 0.99], [slice(1, 2)]),
        ([0.4, 0.5, 0.99], [slice(0, 2)]),  # beside each other: read together
        ([0.99, 0.99, 0.4], []),  # half a second is too little to be read alone
        ([0.99, 0.99, 0.99], []),
        ([0.4, 0.4, 0.4], []),  # nothing else is in the window
    ],
)
def test_what_is_unclear_beside_another_language_is_read_alone(sure: list[float], pieces: list[slice]) -> None:
    regions: tuple[Region, ...] = (Region(1.0, 2.0), Region(2.4, 4.0), Region(6.0, 6.5))
    window = Window(8_000, 120_000, regions)

    found = unsure_pieces(window, [HeardRegion(*each) for each in zip(regions, [{"en": p} for p in sure], strict=True)])

    assert [piece.regions for piece in found] == [regions[each] for each in pieces]
