"""`stt summarize`: a transcript to a running service, its summary to standard output."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from rich.progress import Progress, TaskID

from gateway.cli.terminal import add_url, read_error, shown_progress
from gateway.settings import Settings
from gateway.summaries.styles import ALIASES, BRIEF, STYLES

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 120.0  # a service that works sends a line at least every 10 s
STAGES = {"reading": "reading", "notes": "taking notes", "writing": "writing"}

_CUE = re.compile(r"^\s*(WEBVTT.*|NOTE\b.*|\d+|[\d:.,]+\s+-->\s.*)$")
_VOICE = re.compile(r"<v ([^>]+)>")


class SummarizeFailed(Exception):
    """There is no summary; the text is shown to the user."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("summarize", help="summarise a transcript with a running service")
    parser.add_argument("file", metavar="FILE", help="text, or a transcript as json, srt or vtt; - is standard input")
    parser.add_argument("--style", choices=[*STYLES, *ALIASES], default=BRIEF.name, help="(default: brief)")
    parser.add_argument("--language", default="auto", help="of the transcript (default: found out)")
    add_url(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    try:
        raw = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        print(f"stt: {options.file} cannot be read: {problem}", file=sys.stderr)
        return 2
    fields = {"text": spoken(text), "style": options.style, "language": options.language}
    url = (options.url or settings.client.url).rstrip("/")
    with shown_progress() as progress:
        try:
            summary = summarize(url, settings.client.key, fields, progress)
        except SummarizeFailed as problem:
            progress.console.print(f"stt: {problem}", style="red", markup=False, highlight=False)
            return 1
    print(summary)
    return 0


def summarize(url: str, key: str, fields: dict[str, str], progress: Progress) -> str:
    """The summary; what is going on is shown meanwhile. Raises SummarizeFailed."""
    named = {"Accept": "text/event-stream"} | ({"Authorization": f"Bearer {key}"} if key else {})
    headers = httpx.Headers(named, encoding="utf-8")
    patience = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
    task = progress.add_task("summary: waiting", total=None)
    try:
        with httpx.stream("POST", f"{url}/v1/summarize", json=fields, headers=headers, timeout=patience) as answer:
            if answer.status_code != httpx.codes.OK:
                answer.read()
                raise SummarizeFailed(read_error(answer))
            for event in read_events(answer.iter_lines()):
                if event["type"] == "summary":
                    return str(event["summary"])
                if event["type"] == "error":
                    raise SummarizeFailed(event["error"])
                show(event, progress, task)
    except httpx.ConnectError as problem:
        raise SummarizeFailed(f"no service answers at {url}; `stt serve` starts one") from problem
    except httpx.HTTPError as problem:
        raise SummarizeFailed(f"the connection to {url} broke: {problem}") from problem
    finally:
        progress.remove_task(task)
    raise SummarizeFailed(f"the service at {url} ended without a summary")


def show(event: dict[str, Any], progress: Progress, task: TaskID) -> None:
    if event["type"] == "stage":
        description = f"summary: {STAGES.get(event['stage'], event['stage'])}"
        progress.update(task, description=description, total=event["total"] or None, completed=event["done"])


def read_events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def spoken(transcript: str) -> str:
    """What was said, of a transcript in any of the service's formats."""
    if transcript.lstrip().startswith("{"):
        try:
            return _of_json(json.loads(transcript))
        except (AttributeError, KeyError, TypeError, ValueError):
            return transcript
    if "-->" not in transcript and not transcript.startswith("WEBVTT"):
        return transcript
    lines = (line for line in transcript.splitlines() if line.strip() and not _CUE.match(line))
    return "\n".join(_VOICE.sub(r"\1: ", line) for line in lines)


def _of_json(fields: dict[str, Any]) -> str:
    segments = fields.get("segments") or ()
    if not fields.get("speakers"):
        return str(fields["text"])
    return "\n".join(f"{segment.get('speaker') or 'Unknown'}: {segment['text']}" for segment in segments)
