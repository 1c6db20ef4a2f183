"""Gateways that start together on an empty PostgreSQL make the engine's tables one after the other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from gateway.jobs.engine import START_LOCK, JobEngine, engine_url

TRYING = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND pid <> pg_backend_pid()"
TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'dbos'"


async def test_a_gateway_waits_for_another_one_that_makes_the_engines_tables(postgres: str) -> None:
    other = await asyncpg.connect(postgres)
    assert await other.fetchval(START_LOCK.text)
    engine = JobEngine(engine_url(postgres, Path("unused")), "gateway", {})
    starting = asyncio.create_task(engine.start({}))
    async with asyncio.timeout(60):
        while not await other.fetchval(TRYING, START_LOCK.text):
            await asyncio.sleep(0.02)
    assert await other.fetchval(TABLES) == 0

    await other.close()
    await starting
    await engine.close()

    after = await asyncpg.connect(postgres)
    assert await after.fetchval(TABLES) > 0
    await after.close()
