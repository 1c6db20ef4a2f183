"""`stt transcribe`: recordings to a running service, transcripts to standard output or to files."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress

from gateway.cli.client import OnStage, RequestFailed, ServiceClient, connect
from gateway.cli.errors import FAILED, CommandFailed, WrongUse
from gateway.cli.job_client import transcribe_as_job
from gateway.cli.outputs import check_picture, choose_targets, summary_target
from gateway.cli.readable import print_readable
from gateway.cli.recordings import RecordingFile, find_recordings, on_disk
from gateway.cli.service_address import ServiceAddress, find_service
from gateway.cli.sound_options import sound_fields
from gateway.cli.summarize import content, spoken, summarize
from gateway.cli.terminal import (
    is_terminal,
    print_result,
    read_warnings,
    show_progress,
    tell,
    warn,
    without_progress,
)
from gateway.settings import Settings
from gateway.transcript.rendering import read_fields, render
from speech.transcript import Transcript

MOST_AT_ONCE = 8  # recordings sent at once, where the tier would allow more
WARNINGS = "X-Warnings"
STAGES = {
    "uploading": "uploading",
    "waiting": "waiting",
    "decoding": "decoding",
    "recognizing": "recognizing",
    "diarizing": "telling speakers apart",
}


@dataclass(frozen=True, slots=True)
class TranscribePlan:
    """What the command line asks for, checked before anything is sent."""

    recordings: Sequence[RecordingFile]
    targets: Sequence[Path | None]  # for each recording; None: standard output
    picture: Path | None
    format: str
    readable: bool  # text for eyes, on a terminal
    labels: bool  # whether speakers are named
    summary: str  # style, or ""
    language: str
    fields: dict[str, str]  # of the form
    as_job: bool = False


@dataclass(slots=True)
class TranscriptionResult:
    text: str  # in the format that was asked for
    transcript: Transcript | None = None  # where the service was asked for JSON
    warnings: list[str] = field(default_factory=list)
    summary: str = ""
    picture: Path | None = None  # that was drawn
    problems: list[CommandFailed] = field(default_factory=list)  # after the transcript was there


def run(options: argparse.Namespace, settings: Settings) -> int:
    plan = make_plan(options)
    return asyncio.run(_transcribe_all(plan, find_service(options.url, settings), options.jobs))


def make_plan(options: argparse.Namespace) -> TranscribePlan:
    """raises: WrongUse"""
    recordings = find_recordings(options.files)
    if options.plot and len(recordings) > 1:
        raise WrongUse("--plot draws one recording; give one file")
    readable = options.format == "txt" and options.output is None and is_terminal(sys.stdout)
    fields = {
        "language": options.language,
        "languages": options.languages,
        # A picture and text for eyes need the times of JSON: the format that was asked for is made here then.
        "response_format": "json" if options.plot or readable else options.format,
        "task": "" if options.task == "transcribe" else options.task,
        "model": options.model,
        "diarize": "false" if options.no_diarize else "true",
        "speakers": str(options.speakers),
        "speaker_labels": "false" if options.no_speaker_labels else "true",
        **sound_fields(options),
    }
    return TranscribePlan(
        recordings=recordings,
        targets=choose_targets(recordings, options.output, options.format),
        picture=check_picture(options.plot) if options.plot else None,
        format=options.format,
        readable=readable,
        labels=not options.no_speaker_labels,
        summary=options.summary or "",
        language=options.language,
        fields={name: text for name, text in fields.items() if text},
        as_job=options.job,
    )


async def _transcribe_all(plan: TranscribePlan, address: ServiceAddress, jobs: int) -> int:
    """Several at once; what goes to standard output keeps the order of the command line."""
    with show_progress() as progress:
        async with connect(address) as client:
            at_once = await _limits(client, len(plan.recordings), jobs)
            command = TranscribeCommand(plan, client, progress, *map(asyncio.Semaphore, at_once))
            working: list[asyncio.Task[int]] = []
            for recording, target in zip(plan.recordings, plan.targets, strict=True):
                before = working[-1] if working and target is None else None
                working.append(asyncio.create_task(command.process(recording, target, before)))
            codes = await asyncio.gather(*working)
    return codes[0] if len(codes) == 1 else min(max(codes), FAILED)


async def _limits(client: ServiceClient, recordings: int, jobs: int) -> tuple[int, int]:
    """How many recordings, and how many summaries, the tier takes at once."""
    if recordings == 1:
        return 1, 1
    try:
        usage = await client.get("/v1/usage")
        files, summaries = int(usage["transcription"]["at_once"]), int(usage["summaries"]["at_once"])
    except (RequestFailed, KeyError, TypeError, ValueError):
        files = summaries = 1
    return jobs or min(files, MOST_AT_ONCE), min(summaries, MOST_AT_ONCE)


@dataclass(frozen=True, slots=True)
class TranscribeCommand:
    plan: TranscribePlan
    client: ServiceClient
    progress: Progress
    slots: asyncio.Semaphore
    summary_slots: asyncio.Semaphore

    async def process(self, recording: RecordingFile, target: Path | None, before: asyncio.Task[int] | None) -> int:
        """The exit code. A recording that fails costs its own transcript only.

        before: what has to be on standard output first
        """
        result = await self.transcribe(recording)
        if before is not None:
            await asyncio.wait([before])
        console = self.progress.console
        if isinstance(result, CommandFailed):
            tell(console, f"{recording.label}: {result}", "red")
            return result.code
        warn(console, recording.label, result.warnings)
        if target is not None:
            write_result(target, result, console)
        else:
            with without_progress(self.progress):
                print_transcript(self.plan, recording, result)
            if self.plan.summary and not result.summary:
                await self._summarize(result, recording, shown=is_terminal(sys.stdout))
                with without_progress(self.progress):
                    print_summary(result)
        if result.picture:
            tell(console, f"wrote {result.picture}")
        for problem in result.problems:
            tell(console, f"{recording.label}: {problem}", "red")
        return max((problem.code for problem in result.problems), default=0)

    async def transcribe(self, recording: RecordingFile) -> TranscriptionResult | CommandFailed:
        """With its picture and its summary, unless that can be read while it is written."""
        try:
            async with self.slots, on_disk(recording) as path:
                async with self._stages(recording.name) as on_stage:
                    send = transcribe_as_job if self.plan.as_job else ServiceClient.transcribe
                    answer = await send(self.client, path, recording.name, self.plan.fields, on_stage)
                result = self._read(answer)
                if self.plan.picture:
                    await self._draw(result, path, recording)
        except OSError as problem:
            return CommandFailed(f"the file cannot be read: {problem.strerror or problem}")
        except CommandFailed as problem:
            return problem
        if len(self.plan.recordings) > 1 or self.plan.targets[0] is not None:
            await self._summarize(result, recording)
        return result

    def _read(self, answer: httpx.Response) -> TranscriptionResult:
        warnings = read_warnings(answer.headers.get(WARNINGS, ""))
        if self.plan.fields["response_format"] != "json":
            return TranscriptionResult(answer.text, warnings=warnings)
        try:
            transcript = read_fields(json.loads(answer.text))
        except (KeyError, TypeError, ValueError) as problem:
            raise RequestFailed(f"the service's answer cannot be read: {problem}") from problem
        text = answer.text
        if self.plan.format != "json":
            text = render(transcript, self.plan.format, labels=self.plan.labels)[0]
        return TranscriptionResult(text, transcript, list(transcript.warnings))

    async def _draw(self, result: TranscriptionResult, path: Path, recording: RecordingFile) -> None:
        """A picture that fails does not cost the transcript."""
        from gateway.cli.plot import PlotFailed, plot  # matplotlib takes a second to import

        assert result.transcript is not None and self.plan.picture is not None
        try:
            lacks = await asyncio.to_thread(plot, result.transcript, path, self.plan.picture, recording.name)
            result.warnings += lacks
            result.picture = self.plan.picture
        except PlotFailed as problem:
            result.problems.append(problem)

    async def _summarize(self, result: TranscriptionResult, recording: RecordingFile, shown: bool = False) -> None:
        """Where nothing was said there is nothing to summarize. A summary that fails does not cost the transcript."""
        if not self.plan.summary or not spoken(result.text).strip():
            return
        fields = content(result.text) | {"style": self.plan.summary, "language": self.plan.language}
        name = f"{recording.name}: summary"
        try:
            async with self.summary_slots:
                answer = await summarize(self.client, fields, self.progress, name=name, shown=shown)
            result.summary = str(answer["summary"])
        except CommandFailed as problem:
            result.problems.append(problem)

    @asynccontextmanager
    async def _stages(self, name: str) -> AsyncIterator[OnStage]:
        """A line of progress, which begins anew with each stage."""
        task = self.progress.add_task(f"{name}: uploading", total=None)
        shown = ""

        def on_stage(stage: str, done: float, of: float) -> None:
            nonlocal shown
            if stage != shown:
                shown = stage
                self.progress.reset(task, description=f"{name}: {STAGES.get(stage, stage)}", total=of)
            self.progress.update(task, completed=done)

        try:
            yield on_stage
        finally:
            self.progress.remove_task(task)


def print_transcript(plan: TranscribePlan, recording: RecordingFile, result: TranscriptionResult) -> None:
    """With a header where there are several; of JSON, one object a line. The summary, too, if it is there already."""
    several = len(plan.recordings) > 1
    if several and plan.format == "json":
        fields = {"file": recording.label, **json.loads(result.text)}
        if result.summary:
            fields["summary"] = result.summary
        print_result(json.dumps(fields, ensure_ascii=False))
        return
    if several:
        separator = "" if recording is plan.recordings[0] else "\n"
        print_result(f"{separator}==> {recording.label} <==")
    if plan.readable and result.transcript is not None:
        print_readable(result.transcript, Console(highlight=False), labels=plan.labels)
        sys.stdout.flush()
    else:
        print_result(result.text)
    print_summary(result)


def print_summary(result: TranscriptionResult) -> None:
    if result.summary:
        print_result(f"\nSummary\n{result.summary}")


def write_result(target: Path, result: TranscriptionResult, console: Console) -> None:
    """What cannot be written is printed instead."""
    texts = {target: result.text}
    if result.summary:
        texts[summary_target(target)] = f"{result.summary}\n"
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            tell(console, f"wrote {path}")
        except OSError as problem:
            result.problems.append(CommandFailed(f"{path} cannot be written: {problem.strerror}; here is its text"))
            print_result(text)
