"""Jobs as the commands use them: handed over, and followed to their end through whatever breaks."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from gateway.cli.client import OnStage, RecordingForm, RequestFailed, ServiceClient

COME_BACK_SECONDS = 2.0  # after a connection that broke
MOST_BREAKS = 150  # one after the other: five minutes
ENDED = ("completed", "failed", "cancelled")

ADDRESSES = ("http://", "https://")  # of recordings that the service fetches
TYPED_FIELDS = ("diarize", "metadata")  # whose text is JSON
# Of the transcript, when it is fetched.
SHAPE_FIELDS = ("response_format", "speaker_labels", "subtitle_columns")

OnEvent = Callable[[str, Mapping[str, Any]], None]


async def submit_recording(
    client: ServiceClient, path: Path, name: str, fields: Mapping[str, str], on_stage: OnStage | None = None
) -> dict[str, Any]:
    """The job. Raises RequestFailed, OSError where the file cannot be read."""
    form = RecordingForm(name, dict(fields), {"Idempotency-Key": secrets.token_hex(16)})
    answer = await client.upload("/v1/jobs", path, form, on_stage or _ignore)
    job: dict[str, Any] = answer.json()
    return job


async def submit_address(client: ServiceClient, address: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """The job of a recording that the service fetches. fields: of the form, which JSON has with their types.

    raises: RequestFailed
    """
    typed = {name: json.loads(text) if name in TYPED_FIELDS else text for name, text in fields.items()}
    job: dict[str, Any] = await client.post("/v1/jobs", {**typed, "url": address})
    return job


async def transcribe_as_job(
    client: ServiceClient, path: Path, name: str, fields: dict[str, str], on_stage: OnStage
) -> httpx.Response:
    """The answer that a call would have had. Raises RequestFailed, OSError where the file cannot be read."""
    job = await submit_recording(client, path, name, fields, on_stage)

    def on_event(event: str, data: Mapping[str, Any]) -> None:
        if event == "progress":
            on_stage("recognizing" if data["status"] == "processing" else "waiting", data["progress"], 1.0)

    with tell_where_it_goes_on(job["id"]):
        ended = await finished(client, job["id"], on_event)
    if ended["status"] != "completed":
        raise RequestFailed(ended["error"]["message"] if ended["error"] else f"the job {job['id']} was cancelled")
    shape = {name: fields[name] for name in SHAPE_FIELDS if name in fields}
    return await client.answer(f"/v1/jobs/{job['id']}/transcript?{urlencode(shape)}")


@contextmanager
def tell_where_it_goes_on(identity: str) -> Iterator[None]:
    """Whoever ends the command, or loses the service, has the job still."""
    try:
        yield
    except asyncio.CancelledError:
        print(f"The job goes on: stt jobs watch {identity}", file=sys.stderr)
        raise
    except RequestFailed as problem:
        raise RequestFailed(f"{problem}; the job may go on: `stt jobs watch {identity}`") from problem


async def finished(client: ServiceClient, identity: str, on_event: OnEvent) -> dict[str, Any]:
    """The job, once it has ended. A connection that breaks is made again. Raises RequestFailed."""
    told, breaks = "", 0
    while True:
        try:
            async with aclosing(_events(client, identity, told)) as events:
                async for number, name, data in events:
                    breaks = 0
                    told = number or told
                    on_event(name, data)
                    if name in ENDED:
                        return dict(data)
        except RequestFailed:
            if breaks >= MOST_BREAKS or not await _is_there(client, identity, breaks):
                raise
        breaks += 1
        await asyncio.sleep(COME_BACK_SECONDS)


async def _is_there(client: ServiceClient, identity: str, breaks: int) -> bool:
    """Whether it is worth coming back: a job that the service does not have will not appear."""
    if breaks:
        return True
    try:
        await client.get(f"/v1/jobs/{identity}")
    except RequestFailed as problem:
        return "no service answers" in str(problem) or "broke" in str(problem)
    return True


async def _events(
    client: ServiceClient, identity: str, told: str
) -> AsyncGenerator[tuple[str, str, Mapping[str, Any]], None]:
    """Id, name and data of each event."""
    number = name = ""
    headers = {"Last-Event-ID": told} if told else {}
    async with aclosing(client.lines(f"/v1/jobs/{identity}/events", headers)) as lines:
        async for line in lines:
            field, _, value = line.partition(": ")
            if field == "id":
                number = value
            elif field == "event":
                name = value
            elif field == "data":
                yield number, name, json.loads(value)
                number = name = ""


def _ignore(stage: str, done: float, of: float) -> None:
    """Nobody is shown it."""
