"""The fleet against real gRPC servers whose models are written here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from gateway.settings import TritonSettings
from gateway.triton.client import TritonClient, TritonFailure
from gateway.triton.fleet import RELOAD_PAUSE, Fleet, resolve_host, watched
from gateway.triton.probe import probe_inputs
from tests.unit.gateway.triton.triton_fakes import DEAD, Triton, dies, listening, refuses, unknown, waits

MODEL = "whisper-base"
SETTINGS = TritonSettings(probe_seconds=0.05)


class Name:
    """A name whose machines change."""

    def __init__(self, *behind: str) -> None:
        self.behind = behind

    async def resolve(self, address: str) -> Sequence[str]:
        if not self.behind:
            raise OSError("no such name")
        return self.behind


@asynccontextmanager
async def fleet_behind(name: Name) -> AsyncIterator[Fleet]:
    async with watched(Fleet(["triton:8001"], [MODEL], SETTINGS, resolve=name.resolve)) as fleet:
        yield fleet


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def after(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def working(fleet: Fleet) -> set[str]:
    return {client.url for client in fleet.clients if MODEL not in client.unavailable}


async def test_a_triton_that_joins_behind_a_name_gets_work_and_one_that_leaves_gets_none() -> None:
    async with listening(Triton(), Triton()) as (old, new):
        name = Name(old)
        async with fleet_behind(name) as fleet:
            assert working(fleet) == {old}
            name.behind = (old, new)
            await becomes(lambda: working(fleet) == {old, new})
            name.behind = (new,)
            await becomes(lambda: working(fleet) == {new})


async def test_a_triton_that_leaves_finishes_what_it_has() -> None:
    finish = asyncio.Event()

    async def slow(triton: Triton, context: object) -> None:
        await finish.wait()

    async with listening(Triton(slow), Triton()) as (old, new):
        name = Name(old)
        async with fleet_behind(name) as fleet:
            client = await fleet.client_for(MODEL, after(1))
            call = asyncio.create_task(client.infer(MODEL, probe_inputs(MODEL, 1.0), 10))
            name.behind = (new,)
            await becomes(lambda: working(fleet) == {new})
            finish.set()
            assert await call


async def test_while_the_name_service_is_away_the_known_tritons_go_on() -> None:
    async with listening(Triton()) as (only,):
        name = Name(only)
        async with fleet_behind(name) as fleet:
            name.behind = ()
            await asyncio.sleep(0.2)
            assert working(fleet) == {only}


async def test_a_triton_gets_no_work_before_its_model_has_answered() -> None:
    async with (
        listening(Triton(refuses, lives=False), Triton()) as (away, good),
        fleet_behind(Name(away, good)) as fleet,
    ):
        assert {(await fleet.client_for(MODEL, after(1))).url for _ in range(4)} == {good}


async def test_the_least_loaded_triton_is_chosen() -> None:
    async with listening(Triton(waits), Triton()) as (busy, idle), fleet_behind(Name(busy, idle)) as fleet:
        (client,) = (client for client in fleet.clients if client.url == busy)
        call = asyncio.create_task(client.infer(MODEL, probe_inputs(MODEL, 1.0), 10))
        await becomes(lambda: client.in_flight == 1)
        assert {(await fleet.client_for(MODEL, after(1))).url for _ in range(4)} == {idle}
        call.cancel()


async def test_a_model_that_dies_while_nobody_asks_it_is_found_out_and_comes_back() -> None:
    triton = Triton(refuses)
    async with listening(triton) as (url,), fleet_behind(Name(url)) as fleet:
        triton.lives = False
        await becomes(lambda: not fleet.serves(MODEL))
        triton.lives = True
        await becomes(lambda: fleet.serves(MODEL))


async def test_the_fleet_tells_what_has_not_answered_yet_and_what_answers_no_more() -> None:
    working, failing = Triton(refuses), Triton(refuses, lives=False)
    async with listening(failing, working) as (away, here), fleet_behind(Name(away)) as alone:
        assert (alone.unanswered, alone.impaired) == ([MODEL], 1)
        async with fleet_behind(Name(away, here)) as both:
            assert (both.unanswered, both.impaired) == ([], 1)
            failing.lives = True
            await becomes(lambda: both.impaired == 0)
            working.lives = failing.lives = False
            await becomes(lambda: both.impaired == 2)
            assert both.unanswered == []


async def find_dead(fleet: Fleet) -> TritonClient:
    """A call finds that the model's process has died; returns whose it was."""
    client = await fleet.client_for(MODEL, after(1))
    with pytest.raises(TritonFailure) as died:
        await client.infer(MODEL, probe_inputs(MODEL, 1.0), 10)
    fleet.exclude(client, MODEL, died.value)
    return client


async def test_a_model_whose_process_died_is_loaded_again() -> None:
    triton = Triton(dies(), lives=False)
    async with listening(triton) as (url,), fleet_behind(Name(url)) as fleet:
        await find_dead(fleet)
        assert not fleet.serves(MODEL)
        await becomes(lambda: fleet.serves(MODEL))

    assert triton.calls == [f"unload {MODEL}", f"load {MODEL}"]


