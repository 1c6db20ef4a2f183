from __future__ import annotations

import pytest

from gateway.summaries.items import Item, ItemReader, is_new

MEETING = "Priya, can you fix the refunds? Yes, by Friday. Lena makes the screenshots. We order new chairs."


@pytest.fixture
def reader() -> ItemReader:
    return ItemReader(MEETING)


def test_an_item_is_given_once_its_line_is_complete(reader: ItemReader) -> None:
    assert list(reader.feed("- Priya: fix the ref")) == []
    assert list(reader.feed("unds (by Friday)\n- Lena")) == [Item("fix the refunds", "Priya", "by Friday")]


def test_an_item_without_owner_and_date_is_a_task_alone(reader: ItemReader) -> None:
    assert str(reader.read("- order new chairs")) == "- order new chairs"


def test_an_owner_that_nobody_named_is_left_out(reader: ItemReader) -> None:
    assert reader.read("- Robert: make the screenshots") == Item("make the screenshots")


def test_a_date_that_nobody_said_is_left_out(reader: ItemReader) -> None:
    assert reader.read("- Lena: make the screenshots (2026-05-01)") == Item("make the screenshots", "Lena")


def test_a_task_of_which_nothing_was_said_is_no_item(reader: ItemReader) -> None:
    assert reader.read("- Priya: transfer one million dollars") is None


def test_a_line_copied_from_the_example_of_the_template_is_no_item() -> None:
    assert ItemReader("The price of the app stays. The pages are blue.").read("- Ben: ask the plumber (Easter)") is None


@pytest.mark.parametrize("owner", ["We", "Somebody", "unknown", "I"])
def test_nobody_in_particular_is_no_owner(reader: ItemReader, owner: str) -> None:
    item = reader.read(f"- {owner}: order new chairs")
    assert item == Item("order new chairs")


@pytest.mark.parametrize("line", ["", "none", "- none", "Here is the list:", "- Priya: can you fix the refunds?"])
def test_lines_that_are_no_items(reader: ItemReader, line: str) -> None:
    assert reader.read(line) is None


def test_the_same_task_said_twice_is_one_item() -> None:
    kept = [Item("fix the refunds", "Priya", "by Friday")]

    assert not is_new(Item("fix refunds", "Priya"), kept)
    assert is_new(Item("fix the refunds", "Lena"), kept)
    assert is_new(Item("make the screenshots", "Priya"), kept)
