"""Reports: the same figures for people and for programs, with where and when they were measured."""

import json
import signal
import subprocess
import sys
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


def test_a_benchmark_that_ends_while_it_writes_leaves_the_report_before_it(tmp_path: Path) -> None:
    script = """if True:
        import resource, signal, sys
        from pathlib import Path
        from benchmarks.report import Report, write

        report = Report("gpu", "made", [], data={"figures": list(range(20_000))})
        write(report, Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # the next one is killed half-way
        write(report, Path(sys.argv[1]))
    """
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)

    assert ended.returncode == -signal.SIGXFSZ
    assert len(json.loads((tmp_path / "gpu.json").read_text())["data"]["figures"]) == 20_000
