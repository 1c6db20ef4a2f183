"""`stt jobs`: recordings handed to a running service, to come back for."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.cli.client import ServiceClient, connect
from gateway.cli.errors import FAILED, WrongUse
from gateway.cli.job_client import finished, submit_recording
from gateway.cli.recordings import RecordingFile, find_recordings, on_disk
from gateway.cli.service_address import find_service
from gateway.cli.sound_options import sound_fields
from gateway.cli.terminal import duration, print_result, show_progress, tell
from gateway.settings import Settings

MOST_IN_A_LIST = 100

JobAction = Callable[[argparse.Namespace, ServiceClient], Awaitable[int]]


def run(options: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(_act(ACTIONS[options.action], options, settings))


async def submit(options: argparse.Namespace, client: ServiceClient) -> int:
    """An id on each line, in the order of the command line."""
    fields = form_fields(options)
    for each in options.files:
        if each.startswith(("http://", "https://")):
            jobs = [await client.post("/v1/jobs", {**fields, "url": each})]
        else:
            jobs = [await _send(client, recording, fields) for recording in find_recordings([each])]
        for job in jobs:
            print_result(json.dumps(job, ensure_ascii=False) if options.json else job["id"])
    return 0


async def _send(client: ServiceClient, recording: RecordingFile, fields: Mapping[str, str]) -> dict[str, Any]:
    async with on_disk(recording) as path:
        return await submit_recording(client, path, recording.name, fields)


async def resend(options: argparse.Namespace, client: ServiceClient) -> int:
    """The webhook of a job that has ended, once more."""
    await client.post(f"/v1/jobs/{options.id}/webhook", {})
    return 0


async def show_list(options: argparse.Namespace, client: ServiceClient) -> int:
    query = f"?limit={options.limit}" + (f"&status={options.status}" if options.status else "")
    answer = await client.get(f"/v1/jobs{query}")
    if options.json:
        print_result(json.dumps(answer, ensure_ascii=False))
        return 0
    print_result(_line("ID", "STATUS", "DONE", "HANDED OVER", "FILE"))
    for job in answer["jobs"]:
        print_result(_line(job["id"], job["status"], _percent(job), _moment(job["created_at"]), job["file_name"]))
    return 0


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
    with show_progress() as progress:
        task = progress.add_task(options.id, total=1.0)

        def on_event(name: str, data: Mapping[str, Any]) -> None:
            if name == "text":
                print_result(data["text"])
            elif name == "progress":
                progress.update(task, completed=data["progress"], description=data["status"])

        job = await finished(client, options.id, on_event)
        tell(progress.console, describe(job))
    return 0 if job["status"] == "completed" else FAILED


async def cancel(options: argparse.Namespace, client: ServiceClient) -> int:
    """One that has ended stays as it is."""
    job = await client.get(f"/v1/jobs/{options.id}")
    if job["status"] not in ("queued", "processing"):
        raise WrongUse(f"the job is {job['status']}; `stt jobs delete` removes it")
    await client.delete(f"/v1/jobs/{options.id}")
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
    fields = {
        "language": options.language,
        "task": "" if options.task == "transcribe" else options.task,
        "model": options.model,
        "diarize": "false" if options.no_diarize else "true",
        "speakers": str(options.speakers),
        "summary": options.summary or "",
        "metadata": options.metadata or "",
        "webhook_url": options.webhook or "",
        **sound_fields(options),
    }
    return {name: text for name, text in fields.items() if text}


def describe(job: Mapping[str, Any]) -> str:
    """A few lines for people."""
    lines = [f"{job['id']}  {job['status']}  {_percent(job)}  {job['file_name']}".rstrip()]
    if job["duration"] is not None:
        lines.append(f"length {duration(job['duration'])}, model {job['model']}")
    if job["error"]:
        lines.append(f"error: {job['error']['message']}")
    if job["summary"]:
        lines.append(job["summary"].get("text") or f"no summary: {job['summary'].get('error', '')}")
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