async def test_of_a_process_whose_death_a_call_told_one_probe_is_asked_before_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Triton takes a second for each request to a dead process, and keeps every other one waiting meanwhile."""
    monkeypatch.setattr("gateway.triton.fleet.RELOAD_JITTER", 0.0)
    triton, probes, slow = Triton(dies(), lives=False), list[int](), TritonSettings(probe_seconds=3600)
    infer = TritonClient.infer

    async def counted(client: TritonClient, model: str, inputs: Any, timeout: float) -> dict[str, bytes]:
        probes.append(len(triton.calls))
        return await infer(client, model, inputs, timeout)

    async with listening(triton) as urls, watched(Fleet(urls, [MODEL], slow)) as fleet:
        await find_dead(fleet)
        monkeypatch.setattr(TritonClient, "infer", counted)
        await becomes(lambda: fleet.serves(MODEL))

    assert probes == [0, 2]  # one before the two calls that load it, one after


async def test_a_dead_process_that_keeps_its_probe_waiting_is_loaded_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.triton.fleet.DEAD_TIMEOUT", 0.1)

    async def silent(triton: Triton, context: Any) -> None:
        if triton.requests and not triton.calls:
            await waits(triton, context)

    triton = Triton(silent, lives=False)
    async with listening(triton) as (url,), fleet_behind(Name(url)) as fleet:
        client = await fleet.client_for(MODEL, after(1))
        triton.requests.append(None)
        fleet.exclude(client, MODEL, TritonFailure(*DEAD))
        await becomes(lambda: fleet.serves(MODEL))

    assert triton.calls == [f"unload {MODEL}", f"load {MODEL}"]


async def test_a_probe_that_waits_while_a_call_tells_of_the_death_does_not_put_the_loading_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.triton.fleet.DEAD_TIMEOUT", 0.1)

    async def silent(triton: Triton, context: Any) -> None:
        if not triton.lives and not triton.calls:
            await waits(triton, context)

    triton = Triton(silent)
    async with listening(triton) as (url,), fleet_behind(Name(url)) as fleet:
        client = await fleet.client_for(MODEL, after(1))
        triton.lives = False
        await becomes(lambda: client.in_flight == 1)  # the next probe
        fleet.exclude(client, MODEL, TritonFailure(*DEAD))
        async with asyncio.timeout(5):
            await becomes(lambda: fleet.serves(MODEL))


async def test_what_cannot_be_loaded_from_here_is_served_as_soon_as_others_have_loaded_it() -> None:
    class Foreign(Triton):
        async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "This protocol is restricted")

    triton = Foreign(dies(), lives=False)
    async with listening(triton) as (url,), fleet_behind(Name(url)) as fleet:
        client = await find_dead(fleet)
        await becomes(lambda: client.load_after[MODEL] > 0)
        triton.calls.append("loaded by somebody")
        async with asyncio.timeout(RELOAD_PAUSE / 2):
            await becomes(lambda: fleet.serves(MODEL))


async def test_a_model_that_nobody_loads_is_loaded_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.triton.fleet.ABSENT_SECONDS", 0.5)
    triton = Triton(unknown(), lives=False)
    async with listening(triton) as (url,), fleet_behind(Name(url)) as fleet:
        assert triton.calls == []  # the gateway that unloaded it may be about to load it
        await becomes(lambda: fleet.serves(MODEL))

    assert triton.calls == [f"unload {MODEL}", f"load {MODEL}"]


async def test_watching_goes_on_whatever_happens_to_a_look_or_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    triton, infer = Triton(), TritonClient.infer
    problems = iter([RuntimeError("can't start new thread"), ValueError("a fault")])
    of_probes = iter([RuntimeError("can't start new thread"), ValueError("a fault")])

    async def failing_once(client: TritonClient, model: str, inputs: Any, timeout: float) -> dict[str, bytes]:
        for problem in of_probes:
            raise problem
        return await infer(client, model, inputs, timeout)

    class Moody(Name):
        async def resolve(self, address: str) -> Sequence[str]:
            for problem in problems:
                raise problem
            return self.behind

    monkeypatch.setattr(TritonClient, "infer", failing_once)
    async with listening(triton) as (url,), fleet_behind(Moody(url)) as fleet:
        await becomes(lambda: fleet.serves(MODEL))


async def test_a_failed_call_is_followed_by_a_probe_at_once() -> None:
    slow = TritonSettings(probe_seconds=3600)
    async with listening(Triton()) as urls, watched(Fleet(urls, [MODEL], slow)) as fleet:
        client = await fleet.client_for(MODEL, after(1))
        fleet.exclude(client, MODEL, TritonFailure(grpc.StatusCode.UNAVAILABLE, "Server is stopping"))
        await becomes(lambda: fleet.serves(MODEL))


async def test_calls_of_a_triton_that_stays_silent_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.triton.fleet.PROBE_TIMEOUT", 0.2)
    triton = Triton()
    async with listening(triton) as (url,), fleet_behind(Name(url)) as fleet:
        client = await fleet.client_for(MODEL, after(1))
        triton.lives, triton.behaviour = False, waits
        with pytest.raises(TritonFailure):
            await client.infer(MODEL, probe_inputs(MODEL, 1.0), 60)


async def test_nobody_to_ask_is_a_timeout() -> None:
    async with watched(Fleet([], [MODEL], SETTINGS)) as fleet:
        with pytest.raises(TimeoutError):
            await fleet.client_for(MODEL, after(0.05))


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("localhost:8001", ("127.0.0.1:8001",)),
        ("10.1.2.3:8001", ("10.1.2.3:8001",)),
        ("[::1]:8001", ("[::1]:8001",)),
    ],
)
async def test_every_machine_behind_a_name_is_found(address: str, found: tuple[str, ...]) -> None:
    assert await resolve_host(address) == found
