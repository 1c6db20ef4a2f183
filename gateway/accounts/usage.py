"""A caller's own figures: what GET /v1/usage answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from gateway.accounts import leases, ledger
from gateway.accounts.callers import Caller
from gateway.accounts.database import Database
from gateway.accounts.tiers import Allowance
from gateway.api.usage import SummaryUsage, UsagePeriod, UsageReport


@dataclass(frozen=True, slots=True)
class Meter:
    """One allowance: minor units spent and left in its period."""

    allowance: Allowance
    left: int  # minor units
    held: int  # minor units, for work that runs now
    requests: int  # settled
    milliseconds: int  # of audio that they paid for
    resets_at: float | None  # seconds since 1970
    running: int
    at_once: int

    def as_json(self) -> SummaryUsage:
        period: UsagePeriod = {}
        if self.resets_at is not None:
            resets_at = datetime.fromtimestamp(self.resets_at, UTC).isoformat()
            period = {"limit": self.allowance.amount, "resets_at": resets_at}
        return {
            "unit": self.allowance.unit,
            "remaining": self.allowance.shown(self.left),
            **period,
            "held": self.allowance.shown(self.held),
            "requests": self.requests,
            "running": self.running,
            "at_once": self.at_once,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    caller: Caller
    transcription: Meter
    summaries: Meter

    def as_json(self) -> UsageReport:
        seconds = self.transcription.milliseconds / 1000
        return {
            "tier": self.caller.tier.name,
            "name": self.caller.name,
            "largest_file_bytes": self.caller.tier.largest_file,
            "transcription": {**self.transcription.as_json(), "audio_seconds": seconds},
            "summaries": self.summaries.as_json(),
        }


async def read_usage(database: Database, caller: Caller, now: float) -> Usage:
    tier = caller.tier

    def work(connection: Connection) -> Usage:
        meter = partial(_meter, connection, caller.subject, now)
        return Usage(
            caller,
            meter(_Counted("transcription", tier.transcription, tier.at_once)),
            meter(_Counted("summary", tier.summaries, tier.summaries_at_once)),
        )

    return await database.read(work)


@dataclass(frozen=True, slots=True)
class _Counted:
    kind: leases.Kind
    allowance: Allowance
    at_once: int


def _meter(connection: Connection, subject: str, now: float, counted: _Counted) -> Meter:
    period = counted.allowance.period(now)
    end = ledger.position(connection, subject, period.bucket)
    alive = [lease for lease in leases.of_subject(connection, subject) if lease.expires_at > now * 1000]
    running = [lease for lease in alive if lease.kind == counted.kind]
    held = sum(lease.held for lease in alive if lease.bucket == period.bucket)
    return Meter(
        allowance=counted.allowance,
        left=counted.allowance.minor_units + end.balance - held,
        held=held,
        requests=end.requests,
        milliseconds=end.audio,
        resets_at=period.resets_at,
        running=len(running),
        at_once=counted.at_once,
    )
