"""The pages hold together: links lead somewhere, tables are whole, lines are short, the index names every page."""

import re
from pathlib import Path

import pytest

from tests.page_blocks import OUTPUT, ROOT, RUN, SHOWN, blocks

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "benchmarks" / "README.md"])
LONGEST_LINE = 120  # characters, outside of tables and of what programs put out


def _names(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _prose(page: Path) -> str:
    """The page without its code."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in _anchors(target), f"{link}: {target.name} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_a_table_has_a_header_and_is_not_torn_by_an_empty_line(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        rows = table.splitlines()
        assert len(rows) > 1, f"a row by itself: {rows[0]}"
        assert re.fullmatch(r"\|[ :|-]+\|", rows[1]), f"no header above: {rows[0]}"


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_lines_can_be_read_in_a_terminal(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language in OUTPUT:
            text = text.replace(block.code, "")
    assert [line for line in text.splitlines() if len(line) > LONGEST_LINE and not line.startswith("|")] == []


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in DOCS.glob("*.md") if page.name != "README.md"]
    assert [name for name in pages if f"({name})" not in index] == []


def test_the_index_of_decisions_names_every_decision_with_its_title() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    for page in (DOCS / "decisions").glob("[0-9]*.md"):
        number, _, title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(". ")
        assert f"| {number} | [{title}]({page.name})" in index


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_a_block_of_code_says_what_it_is_and_why_it_is_not_run(page: Path) -> None:
    found = blocks(page)
    assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(found), "a block that is not closed, or indented"
    for block in found:
        assert block.language in (*RUN, *OUTPUT, *SHOWN), f"{block}: a block of {block.language or 'nothing named'}"
        assert not block.mark.startswith("not run") or block.mark.removeprefix("not run: ").strip(), str(block)
