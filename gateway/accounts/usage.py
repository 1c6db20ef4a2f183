"""A caller's own figures: what GET /v1/usage answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.accounts import leases, ledger
from gateway.accounts.callers import Caller
from gateway.accounts.database import Database
from gateway.accounts.tiers import Allowance


@dataclass(frozen=True, slots=True)
class Meter:
    """One allowance: grains spent and left in its period."""

    allowance: Allowance
    left: int  # grains
    held: int  # grains, for work that runs now
    requests: int  # settled
    milliseconds: int  # of audio that they paid for
    resets_at: float | None  # seconds since 1970
    running: int
    at_once: int

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"unit": self.allowance.unit, "remaining": self.allowance.shown(self.left)}
        if self.resets_at is not None:
            shown["limit"] = self.allowance.amount
            shown["resets_at"] = datetime.fromtimestamp(self.resets_at, UTC).isoformat()
        return shown | {
            "held": self.allowance.shown(self.held),
            "requests": self.requests,
            "audio_seconds": self.milliseconds / 1000,
            "running": self.running,
            "at_once": self.at_once,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    caller: Caller
    transcription: Meter
    summaries: Meter

    def as_json(self) -> dict[str, Any]:
        summaries = self.summaries.as_json()
        del summaries["audio_seconds"]
        return {
            "tier": self.caller.tier.name,
            "name": self.caller.name,
            "largest_file_bytes": self.caller.tier.largest_file,
            "transcription": self.transcription.as_json(),
            "summaries": summaries,
        }


async def read_usage(database: Database, caller: Caller, now: float) -> Usage:
    tier = caller.tier
    transcription = await _meter(database, caller, ("transcription", tier.transcription, tier.at_once), now)
    summaries = await _meter(database, caller, ("summary", tier.summaries, tier.summaries_at_once), now)
    return Usage(caller, transcription, summaries)


async def _meter(
    database: Database, caller: Caller, of: tuple[leases.Kind, Allowance, int], now: float
) -> Meter:
    kind, allowance, at_once = of
    window = allowance.window(now)
    async with database.read() as connection:
        end = await ledger.position(connection, caller.subject, window.bucket)
        spent = await ledger.spending(connection, caller.subject, window.bucket)
        running = [
            lease
            for lease in await leases.of_subject(connection, caller.subject)
            if lease.kind == kind and lease.expires_at > now * 1000
        ]
    return Meter(
        allowance,
        allowance.grains + end.balance,
        sum(lease.held for lease in running if lease.bucket == window.bucket),
        spent.requests,
        spent.milliseconds,
        window.resets_at,
        len(running),
        at_once,
    )
