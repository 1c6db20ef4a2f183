"""`stt jobs`: recordings handed to a running service, to come back for."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from rich.progress import Progress

from gateway.cli.client import ServiceClient, connect
from gateway.cli.errors import FAILED, CommandFailed, WrongUse
from gateway.cli.job_client import ADDRESSES, ENDED, finished, submit_address, submit_recording, tell_where_it_goes_on
from gateway.cli.recordings import RecordingFile, find_recordings, on_disk
from gateway.cli.service_address import find_service
from gateway.cli.sound_options import sound_fields
from gateway.cli.terminal import duration, print_result, show_progress, tell, without_progress
from gateway.settings import Settings

MOST_ON_A_PAGE = 100  # that the service gives in one answer

JobAction = Callable[[argparse.Namespace, ServiceClient], Awaitable[int]]


def run(options: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(_act(ACTIONS[options.action], options, settings))


async def submit(options: argparse.Namespace, client: ServiceClient) -> int:
    """An id on each line, in the order of the command line. A recording that fails costs its own job only."""
    fields = form_fields(options)
    sources: list[str | RecordingFile] = []
    for each in options.files:
        sources += [each] if each.startswith(ADDRESSES) else find_recordings([each])
    code = 0
    with show_progress() as progress:
        for source in sources:
            label = source if isinstance(source, str) else source.label
            try:
                job = await _hand_over(client, source, fields, progress)
            except CommandFailed as problem:
                tell(progress.console, f"{label}: {problem}" if len(sources) > 1 else f"stt: {problem}", "red")
                code = max(code, problem.code)
                continue
            with without_progress(progress):
                print_result(json.dumps(job, ensure_ascii=False) if options.json else job["id"])
    return code


async def _hand_over(
    client: ServiceClient, source: str | RecordingFile, fields: Mapping[str, str], progress: Progress
) -> Mapping[str, Any]:
    """raises: CommandFailed"""
    if isinstance(source, str):
        return await submit_address(client, source, fields)
    task = progress.add_task(f"{source.name}: uploading", total=None)
    try:
        async with on_disk(source) as path:
            return await submit_recording(
                client, path, source.name, fields, lambda _, done, of: progress.update(task, completed=done, total=of)
            )
    except OSError as problem:
        raise CommandFailed(f"the file cannot be read: {problem.strerror or problem}") from problem
    finally:
        progress.remove_task(task)


async def resend(options: argparse.Namespace, client: ServiceClient) -> int:
    """The webhook of a job that has ended, once more."""
    job = await client.post(f"/v1/jobs/{options.id}/webhook", {})
    print(f"The webhook is on its way to {job['webhook']['url']}.", file=sys.stderr)
    return 0


async def show_list(options: argparse.Namespace, client: ServiceClient) -> int:
    jobs, more = await _newest(client, options.limit, options.status or "")
    if options.json:
        print_result(json.dumps({"jobs": jobs}, ensure_ascii=False))
        return 0
    print_result(_line("ID", "STATUS", "DONE", "HANDED OVER", "FILE"))
    for job in jobs:
        print_result(_line(job["id"], job["status"], _percent(job), _moment(job["created_at"]), job["file_name"]))
    if more:
        print(f"There are older ones; --limit {2 * options.limit} shows some of them.", file=sys.stderr)
    return 0


async def _newest(client: ServiceClient, limit: int, status: str) -> tuple[list[Mapping[str, Any]], bool]:
    """So many jobs, page by page, and whether there are more."""
    jobs: list[Mapping[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None and len(jobs) < limit:
        query = {"limit": min(limit - len(jobs), MOST_ON_A_PAGE), "status": status, "cursor": cursor}
        answer = await client.get(f"/v1/jobs?{urlencode(query)}")
        jobs += answer["jobs"]
        cursor = answer["next_cursor"]
    return jobs, cursor is not None


async def show(options: argparse.Namespace, client: ServiceClient) -> int:
    """The job, or with a format its transcript."""
    if options.format:
        answer = await client.text(f"/v1/jobs/{options.id}/transcript?response_format={options.format}")
        print_result(answer)
        return 0
    job = await client.get(f"/v1/jobs/{options.id}")
    print_result(json.dumps(job, ensure_ascii=False) if options.json else describe(job))
    return FAILED if job["status"] == "failed" else 0


async def watch(options: argparse.Namespace, client: ServiceClient) -> int:
    """Text as it is recognized, then what became of the job."""
    job = await client.get(f"/v1/jobs/{options.id}")  # a service that is away now is not waited for
    with show_progress() as progress:
        task = progress.add_task(job["status"], total=1.0)

        def on_event(name: str, data: Mapping[str, Any]) -> None:
            if name == "text":
                with without_progress(progress):
                    print_result(data["text"])
            elif name == "progress":
                progress.update(task, completed=data["progress"], description=data["status"])

        with tell_where_it_goes_on(options.id):
            job = await finished(client, options.id, on_event)
        tell(progress.console, describe(job))
    return 0 if job["status"] == "completed" else FAILED


async def cancel(options: argparse.Namespace, client: ServiceClient) -> int:
    """One that has ended stays as it is."""
    job = await client.get(f"/v1/jobs/{options.id}")
    if job["status"] in ENDED:
        raise WrongUse(f"the job is {job['status']}; `stt jobs delete` removes it")
    if await client.delete(f"/v1/jobs/{options.id}") is None:
        raise CommandFailed("the job ended at that moment, and was deleted")
    return 0


async def delete(options: argparse.Namespace, client: ServiceClient) -> int:
    """For good, whether it has ended or not."""
    if await client.delete(f"/v1/jobs/{options.id}") is not None:
        await client.delete(f"/v1/jobs/{options.id}")
    return 0


ACTIONS: dict[str, JobAction] = {
    "submit": submit,
    "list": show_list,
    "show": show,
    "watch": watch,
    "cancel": cancel,
    "delete": delete,
    "resend": resend,
}


def form_fields(options: argparse.Namespace) -> dict[str, str]:
    """raises: WrongUse, before anything is sent"""
    fields = {
        "language": options.language,
        "languages": options.languages,
        "task": "" if options.task == "transcribe" else options.task,
        "model": options.model,
        "diarize": "false" if options.no_diarize else "true",
        "speakers": str(options.speakers),
        "summary": options.summary or "",
        "metadata": _json_object(options.metadata) if options.metadata else "",
        "webhook_url": options.webhook or "",
        **sound_fields(options),
    }
    return {name: text for name, text in fields.items() if text}


def _json_object(text: str) -> str:
    """raises: WrongUse"""
    with suppress(ValueError):
        if isinstance(json.loads(text), dict):
            return text
    raise WrongUse(f"--metadata {text}: accepted is a JSON object, such as '{{\"ticket\": 4711}}'")


def describe(job: Mapping[str, Any]) -> str:
    """A few lines for people."""
    lines = [f"{job['id']}  {job['status']}  {_percent(job)}  {job['file_name']}".rstrip()]
    if job["duration"] is not None:
        lines.append(f"length {duration(job['duration'])}, model {job['model']}")
    if job["error"]:
        lines.append(f"error: {job['error']['message']}")
    if job["summary"]:
        lines.append(job["summary"].get("text") or f"no summary: {job['summary'].get('error', '')}")
    if job["webhook"]:
        lines.append(f"webhook: {job['webhook']['state']}, {job['webhook']['error'] or job['webhook']['url']}")
    if job["expires_at"]:
        lines.append(f"kept until {_moment(job['expires_at'])} UTC")
    return "\n".join(lines)


async def _act(action: JobAction, options: argparse.Namespace, settings: Settings) -> int:
    async with connect(find_service(options.url, settings)) as client:
        return await action(options, client)


def _percent(job: Mapping[str, Any]) -> str:
    return f"{job['progress']:.0%}"


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")


def _line(*cells: str) -> str:
    widths = (34, 12, 6, 18)
    return ("".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)) + cells[-1]).rstrip()
