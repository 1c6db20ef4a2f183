"""`stt summarize`: a transcript to a running service, its summary to standard output."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import Progress, TaskID
from rich.text import Text

from gateway.cli.client import ServiceClient, connect
from gateway.cli.errors import WrongUse
from gateway.cli.recordings import STANDARD_INPUT, check_is_file, is_recording
from gateway.cli.service_address import ServiceAddress, find_service
from gateway.cli.terminal import is_terminal, print_result, show_progress, without_progress
from gateway.settings import Settings

STAGES = {"reading": "reading", "notes": "taking notes", "writing": "writing"}

SEGMENT_FIELDS = ("text", "speaker", "start", "end")

_CUE = re.compile(r"^\s*(WEBVTT.*|NOTE\b.*|\d+|[\d:.,]+\s+-->\s.*)$")
_VOICE = re.compile(r"<v ([^>]+)>")


class GrowingText:
    """The last lines of a text that is being written, as many as the terminal shows."""

    def __init__(self) -> None:
        self.text = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = Text(self.text, "dim").wrap(console, options.max_width)
        yield Text("\n").join(lines[-max(1, console.height - 2) :])


def run(options: argparse.Namespace, settings: Settings) -> int:
    fields = content(read_text(options.file)) | {"style": options.style, "language": options.language}
    if options.evidence:
        fields["evidence"] = True
    answer = asyncio.run(_summarize_alone(find_service(options.url, settings), fields))
    print_result("\n".join([answer["summary"], *evidence_lines(answer.get("points", ()))]))
    return 0


async def _summarize_alone(address: ServiceAddress, fields: dict[str, Any]) -> dict[str, Any]:
    with show_progress() as progress:
        async with connect(address) as client:
            return await summarize(client, fields, progress, shown=is_terminal(sys.stdout))


async def summarize(
    client: ServiceClient, fields: dict[str, Any], progress: Progress, *, name: str = "summary", shown: bool = False
) -> dict[str, Any]:
    """The whole answer. Raises RequestFailed.

    shown: it is shown on standard output while it is written, and removed again
    """
    task = progress.add_task(f"{name}: waiting", total=None)
    events = client.summarize(fields)
    try:
        async with contextlib.aclosing(_with_progress(events, progress, task, name)) as watched:
            return await (_show_growing(watched, progress) if shown else _last(watched))
    finally:
        progress.remove_task(task)


async def _last(events: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    async for event in events:
        if event["type"] == "summary":
            answer = event
    return answer


async def _show_growing(events: AsyncIterator[dict[str, Any]], progress: Progress) -> dict[str, Any]:
    growing, answer = GrowingText(), dict[str, Any]()
    console = Console(highlight=False)
    with contextlib.ExitStack() as screen:
        async for event in events:
            if event["type"] == "token":
                if not growing.text:
                    screen.enter_context(without_progress(progress))
                    live = Live(growing, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
                    screen.enter_context(live)
                growing.text += event["token"]
            elif event["type"] == "summary":
                answer = event
    return answer


async def _with_progress(
    events: AsyncIterator[dict[str, Any]], progress: Progress, task: TaskID, name: str
) -> AsyncGenerator[dict[str, Any]]:
    stage = ""
    async for event in events:
        if event["type"] == "stage":
            description = f"{name}: {STAGES.get(event['stage'], event['stage'])}"
            if event["stage"] != stage:
                stage = event["stage"]
                progress.reset(task, description=description, total=event["total"] or None, completed=event["done"])
            else:
                progress.update(task, total=event["total"] or None, completed=event["done"])
        yield event


def read_text(name: str) -> str:
    """raises: WrongUse"""
    try:
        raw = sys.stdin.buffer.read() if name == STANDARD_INPUT else check_is_file(name).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as problem:
        raise WrongUse(f"{name} cannot be read: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        path = check_is_file(name) if name != STANDARD_INPUT else None
        if path is not None and is_recording(path):
            advice = f"`stt transcribe --summary brief {name}`"
            raise WrongUse(f"{name}: this is a recording; use {advice}") from problem
        raise WrongUse(f"{name} cannot be read: it is not text in UTF-8") from problem


def content(transcript: str) -> dict[str, Any]:
    """What is sent: the segments of a transcript as json, which keep speakers and times, or the text of any other."""
    if transcript.lstrip().startswith("{"):
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            listed = json.loads(transcript)["segments"]
            segments = [{name: part.get(name) for name in SEGMENT_FIELDS} for part in listed]
            if any(isinstance(part["text"], str) and part["text"].strip() for part in segments):
                return {"segments": segments}
    return {"text": spoken(transcript)}


def evidence_lines(points: Sequence[dict[str, Any]]) -> list[str]:
    """Every statement, and under it the sentences that bear it out."""
    lines = [""] if points else []
    for point in points:
        where = [f"{point['start']:.1f} s"] if "start" in point else []
        where += [point["speaker"]] if "speaker" in point else []
        lines.append(f"{point['text']} ({', '.join(where)})" if where else point["text"])
        lines += [f"  {number}: {quote}" for number, quote in zip(point["sentences"], point["quotes"], strict=True)]
    return lines


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
