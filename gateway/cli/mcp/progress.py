"""Tells an MCP client how far a job is, where it asked for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.mcpserver import Context

from gateway.cli.client import OnStage

UPLOAD_SHARE = 0.1  # of the whole
STEP_SECONDS = 0.2  # between two notifications, at least
STAGES = {"uploading": "uploading", "waiting": "waiting for its turn", "recognizing": "recognizing"}


@asynccontextmanager
async def progress_notifications(context: Context) -> AsyncIterator[OnStage]:
    """What is reported with the stages of `transcribe_as_job`: a share that only grows."""
    share, stage, changed = 0.0, "", asyncio.Event()

    def on_stage(name: str, done: float, of: float) -> None:
        nonlocal share, stage
        part = done / of if of else 0.0
        reached = UPLOAD_SHARE * part if name == "uploading" else UPLOAD_SHARE + (1 - UPLOAD_SHARE) * part
        if name == "waiting":
            reached = UPLOAD_SHARE
        if reached > share or name != stage:
            share, stage = max(share, reached), name
            changed.set()

    async def report() -> None:
        told = -1.0
        while True:
            await changed.wait()
            changed.clear()
            if share > told:  # the protocol wants it to grow
                told = share
                await context.report_progress(told, 1.0, STAGES.get(stage, stage))
            await asyncio.sleep(STEP_SECONDS)

    reporting = asyncio.create_task(report())
    try:
        yield on_stage
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
