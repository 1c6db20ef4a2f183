"""Whose jobs a request may see: those of its key, and no others."""

from __future__ import annotations

from starlette.requests import Request

from gateway.accounts import Caller, Credentials
from gateway.errors import NotFound, Unauthorized
from gateway.jobs.job import Job
from gateway.jobs.jobs import Jobs
from gateway.services import services_of


def jobs_of(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


async def owner(request: Request) -> Caller:
    """raises: Unauthorized, also where there is no key at all"""
    credentials = Credentials.of(request)
    if credentials.key() is None:
        raise Unauthorized("Jobs belong to an API key; send one as Authorization: Bearer KEY.")
    return await services_of(request).accounts.identify(credentials)


async def own_job(request: Request) -> Job:
    """The one in the address. Raises Unauthorized; NotFound, also for another key's job"""
    caller = await owner(request)
    job = await jobs_of(request).store.find(request.path_params["identity"], caller.subject)
    if job is None:
        raise NotFound("There is no job of this id, or it was deleted; GET /v1/jobs lists yours.")
    return job
