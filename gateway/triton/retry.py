"""Retries of a call to the fleet: one policy and one deadline for windows, chunks of diarization and live sessions."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass

import grpc

from gateway.triton.client import TritonClient, TritonFailure, Value
from gateway.triton.fleet import Fleet
from speech.tensors import Tensor

FIRST_BACKOFF = 0.1  # seconds after the first failure in a model that goes on serving; doubles
LONGEST_BACKOFF = 2.0  # seconds
# Another attempt cannot help: the request is wrong, or has taken all the time that an attempt may take.
FINAL = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DEADLINE_EXCEEDED)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    unavailable: float  # seconds that no Triton accepts the call, before it is given up
    timeout: float  # seconds for one attempt, queueing in Triton included
    failures: int = 2  # attempts that may fail after a Triton accepted them


async def infer(fleet: Fleet, model: str, inputs: Mapping[Tensor, Value], policy: RetryPolicy) -> dict[str, bytes]:
    """The raw outputs of an idempotent request, retried on other servers or later. Cancelling this cancels the work.

    One deadline covers all the time without a Triton that accepts the request. Time spent in an attempt does not
    count; a failure of an attempt that was accepted renews it. A full queue is no failure: the request waits here, for
    as long as it might have waited there.
    raises: TritonFailure of the last attempt; UNAVAILABLE if no Triton accepted the request before the deadline
    """
    clock = asyncio.get_running_loop().time
    deadline, failures, refusals = clock() + policy.unavailable, 0, 0
    end_of_patience = clock() + policy.timeout  # with queues that are full
    while True:
        client = await _available(fleet, model, deadline)
        began = clock()
        try:
            return await client.infer(model, inputs, policy.timeout)
        except TritonFailure as failure:
            if failure.busy:
                if clock() >= end_of_patience:
                    raise
                refusals += 1
                await asyncio.sleep(_backoff(refusals))
                deadline = clock() + policy.unavailable
                continue
            _log.warning("an attempt failed: %s", failure, extra={"triton": client.url, "model": model})
            if failure.unavailable:
                fleet.exclude(client, model, failure)
            if failure.rejected:
                deadline = min(deadline + clock() - began, clock() + policy.unavailable)
                if clock() >= deadline:
                    raise
                continue
            failures += 1
            if failure.code in FINAL or failures > policy.failures:
                raise
        if model not in client.unavailable:
            await asyncio.sleep(_backoff(failures))
        deadline = clock() + policy.unavailable


async def _available(fleet: Fleet, model: str, deadline: float) -> TritonClient:
    try:
        return await fleet.client_for(model, deadline)
    except TimeoutError:
        raise TritonFailure(grpc.StatusCode.UNAVAILABLE, f"no Triton serves {model}") from None


def _backoff(failures: int) -> float:
    """Seconds: exponential, with jitter."""
    longest: float = min(FIRST_BACKOFF * 2 ** (failures - 1), LONGEST_BACKOFF)
    return longest * random.uniform(0.5, 1.0)
