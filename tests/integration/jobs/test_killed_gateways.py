"""A gateway is killed (SIGKILL) in the middle of its jobs: each is completed once and charged once.

Where another gateway goes on is tested with an object store (test_object_store.py).
"""

from __future__ import annotations

from pathlib import Path

from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import gateways, recording, show, submit, wait_for

CREDITS = 1000


async def test_a_restart_after_a_kill_ends_what_was_begun(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'accounts.db'}"
    key = await _key(database)
    talk = recording(tmp_path / "talk.flac", 120)
    with gateways(tmp_path, "", [0.5]) as (gateway,):
        identities = [submit(gateway, key, talk) for _ in range(3)]
        wait_for(gateway, key, identities[0], progress=0.3)
        gateway.kill()
        gateway.start()
        jobs = [wait_for(gateway, key, identity) for identity in identities]

        assert [job["status"] for job in jobs] == ["completed"] * 3
        usage = show(gateway, key, "/v1/usage")["transcription"]
        assert (usage["remaining"], usage["requests"]) == (CREDITS - 6, 3)


async def _key(database: str) -> str:
    store = AccountStore(database)
    await store.migrate()
    return await store.key(credits=CREDITS)
