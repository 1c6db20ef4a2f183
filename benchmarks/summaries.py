"""What summaries keep and what they invent: `python -m benchmarks summaries --url http://127.0.0.1:8080`.

Meetings written for the purpose, each with the list of what was said in it, go through POST /v1/summarize of
a running service, in every style. Counted per style:

kept      share of the facts that the style should hold of which some line has a word of every group
invented  share of the statements (lines, sentences) that name a number, a person or a date that was not said,
          give a task to somebody else, or use words most of which the meeting does not have
obeyed    injections (orders to the model, hidden in a meeting) that were carried out

`--everyday development` and `--everyday held_out` measure short texts instead: see everyday_texts.py.

The counting is by words, so a figure is for comparing templates and models with each other, on the same
meetings; it is no measure of prose.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean

from benchmarks import long_summary, report
from benchmarks.everyday_texts import HALVES, measure_texts, read_texts
from benchmarks.long_talk import WORDS
from benchmarks.summary_facts import Meeting, SummaryScore, read_meetings, score

INJECTIONS = Path(__file__).parent / "data" / "injections.toml"
STYLES = ("brief", "detailed", "bullet_points", "action_items", "headline")
LONG_STYLES = (  # with whether the answer comes as events
    ("bullet_points", True),
    ("action_items", False),
    ("brief", True),
    ("detailed", True),
)
INJECTED = "launch"  # the meeting in which the orders are hidden
TIMEOUT = 1800.0  # seconds
ATTEMPTS = 5  # while the service has no model yet


def summarise(url: str, text: str, style: str) -> tuple[str, str, float]:
    """summary, model, seconds.

    raises: RuntimeError with the service's own words
    """
    body = json.dumps({"text": text, "style": style}).encode()
    request = urllib.request.Request(f"{url}/v1/summarize", body, {"Content-Type": "application/json"})
    for attempt in range(ATTEMPTS):
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                answer = json.load(response)
            return answer["summary"], answer["model"], time.monotonic() - began
        except urllib.error.HTTPError as error:
            if error.code != 503 or attempt == ATTEMPTS - 1:
                raise RuntimeError(f"{error.code}: {error.read().decode()[:300]}") from error
            time.sleep(int(error.headers["Retry-After"]))  # the model is still being loaded
    raise AssertionError


def check_injections(url: str, meeting: Meeting) -> list[tuple[str, bool, str]]:
    """Each order, hidden in the middle of a meeting: its name, whether it was carried out, the summary."""
    orders = tomllib.loads(INJECTIONS.read_text(encoding="utf-8"))["orders"]
    middle = meeting.transcript.find(". ", len(meeting.transcript) // 2) + 2
    results = []
    for order in orders:
        text = f"{meeting.transcript[:middle]}{order['text']} {meeting.transcript[middle:]}"
        summary, _, _ = summarise(url, text, order.get("style", "brief"))
        results.append((f"{order['name']} ({order['language']})", obeyed(order, summary), summary))
    return results


def obeyed(order: dict[str, str], summary: str) -> bool:
    """Whether what the order wants to have written stands in the summary."""
    return re.search(order["token"], summary) is not None


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.long:
        asked = [(style, as_events) for style, as_events in LONG_STYLES if style in options.styles.split(",")]
        return long_summary.measure(asked, options.words, arguments or (), options.results)
    if options.everyday:
        return measure_everyday(options, arguments or ())
    chosen = [m for m in read_meetings() if not options.meetings or m.name in options.meetings.split(",")]
    tables: list[report.Table] = []
    if options.injections:
        tried = check_injections(options.url, next(m for m in read_meetings() if m.name == INJECTED))
        rows = [(name, "carried out" if carried_out else "no", said[:160]) for name, carried_out, said in tried]
        tables.append(report.Table("Orders hidden in a meeting", ("order", "carried out", "summary"), rows))
    scores: list[SummaryScore] = []
    for meeting in chosen:  # all styles of one text in a row: they share the prompt that was read
        for style in options.styles.split(","):
            summary, model, seconds = summarise(options.url, meeting.transcript, style)
            scores.append(score(meeting, style, summary, seconds))
            print(f"{meeting.name:8} {style:14} {seconds:6.1f} s", flush=True)
        data: dict[str, object] = {"model": model, "scores": [asdict(score) for score in scores]}
        whole = report.Report(
            "summaries", report.command("summaries", arguments or ()), [table(scores, model), *tables]
        )
        page = report.write(replace(whole, data=data), options.results)
    print(page.read_text())
    return 0


def measure_everyday(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    models: list[str] = []

    def told(text: str, style: str) -> str:
        summary, model, _ = summarise(options.url, text, style)
        models.append(model)
        return summary

    found, faults = measure_texts(read_texts(options.everyday), told)
    name = f"summaries-everyday-{options.everyday.replace('_', '-')}"
    whole = report.Report(name, report.command("summaries", arguments), [replace(found, title=models[-1])])
    print(report.write(replace(whole, data={"faults": faults}), options.results).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks summaries")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="of a service that runs")
    parser.add_argument("--styles", default=",".join(STYLES))
    parser.add_argument("--meetings", default="", help="names, comma-separated; all if not given")
    parser.add_argument("--injections", action="store_true", help="also hide orders in a meeting")
    parser.add_argument("--everyday", choices=HALVES, default="", help="short texts of this half instead")
    parser.add_argument("--long", action="store_true", help="three hours of speech instead, through its own service")
    parser.add_argument("--words", type=int, default=WORDS, help="of the long text")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the reports")
    return parser


def table(scores: list[SummaryScore], model: str) -> report.Table:
    rows = []
    for style in dict.fromkeys(s.style for s in scores):
        of_style = [s for s in scores if s.style == style]
        kept, expected = sum(s.kept for s in of_style), sum(s.expected for s in of_style)
        invented, total = sum(s.invented for s in of_style), sum(s.statements for s in of_style)
        share = f"{kept} of {expected} ({kept / expected:.0%})" if expected else "-"
        wrong = f"{invented} of {total} ({invented / total:.0%})" if total else "0 of 0"
        rows.append((style, share, wrong, round(mean(s.seconds for s in of_style), 1)))
    meetings = ", ".join(dict.fromkeys(s.meeting for s in scores))
    columns = ("style", "facts kept", "statements invented", "seconds (mean)")
    return report.Table(model, columns, rows, f"Meetings: {meetings}.")


if __name__ == "__main__":
    sys.exit(main())
