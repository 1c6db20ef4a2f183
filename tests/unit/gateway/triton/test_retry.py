"""Retries against clients whose attempts are written here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest

from gateway.triton import retry
from gateway.triton.client import TritonFailure
from gateway.triton.retry import RetryPolicy, infer

MODEL = "whisper-base"
POLICY = RetryPolicy(unavailable=20.0, timeout=600.0)
REJECTED = TritonFailure(grpc.StatusCode.UNAVAILABLE, "Server is stopping")
BUSY = TritonFailure(grpc.StatusCode.UNAVAILABLE, "2048 windows wait already; try again later")
FAILED = TritonFailure(grpc.StatusCode.INTERNAL, "the engine failed")
DIED = TritonFailure(grpc.StatusCode.INTERNAL, "Stub process 'whisper-base_0_0' is not healthy.")
WRONG = TritonFailure(grpc.StatusCode.INVALID_ARGUMENT, "yue is not spoken here")
LATE = TritonFailure(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
ANSWER = {"RESULT": b"words"}


class ScriptedFleet:
    """Stands for the fleet and for its one client: every attempt takes some seconds of a clock that is moved here."""

    url = "scripted"

    def __init__(self, *outcomes: TritonFailure | None, attempt: float = 0.0, wait: float = 0.0) -> None:
        self.outcomes = list(outcomes)
        self.attempt, self.wait = attempt, wait  # seconds for an attempt, and until a client is available
        self.now = 1000.0
        self.deadlines: list[float] = []
        self.excluded: list[TritonFailure] = []
        self.unavailable: set[str] = set()

    async def client_for(self, model: str, deadline: float) -> Any:
        self.deadlines.append(deadline)
        self.now += self.wait
        if self.wait and self.now > deadline:
            raise TimeoutError
        return self

    async def infer(self, model: str, inputs: Any, timeout: float) -> dict[str, bytes]:
        self.now += self.attempt
        if failure := self.outcomes.pop(0):
            raise failure
        return ANSWER

    def exclude(self, client: Any, model: str, failure: TritonFailure) -> None:
        self.excluded.append(failure)


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(retry, "FIRST_BACKOFF", 0.0)

    async def send(fleet: ScriptedFleet, policy: RetryPolicy = POLICY) -> dict[str, bytes]:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: fleet.now)
        return await infer(cast(Any, fleet), MODEL, {}, policy)

    return send


async def test_rejections_share_one_deadline(send: Callable[..., Any]) -> None:
    fleet = ScriptedFleet(*[REJECTED] * 9, None, wait=6.0)

    with pytest.raises(TritonFailure, match="no Triton serves whisper-base"):
        await send(fleet)

    assert set(fleet.deadlines) == {1020.0}
    assert len(fleet.outcomes) == 10 - 3


async def test_a_full_queue_is_waited_for_and_takes_no_triton_away(send: Callable[..., Any]) -> None:
    fleet = ScriptedFleet(*[BUSY] * 50, None, wait=5.0)

    assert await send(fleet) == ANSWER

    assert fleet.excluded == []


async def test_a_queue_that_stays_full_is_given_up_in_the_end(send: Callable[..., Any]) -> None:
    fleet = ScriptedFleet(*[BUSY] * 1000, attempt=10.0)

    with pytest.raises(TritonFailure, match="wait already"):
        await send(fleet)

    assert 60 <= 1000 - len(fleet.outcomes) <= 70


async def test_time_in_an_attempt_does_not_count(send: Callable[..., Any]) -> None:
    """A window that waited in the queue of a Triton that is then told to stop has not spent its deadline."""
    fleet = ScriptedFleet(REJECTED, None, attempt=50.0, wait=5.0)

    assert await send(fleet) == ANSWER

    assert fleet.deadlines == [1020.0, 1070.0]


async def test_an_attempt_that_was_accepted_renews_the_deadline(send: Callable[..., Any]) -> None:
    fleet = ScriptedFleet(DIED, None, wait=15.0)

    assert await send(fleet) == ANSWER

    assert fleet.deadlines == [1020.0, 1035.0]


@pytest.mark.parametrize("failures", [2, 10])
async def test_failures_are_counted(send: Callable[..., Any], failures: int) -> None:
    policy = RetryPolicy(unavailable=20.0, timeout=600.0, failures=failures)

    assert await send(ScriptedFleet(*[FAILED] * failures, None), policy) == ANSWER
    with pytest.raises(TritonFailure, match="the engine failed"):
        await send(ScriptedFleet(*[FAILED] * (failures + 1), None), policy)


@pytest.mark.parametrize("failure", [WRONG, LATE])
async def test_what_another_attempt_cannot_change_is_not_retried(
    send: Callable[..., Any], failure: TritonFailure
) -> None:
    fleet = ScriptedFleet(failure, None)

    with pytest.raises(TritonFailure) as raised:
        await send(fleet)

    assert raised.value is failure
    assert fleet.excluded == []


async def test_a_server_that_is_unavailable_is_excluded(send: Callable[..., Any]) -> None:
    fleet = ScriptedFleet(REJECTED, DIED, FAILED, None, wait=0.1)
    policy = RetryPolicy(unavailable=20.0, timeout=600.0, failures=2)

    await send(fleet, policy)

    assert fleet.excluded == [REJECTED, DIED]
