"""Three hours of speech through POST /v1/summarize of this service: time, progress, memory, and what is left of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.long_talk import long_talk
from benchmarks.processes import MemoryWatch, memory, processor_seconds
from benchmarks.service import Service
from benchmarks.summary_facts import Meeting, SummaryScore, read_meetings, score

PLANTED = ("launch", "budget", "outage")  # at the beginning, in the middle, at the end
LOOK_SECONDS = 5.0  # between two looks at the memory
READY_SECONDS = 180
COLUMNS = (
    "style", "answer", "seconds", "processor seconds", "first event after", "longest silence", "events", "kept",
    "invented",
)  # fmt: skip
NAMES = {"stt": "gateway", "python": "summarizer", "python3": "summarizer", "python3.11": "summarizer"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a client saw of one request."""

    summary: str
    model: str
    seconds: float
    events: tuple[tuple[float, str], ...] = ()  # seconds, and the event in words; none where JSON was asked for
    silence: float = 0.0  # seconds at most between two lines of the answer, comments included


def measure(asked: Sequence[tuple[str, bool]], words: int, arguments: Sequence[str], results: Path) -> int:
    """asked: styles, each with whether it is asked for as events. Each has a report of its own."""
    meetings = {meeting.name: meeting for meeting in read_meetings()}
    meeting = joined([meetings[name] for name in PLANTED], words)
    with Service(settings={"STT_SUMMARIZER_MODE": "embedded"}) as service:
        wait_for_summarizer(service)
        for style, events in asked:
            ready = named(memory(service.process.pid))
            processor = processor_seconds(service.process.pid)
            with MemoryWatch(service.process.pid, LOOK_SECONDS) as watch:
                told = ask(service, meeting.transcript, style, events)
            processor = processor_seconds(service.process.pid) - processor
            scored = score(meeting, style, told.summary, told.seconds)
            looks = [named(look) for look in watch.samples]
            used = [(style, name, ready[name], max(look.get(name, 0.0) for look in looks)) for name in ready]
            length = f"{len(meeting.transcript.split())} words, {len(meeting.transcript)} characters; {told.model}."
            tables = [
                report.Table("Three hours of speech", COLUMNS, [row(told, scored, events, processor)], length),
                report.Table("Memory", ("style", "process", "ready", "largest"), used, "PSS in MB."),
            ]
            seen = {
                "summary": told.summary, "faults": scored.faults,
                "memory_mb": looks, "seconds_between_looks": LOOK_SECONDS,
            }  # fmt: skip
            name = f"summaries-long-{style.replace('_', '-')}"
            command = report.command("summaries", arguments)
            print(report.write(report.Report(name, command, tables, data={style: seen}), results).read_text())
    return 0


def joined(planted: Sequence[Meeting], words: int) -> Meeting:
    return Meeting(
        name="long",
        language="en",
        transcript=long_talk([meeting.transcript for meeting in planted], words),
        facts=tuple(fact for meeting in planted for fact in meeting.facts),
        figures=tuple(figure for meeting in planted for figure in meeting.figures),
    )


def wait_for_summarizer(service: Service) -> None:
    until = time.monotonic() + READY_SECONDS
    while (answer := service.client.post("/v1/summarize", json={"text": "Good morning."})).status_code != 200:
        if time.monotonic() > until:
            raise RuntimeError(f"no summarizer: {answer.text}")
        time.sleep(1)


def ask(service: Service, text: str, style: str, events: bool) -> Told:
    headers = {"Accept": "text/event-stream" if events else "application/json"}
    began = last = time.monotonic()
    seen: list[tuple[float, str]] = []
    silence, answer = 0.0, {}
    with service.client.stream("POST", "/v1/summarize", json={"text": text, "style": style}, headers=headers) as said:
        for line in said.iter_lines():
            silence, last = max(silence, time.monotonic() - last), time.monotonic()
            if events and line.startswith("data:"):
                answer = json.loads(line.removeprefix("data:"))
                seen.append((round(last - began, 1), in_words(answer)))
            elif line and not events:
                answer = json.loads(line)
    if "summary" not in answer:
        raise RuntimeError(f"no summary of the long text: {answer}")
    return Told(answer["summary"], answer["model"], time.monotonic() - began, tuple(seen), silence)


def in_words(event: dict[str, object]) -> str:
    return f"{event['stage']} {event['done']}/{event['total']}" if event["type"] == "stage" else str(event["type"])


def row(told: Told, scored: SummaryScore, events: bool, processor: float) -> tuple[object, ...]:
    """processor: seconds that all the service's processes had, of which a busy machine gives less in the same time"""
    kept, invented = f"{scored.kept} of {scored.expected}", f"{scored.invented} of {scored.statements}"
    shown = [told.events[0][0], round(told.silence, 1), len(told.events)] if events else ["-", "-", "-"]
    answer = "events" if events else "JSON"
    return (scored.style, answer, round(told.seconds), round(processor), *shown, kept, invented)


def named(sizes: dict[str, float]) -> dict[str, float]:
    """Megabytes by what a process is for."""
    return {NAMES.get(name, name): round(size, 1) for name, size in sizes.items()}
