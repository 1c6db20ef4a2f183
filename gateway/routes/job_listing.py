"""GET /v1/jobs: a caller's jobs, newest first, so many at a time."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.jobs import JobList, JobStatus
from gateway.errors import BadParameter
from gateway.jobs.job import Job, JobFilter
from gateway.jobs.report import job_report, read_moment
from gateway.routes.jobs_access import jobs_of, owner

MOST = 100  # jobs in an answer
STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)


async def list_jobs(request: Request) -> Response:
    caller = await owner(request)
    jobs, wanted = jobs_of(request), read_filter(request.query_params)
    found = await jobs.store.listed(caller.subject, wanted)
    answer: JobList = {
        "jobs": [job_report(job, jobs.settings) for job in found],
        "next_cursor": _cursor(found[-1]) if len(found) == wanted.limit else None,
    }
    return JSONResponse(answer)


def read_filter(query: Mapping[str, str]) -> JobFilter:
    """raises: BadParameter"""
    status = query.get("status", "").strip().lower() or None
    if status is not None and status not in STATUSES:
        raise BadParameter(f"`status` is {status[:40]!r}; accepted are {', '.join(STATUSES)}.", "status")
    limit = query.get("limit", "").strip() or "20"
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= MOST):
        raise BadParameter(f"`limit` is {limit[:40]!r}; accepted are whole numbers from 1 to {MOST}.", "limit")
    return JobFilter(
        status=next((each for each in STATUSES if each == status), None),
        created_after=_moment(query, "created_after"),
        created_before=_moment(query, "created_before"),
        before=_read_cursor(query.get("cursor", "")),
        limit=int(limit),
    )


def _moment(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        return read_moment(text)
    except (ValueError, OverflowError):
        raise BadParameter(f"`{name}` is {text[:40]!r}; accepted is such as 2026-11-28T10:15:00Z.", name) from None


def _cursor(last: Job) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.created_at, last.id]).encode()).decode()


def _read_cursor(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    try:
        at, identity = json.loads(base64.urlsafe_b64decode(text))
        if not (isinstance(at, int) and 0 <= at < 1 << 62 and isinstance(identity, str)):
            raise ValueError
    except (ValueError, TypeError):
        raise BadParameter("`cursor` is none that this service gave out.", "cursor") from None
    return at, identity
