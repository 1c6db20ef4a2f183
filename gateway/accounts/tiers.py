"""Tiers, read from data: what a caller may do, in which unit it is counted, and until when."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

Unit = Literal["transcriptions", "minutes", "credits", "summaries"]
ANONYMOUS = "anonymous"
SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """Where the spending of one period is counted, and when the period ends."""

    bucket: str  # "seconds/2026-11", "transcriptions/2026-11-22", "credits"
    resets_at: float | None  # seconds since 1970; None: never


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Allowance(_Row):
    """So much of a unit in each period. Counted in whole minor units: seconds for minutes, else the unit."""

    unit: Unit
    amount: int = Field(default=0, ge=0)
    every: Literal["day", "month"] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Allowance:
        if (self.unit == "credits") != (self.every is None):
            raise ValueError('credits are bought and have no `every`; other units need "day" or "month"')
        return self

    @property
    def by_duration(self) -> bool:
        """Whether a longer recording costs more."""
        return self.unit in ("minutes", "credits")

    @property
    def minor_units(self) -> int:
        return self.amount * (SECONDS_A_MINUTE if self.unit == "minutes" else 1)

    def cost(self, seconds: float) -> int:
        """Minor units for so many seconds of audio, rounded up from the nearest thousandth of a second."""
        milliseconds = round(seconds * 1000)
        if self.unit == "credits":
            return math.ceil(milliseconds / 60_000)
        if self.unit == "minutes":
            return math.ceil(milliseconds / 1000)
        return 1 if milliseconds > 0 or self.unit == "summaries" else 0

    def seconds(self, minor_units: int) -> float:
        """The longest recording that so many minor units pay for."""
        if not self.by_duration:
            return math.inf if minor_units > 0 else 0.0
        return float(minor_units * (SECONDS_A_MINUTE if self.unit == "credits" else 1))

    def shown(self, minor_units: int) -> int:
        """Minor units in the unit that callers read, rounded down."""
        return minor_units // SECONDS_A_MINUTE if self.unit == "minutes" else minor_units

    def period(self, now: float) -> BillingPeriod:
        """The period that `now` (seconds since 1970) falls in; days and months end at midnight UTC."""
        name = "seconds" if self.unit == "minutes" else self.unit
        if self.every is None:
            return BillingPeriod(name, None)
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.every == "day":
            return BillingPeriod(f"{name}/{today:%Y-%m-%d}", (today + timedelta(days=1)).timestamp())
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
        return BillingPeriod(f"{name}/{first:%Y-%m}", following.timestamp())


class Tier(_Row):
    name: str
    transcription: Allowance
    summaries: Allowance
    largest_file_mb: int = Field(gt=0)
    at_once: int = Field(gt=0)  # files and live sessions together, over all gateways
    summaries_at_once: int = Field(gt=0)
    longest_session_minutes: int | None = Field(default=None, gt=0)
    longest_recording_minutes: int | None = Field(default=None, gt=0)
    share: float = Field(default=1.0, gt=0, le=1)  # of what a machine takes at once, up to which this tier may fill it
    requests_a_second: float | None = Field(default=None, gt=0)  # on average, whatever becomes of them

    @property
    def largest_file(self) -> int:
        """bytes"""
        return self.largest_file_mb * 1024**2

    @property
    def longest_session(self) -> float:
        """seconds of audio, and by the clock"""
        return _seconds(self.longest_session_minutes)

    @property
    def longest_recording(self) -> float:
        """seconds of audio"""
        return _seconds(self.longest_recording_minutes)

    def longest_period(self, now: float) -> str:
        """The date of the longest period in which a caller of this tier is counted: 2026-11-22 or 2026-11."""
        buckets = (allowance.period(now).bucket for allowance in (self.transcription, self.summaries))
        return min((bucket.partition("/")[2] for bucket in buckets), key=len)


def _seconds(minutes: int | None) -> float:
    return math.inf if minutes is None else minutes * SECONDS_A_MINUTE


def load_tiers(path: Path | None = None) -> Mapping[str, Tier]:
    """raises: ValueError, saying what is wrong in the file"""
    source = path or Path(__file__).with_name("tiers.toml")
    try:
        rows = tomllib.loads(source.read_text(encoding="utf-8"))
        named = {name: {"name": name, **row} for name, row in rows.items()}
        tiers = TypeAdapter(dict[str, Tier]).validate_python(named)
    except (OSError, tomllib.TOMLDecodeError, TypeError, ValidationError) as error:
        raise ValueError(f"The tiers in {source} cannot be used: {error}") from error
    if ANONYMOUS not in tiers:
        raise ValueError(f"The tiers in {source} need one named {ANONYMOUS!r}.")
    return tiers
