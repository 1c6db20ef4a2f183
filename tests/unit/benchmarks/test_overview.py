"""The page of all results, and the figures that README.md and docs/performance.md take from it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.figures import Result, figures, load
from benchmarks.overview import PICTURE, comparison, filled, headline, pages
from benchmarks.picture import Bar, Panel, draw

PERFORMANCE = "<!-- results: comparison -->\nold\n<!-- end of results -->\n"


@pytest.mark.parametrize("path", pages(load()), ids=lambda path: path.name)
def test_what_is_made_of_the_results_says_what_they_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pages(load())[path], "run python -m benchmarks"


def test_a_figure_that_changes_changes_the_pages() -> None:
    results = load()
    files = results["throughput-files"]
    table = files.table("Files")
    rows = [[*row[:3], 123.4, *row[4:]] if row[0] == "this service, HTTP" else row for row in table["rows"]]
    changed = results | {"throughput-files": Result(files.name, {**files.record, "tables": [{**table, "rows": rows}]})}

    assert "123 times real time" in headline(changed)
    assert "123 times real time" in comparison(changed)
    assert headline(changed) != headline(results)


def test_a_result_that_is_missing_leaves_out_its_figures() -> None:
    results = {name: result for name, result in load().items() if name == "memory"}

    assert [figure.what for figure in figures(results)] == ["memory, a file of two hours"]
    assert filled("<!-- results: limits -->\n<!-- end of results -->", results).splitlines()[1] == "Not measured yet."


def test_sessions_at_once_are_no_more_than_recordings_played() -> None:
    columns = ["who", "sessions", "recordings", "first partial p50", "word final p50", "end of turn p50", "held"]
    rows = [["this service", 1, 9, 1.0, 1.0, 1.0, "yes"], ["this service", 12, 9, 1.0, 1.0, 1.0, "yes"]]
    table = {"title": "Lag by sessions at once, seconds", "columns": columns, "rows": rows, "note": ""}

    told = figures({"streaming": Result("streaming", {"tables": [table]})})

    assert [figure.ours for figure in told if "within 2 s" in figure.what] == ["9 at once"]


def test_a_page_keeps_what_stands_around_its_figures() -> None:
    page = filled(f"before\n{PERFORMANCE}after\n", load())

    assert page.startswith("before\n<!-- results: comparison -->\n| what |")
    assert page.endswith("<!-- end of results -->\nafter\n")
    assert "old" not in page.splitlines()


def test_bars_are_as_long_as_their_values() -> None:
    image = ElementTree.fromstring(draw([Panel("speed <&>", [Bar("ours", 2.0, True), Bar("theirs", 1.0, False)])]))

    bars = [float(bar.attrib["width"]) for bar in image.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars[0] == 2 * bars[1]


def test_the_picture_is_an_image() -> None:
    assert ElementTree.parse(PICTURE).getroot().tag.endswith("svg")
