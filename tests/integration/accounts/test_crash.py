"""A gateway is killed (SIGKILL) in every state that a request can be in; the next start puts it right."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import TooManyRequests
from tests.integration.accounts.account_stores import AccountStore, identify

CREDITS = 10
GATEWAY = Path(__file__).with_name("dying_gateway.py")


@pytest.mark.parametrize(
    ("state", "left"),
    [
        ("taking a slot", 10),
        ("admitted", 10),
        ("raising the hold", 10),
        ("held", 10),
        ("settling", 10),
        ("settled", 7),
        ("giving back", 10),
        ("live", 8),  # two minutes were heard, the third was only held
    ],
)
async def test_a_kill_loses_and_leaks_nothing(store: AccountStore, state: str, left: int) -> None:
    key = await store.key(credits=CREDITS)

    await _kill_while(store, key, state)
    async with store.gateway(at_once=1) as accounts:
        assert await store.balance() == left
        assert await store.leases() == []
        async with accounts.admit(await identify(accounts, key)) as admission:
            await admission.settle(60.0)

    assert await store.balance() == left - 1


async def test_other_gateways_give_back_what_a_dead_one_held_when_its_lease_ends(store: AccountStore) -> None:
    key = await store.key(credits=CREDITS)
    async with store.gateway(at_once=1) as accounts:
        caller = await identify(accounts, key)
        await _kill_while(store, key, "held")
        with pytest.raises(TooManyRequests):
            async with accounts.admit(caller):
                pass
        store.clock.now += 61
        async with accounts.admit(caller):
            pass

    assert await store.balance() == CREDITS


async def test_a_repeated_request_is_worked_on_anew_after_a_kill(store: AccountStore) -> None:
    key = await store.key(credits=CREDITS)
    await _kill_while(store, key, "held")

    async with store.gateway() as one, one.admit(await identify(one, key), idempotency_key="once") as admission:
        assert admission.recall("the file") is None


async def test_a_repeated_request_is_answered_after_a_kill_behind_the_settle(store: AccountStore) -> None:
    key = await store.key(credits=CREDITS)
    await _kill_while(store, key, "settled")

    async with store.gateway() as one, one.admit(await identify(one, key), idempotency_key="once") as admission:
        answer = admission.recall("the file")

    assert answer is not None
    assert answer.body == b"hello"
    assert await store.balance() == 7


async def _kill_while(store: AccountStore, key: str, state: str) -> None:
    command = [sys.executable, str(GATEWAY), store.url, key, state, str(store.clock.now)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 60)
        assert line == f"{state}\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
