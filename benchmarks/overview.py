"""All results on one page: `python -m benchmarks` prints it, and writes it into benchmarks/results and the docs.

README.md and docs/performance.md name figures between `<!-- results: NAME -->` and `<!-- end of results -->`; what
stands there is made from the files of benchmarks/results, and a test holds it to them.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.environments import PROJECT
from benchmarks.figures import FASTER, SERVICE, Result, figures, load, speed, words_wrong
from benchmarks.picture import draw, panels
from benchmarks.report import RESULTS

PAGE, PICTURE = RESULTS / "README.md", RESULTS / "overview.svg"
PAGES = (PROJECT / "README.md", PROJECT / "docs" / "performance.md")  # have figures between their lines
MARKED = re.compile(r"(<!-- results: (?P<name>[\w-]+) -->\n)(?P<shown>.*?)(<!-- end of results -->)", re.DOTALL)
LINE = 120  # characters


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.parse_args(arguments)
    print(refresh()[PAGE])
    return 0


def refresh() -> dict[Path, str]:
    """Writes the pages again that do not say what the results say."""
    made = pages(load())
    for path, text in made.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return made


def pages(results: Mapping[str, Result]) -> dict[Path, str]:
    """Every file that is made from the results, and what it has to hold."""
    made = {PAGE: overview(results), PICTURE: draw(panels(results))}
    return made | {path: filled(path.read_text(encoding="utf-8"), results) for path in PAGES}


def overview(results: Mapping[str, Result]) -> str:
    head = [
        "# Results", "",
        "Made by `python -m benchmarks` from the files beside it. What was measured on a busy machine says so by its",
        "load; its times mean little, its ratios and error rates something.", "",
        f"![the results as bars]({PICTURE.name})", "",
    ]  # fmt: skip
    lines = [
        "",
        "## Where they come from",
        "",
        "| result | when | commit | machine | command |",
        "|---|---|---|---|---|",
    ]
    lines += [_source(result) for result in results.values()]
    return "\n".join([*head, comparison(results) + "\n".join(lines)]) + "\n"


def comparison(results: Mapping[str, Result], *, performance: bool = False) -> str:
    lines = ["| what | this service | beside it | result |", "|---|---|---|---|"]
    for figure in figures(results, performance=performance):
        lines.append(f"| {figure.what} | {figure.ours} | {figure.beside or '–'} | {_linked(figure.result)} |")
    return "\n".join(lines) + "\n"


def headline(results: Mapping[str, Result]) -> str:
    """README's sentence about speed."""
    files = results["throughput-files"]
    times, factor, _ = speed(files, "Files")
    ours, theirs = (words_wrong(files, "Files", system) for system in (SERVICE, FASTER))
    sentence = f"On two cores, {files.processor}, Whisper base does {times:.0f} times real time over HTTP, "
    sentence += f"{factor:.1f} times as fast as faster-whisper on the same weights, with {ours} of the words wrong "
    sentence += f"against {theirs} "
    return textwrap.fill(sentence + "([performance](docs/performance.md)).", LINE, break_on_hyphens=False) + "\n"


def reports(results: Mapping[str, Result], table: str) -> str:
    """The tables of one result as they were measured."""
    result = results[table]
    parts = [f"{_caption(result)}\n"]
    for each in result.record["tables"]:
        cells = [
            each["columns"],
            ["---"] * len(each["columns"]),
            *([_cell(value) for value in row] for row in each["rows"]),
        ]
        parts.append(f"**{each['title']}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n")
        parts += [textwrap.fill(each["note"], LINE) + "\n"] if each["note"] else []
    return "\n".join(parts)


def filled(text: str, results: Mapping[str, Result]) -> str:
    """The page with every marked place written anew. A result that is named and missing leaves its place empty."""

    def place(found: re.Match[str]) -> str:
        name = found["name"]
        make: Callable[[], str] = {
            "comparison": lambda: comparison(results, performance=True).replace("](", "](../benchmarks/results/"),
            "headline": lambda: headline(results),
        }.get(name, lambda: reports(results, name) if name in results else "Not measured yet.\n")
        return f"{found[1]}{make()}{found[4]}"

    return MARKED.sub(place, text)


def _source(result: Result) -> str:
    record = result.record
    when, commit = record.get("date", ""), record.get("commit", "")
    command = f"`{record['command']}`" if "command" in record else ""
    return f"| {_linked(result)} | {when} | {commit} | {result.conditions} | {command} |"


def _caption(result: Result) -> str:
    record = result.record
    return textwrap.fill(f"`{record['command']}`, {record['date']}, {result.conditions}.", LINE)


def _linked(result: Result) -> str:
    ending = "md" if (RESULTS / f"{result.name}.md").exists() else "json"
    return f"[{result.name}]({result.name}.{ending})"


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
