"""Weights and engines: `python -m export setup` in the environment, and what it reports shown as it works."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from setup.environment import Environment
from setup.programs import Background
from setup.steps import Step, Steps

NO_SUMMARIES = "warning: no summaries until `python -m export summarizer` succeeds"


class Shown(Protocol):
    def progress(self, text: str) -> None: ...


def build_engines(environment: Environment, step: Step, say: Callable[[str], None], *, summarizer: bool) -> None:
    """Makes whatever is missing. raises: StepFailed"""
    flags = ["--events"] if summarizer else ["--events", "--no-summarizer"]
    step.run([str(environment.python), "-m", "export", "setup", *flags], ExportReports(step, say))


def fetch_summarizer(background: Background, environment: Environment, steps: Steps, checkout: Path) -> None:
    """Begins to fetch the summarizer's model: that takes as long as all packages, and needs none of them."""
    command = [str(environment.python), "-m", "export.summarizer", "--events"]
    background.start(command, steps.log, ExportReports(steps, steps.say), checkout)


def finish_summarizer(background: Background, step: Step, steps: Steps) -> None:
    """Waits for it. Without its model everything else works."""
    step.progress("")
    if background.wait() != 0:
        steps.say(NO_SUMMARIES)


class ExportReports:
    """Reads the events that `export --events` prints, one JSON object a line, and shows them.

    Several things may go on at once: weights are fetched while engines are built.
    """

    def __init__(self, shown: Shown, say: Callable[[str], None]) -> None:
        self._shown = shown
        self._say = say
        self._going_on: dict[str, str] = {}  # title → how far

    def __call__(self, line: str) -> bool:
        """Takes a line; False where it tells no more than how far something is."""
        event = _event(line)
        if event is None:
            return True
        title = event["title"]
        if "seconds" in event:
            self._going_on.pop(title, None)
            self._say(f"      {title} … {event['seconds']:.0f} s")
        elif "warning" in event:
            self._say(f"warning: {title}: {event['warning']}")
        else:
            self._going_on[title] = _amount(event)
        self._shown.progress(" | ".join(f"{each} {far}".rstrip() for each, far in self._going_on.items()))
        return "done" not in event


def _event(line: str) -> dict[str, Any] | None:
    """None for what a library printed."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("title"), str) else None


def _amount(event: dict[str, Any]) -> str:
    done, total = event.get("done"), event.get("total")
    if not isinstance(done, (int, float)) or not isinstance(total, (int, float)) or total <= 0:
        return ""
    unit = f" {event['unit']}" if event.get("unit") else ""
    return f"{done:.0f} of {total:.0f}{unit}, {100 * done / total:.0f} %"
