"""The tables of docs/api.md and docs/websocket.md are made from the types; every example is on a page."""

from __future__ import annotations

import pytest

from tests.api_pages import blocks, outline, pretty, rewrite
from tests.api_tables import SCHEMAS, TABLES, fields
from tests.e2e.api_examples import CURL
from tests.e2e.stream_examples import STREAM_EXAMPLES

ANSWER = """```sh
curl http://127.0.0.1:8080/health
```
```http
HTTP/1.1 200 OK
X-Request-Id: {id}

{{"done": {done}, "words": [{{"word": "one"}}, {{"word": "two"}}, "… 5 more"]}}
```
"""


def test_tables_are_those_of_the_types(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--record"):
        rewrite("fields", fields)
        rewrite("table", lambda name: TABLES[name]())

    for block in blocks("fields"):
        assert block.text == fields(block.name)
    for block in blocks("table"):
        assert block.text == TABLES[block.name]()


def test_no_type_and_no_table_is_left_out() -> None:
    shown_by_examples = {"ErrorBody", "ServiceIndex", "ModelList", "LanguageList", "LanguageEntry"}
    parts_of_others = {"CompleteEvent", "SummaryUsage"}

    assert {block.name for block in blocks("fields")} == SCHEMAS.keys() - shown_by_examples - parts_of_others
    assert {block.name for block in blocks("table")} == TABLES.keys()


def test_every_example_is_on_a_page_once() -> None:
    assert sorted(block.name for block in blocks("recorded")) == sorted([*CURL, *STREAM_EXAMPLES])


def test_an_example_is_as_before_if_only_values_differ() -> None:
    recorded, fresh = ANSWER.format(id="a", done=0.5), ANSWER.format(id="b", done=1)

    assert outline(recorded) == outline(fresh)


@pytest.mark.parametrize(
    ("changed", "into"),
    [("200 OK", "201 Created"), ("X-Request-Id", "X-Id"), ('"done"', '"share"'), ("0.5", '"half"'), ("/health", "/")],
)
def test_an_example_is_not_as_before_if_anything_else_differs(changed: str, into: str) -> None:
    recorded = ANSWER.format(id="a", done=0.5)

    assert outline(recorded) != outline(recorded.replace(changed, into))


def test_a_message_that_need_not_come_makes_no_difference() -> None:
    longer = '```text\n→ {"a": 1}\n← {\n  "type": "language"\n}\n← {"type": "final"}\n← close 1000: done\n```\n'
    shorter = '```text\n→ {"a": 2}\n← {"type": "final"}\n← close 1000\n```\n'

    assert outline(longer) != outline(shorter)
    assert outline(longer, ["language"]) == outline(shorter, ["language"])
    assert outline(shorter) != outline(shorter.replace("1000", "1001"))


def test_json_stays_in_one_line_where_it_fits() -> None:
    assert pretty({"a": [1, {}]}) == '{"a": [1, {}]}'
    assert pretty({"words": ["w" * 60, "x" * 60]}).count("\n") == 5
    assert "\n" not in pretty({"words": ["w" * 60, "x" * 60]}, width=160)
