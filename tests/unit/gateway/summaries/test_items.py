from __future__ import annotations

import pytest

from gateway.summaries.items import Item, is_new


def test_an_item_is_a_line_with_owner_and_date() -> None:
    assert str(Item("fix the refunds", "Priya", "by Friday")) == "- Priya: fix the refunds (by Friday)"
    assert str(Item("order new chairs")) == "- order new chairs"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Item("fix the refunds", "Priya"), False),
        (Item("fix the refunds for Brazil", "Priya"), False),
        (Item("fix the refunds"), False),
        (Item("fix the refunds", "Lena"), True),
        (Item("make the screenshots", "Priya"), True),
    ],
)
def test_a_task_that_was_said_before_is_not_new(item: Item, expected: bool) -> None:
    assert is_new(item, [Item("fix the refunds", "Priya", "by Friday")]) is expected
