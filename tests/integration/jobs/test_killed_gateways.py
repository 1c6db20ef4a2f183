"""Gateways are killed (SIGKILL) in the middle of their jobs: each job is completed once and charged once."""

from __future__ import annotations

from pathlib import Path

from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import gateways, recording, show, submit, wait_for

CREDITS = 1000


async def test_another_gateway_goes_on_where_a_killed_one_was(postgres: str, tmp_path: Path) -> None:
    key = await _key(postgres)
    talk = recording(tmp_path / "talk.flac", 300)
    with gateways(tmp_path, postgres, [0.5, 0.5]) as (first, second):
        identity = submit(first, key, talk)
        wait_for(first, key, identity, progress=0.5)
        worker, other = (first, second) if first.windows else (second, first)
        worker.kill()
        job = wait_for(other, key, identity)
        rest = other.windows
        text = show(other, key, f"/v1/jobs/{identity}/transcript")["text"]
        again = submit(other, key, talk)
        wait_for(other, key, again)

        assert job["status"] == "completed"
        assert show(other, key, f"/v1/jobs/{again}/transcript")["text"] == text
        assert rest < other.windows - rest  # which is all of them
        assert show(other, key, "/v1/usage")["transcription"]["remaining"] == CREDITS - 10


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
