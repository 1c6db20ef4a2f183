from __future__ import annotations

import pytest

from gateway.cli.mcp.ranking import PassageText, rank

MEETING = [
    PassageText(text, "en")
    for text in (
        "Good morning, everybody. Let us begin with the numbers.",
        "The budget for the new office was raised to forty thousand.",
        "And who pays the rent of the office until May?",
        "The landlord does. Rents are paid by him until we have moved.",
        "Then we are done with what there was.",
    )
]


def numbers(query: str, passages: list[PassageText]) -> list[int]:
    return [each.at for each in rank(query, passages)]


def test_the_passage_with_the_rarest_words_is_the_first() -> None:
    assert numbers("What is the budget of the office?", MEETING) == [1, 2]


def test_other_forms_of_a_word_are_found_and_named_as_they_were_asked_for() -> None:
    found = rank("paying rent", MEETING)

    assert [(each.at, each.matched) for each in found] == [(2, ("paying", "rent")), (3, ("rent",))]


def test_words_that_mean_nothing_alone_find_nothing() -> None:
    assert numbers("What did the pilot say about whales?", MEETING) == []


def test_a_query_of_nothing_but_such_words_is_taken_by_them() -> None:
    assert numbers("what there was", MEETING)[0] == 4


def test_what_stands_in_quotation_marks_has_to_be_there_as_it_is() -> None:
    assert numbers('"the rent of the office"', MEETING) == [2]
    assert numbers('"rent the office"', MEETING) == []


def test_a_word_that_is_said_again_and_again_does_not_win_by_length_alone() -> None:
    short, long = "A whale.", "A whale " + "that swims far out in the cold sea with all of its friends " * 5

    assert numbers("whale", [PassageText(long, "en"), PassageText(short, "en")]) == [1, 0]


@pytest.mark.parametrize(
    ("query", "text", "language"),
    [
        ("Häuser", "Das Haus wurde verkauft.", "de"),
        ("予算", "来年の予算は四万円です。", "ja"),
        ("ＡＢＣ", "abc", "en"),
        ("40", "It costs 40 euros.", "en"),
    ],
)
def test_other_languages_and_scripts_are_found(query: str, text: str, language: str) -> None:
    assert numbers(query, [PassageText("...", language), PassageText(text, language)]) == [1]


def test_transcripts_of_several_languages_are_searched_together() -> None:
    passages = [PassageText("Das Budget ist klein.", "de"), PassageText("The budgets are small.", "en")]

    assert sorted(numbers("budget", passages)) == [0, 1]


@pytest.mark.parametrize("query", ["", "?!", '""'])
def test_a_query_without_words_finds_nothing(query: str) -> None:
    assert numbers(query, MEETING) == []
    assert numbers("budget", []) == []
