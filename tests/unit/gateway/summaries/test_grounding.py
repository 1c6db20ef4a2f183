from __future__ import annotations

import pytest

from gateway.summaries.grounding import copies, is_borne_out
from gateway.summaries.vocabulary import vocabulary

ENGLISH = vocabulary("en")
TOLD = "Priya I will have both refunds fixed by Friday, but not the receipts."


@pytest.mark.parametrize(
    "statement",
    ["Priya will have both refunds fixed by Friday.", "Priya will fix both refunds by Friday.", "Refunds: by Friday."],
)
def test_a_statement_of_the_sentences_own_words_is_borne_out(statement: str) -> None:
    assert is_borne_out(statement, TOLD, "", ENGLISH)


@pytest.mark.parametrize(
    "statement",
    [
        "Lena will fix both refunds by Friday.",  # another name
        "Priya will fix both refunds by Monday.",  # another day
        "Priya will fix 2 refunds by Friday.",  # a figure that was not said
        "Priya will not fix the refunds by Friday.",  # the opposite
        "Priya will fix the receipts by Friday.",  # what was denied
        "The refunds were fixed by Priya on Friday because customers complained.",  # a reason that was not said
        "",
    ],
)
def test_what_was_not_said_is_not_borne_out(statement: str) -> None:
    assert not is_borne_out(statement, TOLD, "", ENGLISH)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("We hire a student.", "Maybe we could hire a student."),
        ("We will not take the machine.", "We will take the machine."),
        ("We take the machine.", "We will not take the machine."),
        ("The letter was turned down.", "She has written a letter."),
        ("Ben told Anna the price.", "Anna told Ben the price."),
        ("They buy desks.", "Do they buy desks?"),
        ("It was decided to sell the car.", "They sell the car."),
    ],
)
def test_the_sense_must_be_the_same(statement: str, told: str) -> None:
    assert not is_borne_out(statement, told, "", ENGLISH)


def test_single_words_may_come_from_the_sentences_around() -> None:
    assert is_borne_out("The price stays at nine euros.", "We stay at nine euros.", "Then the price.", ENGLISH)


def test_a_text_that_is_repeated_is_a_copy_and_a_part_of_it_is_not() -> None:
    text = " ".join(f"Sentence number {number} tells something of its own." for number in range(20))

    assert copies(text, text)
    assert not copies(text[: len(text) // 2], text)
    assert not copies("Okay, bye.", "Okay, bye.")
