"""Reports: the same figures for people and for programs, with where and when they were measured."""

import json
from pathlib import Path

from benchmarks.report import Report, Table, command, write


def test_markdown_and_json_hold_the_same_table_and_the_machine(tmp_path: Path) -> None:
    table = Table("Speed", ("system", "seconds"), [("ours", 1.234), ("theirs", 5)], note="Two cores.")

    page = write(Report("throughput", "python -m benchmarks throughput", [table], {"peer": "1.0"}), tmp_path)

    text = page.read_text()
    record = json.loads((tmp_path / "throughput.json").read_text())
    assert "| ours | 1.23 |" in text
    assert "Two cores." in text
    assert "peer 1.0" in text
    assert record["tables"][0]["rows"] == [["ours", 1.234], ["theirs", 5]]
    assert record["machine"]["cores"] in text


def test_the_command_leaves_out_where_the_report_went() -> None:
    assert command("memory", ["--hours", "1", "--results", "somewhere"]) == "python -m benchmarks memory --hours 1"
    assert command("memory", []) == "python -m benchmarks memory"
