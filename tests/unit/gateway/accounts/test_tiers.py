from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.accounts.tiers import Allowance, load_tiers

CREDITS = Allowance(unit="credits")
MINUTES = Allowance(unit="minutes", amount=600, every="month")
VISITS = Allowance(unit="transcriptions", amount=3, every="day")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_packaged_tiers_are_those_of_the_contract_and_one_for_teams() -> None:
    tiers = load_tiers()

    assert {name: (tier.transcription.amount, tier.largest_file_mb, tier.at_once) for name, tier in tiers.items()} == {
        "anonymous": (3, 100, 1),
        "free": (600, 500, 2),
        "paid": (0, 2048, 5),
        "unlimited": (1_000_000_000, 2048, 100),
    }


@pytest.mark.parametrize(
    ("seconds", "credits"), [(0, 0), (0.001, 1), (1, 1), (60, 1), (60.0004, 1), (60.001, 2), (61, 2), (3600, 60)]
)
def test_a_credit_is_a_minute_rounded_up(seconds: float, credits: int) -> None:
    assert CREDITS.cost(seconds) == credits


def test_free_minutes_are_counted_in_seconds_and_shown_in_minutes() -> None:
    assert MINUTES.minor_units == 36_000
    assert MINUTES.cost(59.2) == 60
    assert MINUTES.shown(36_000 - 61) == 598


def test_an_anonymous_transcription_is_one_however_long() -> None:
    assert [VISITS.cost(seconds) for seconds in (0, 0.5, 90_000)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("now", "bucket", "resets_at"),
    [
        ("2026-11-22T00:00:00", "transcriptions/2026-11-22", "2026-11-23T00:00:00"),
        ("2026-11-22T23:59:59.999", "transcriptions/2026-11-22", "2026-11-23T00:00:00"),
        ("2026-12-31T23:59:59", "transcriptions/2026-12-31", "2027-01-01T00:00:00"),
        ("2028-02-28T12:00:00", "transcriptions/2028-02-28", "2028-02-29T00:00:00"),
    ],
)
def test_a_day_ends_at_midnight_utc(now: str, bucket: str, resets_at: str) -> None:
    period = VISITS.period(at(now))

    assert (period.bucket, period.resets_at) == (bucket, at(resets_at))


@pytest.mark.parametrize(
    ("now", "bucket", "resets_at"),
    [
        ("2026-11-30T23:59:59.999", "seconds/2026-11", "2026-12-01T00:00:00"),
        ("2026-12-01T00:00:00", "seconds/2026-12", "2027-01-01T00:00:00"),
        ("2027-01-31T23:59:59", "seconds/2027-01", "2027-02-01T00:00:00"),
        ("2028-02-29T08:00:00", "seconds/2028-02", "2028-03-01T00:00:00"),
    ],
)
def test_a_month_ends_at_midnight_utc(now: str, bucket: str, resets_at: str) -> None:
    period = MINUTES.period(at(now))

    assert (period.bucket, period.resets_at) == (bucket, at(resets_at))


def test_credits_never_run_out_by_themselves() -> None:
    assert CREDITS.period(at("2026-11-30T23:59:59")) == CREDITS.period(at("2031-01-01T00:00:00"))


TEAM = """
[anonymous]
transcription = { unit = "transcriptions", amount = 1, every = "day" }
summaries = { unit = "summaries", amount = 1, every = "day" }
largest_file_mb = 1
at_once = 1
summaries_at_once = 1

[team]
transcription = { unit = "minutes", amount = 90, every = "day" }
summaries = { unit = "summaries", amount = 5, every = "month" }
largest_file_mb = 10
at_once = 50
summaries_at_once = 2
"""


def test_a_tier_is_added_by_data_alone(tmp_path: Path) -> None:
    path = tmp_path / "tiers.toml"
    path.write_text(TEAM)

    tier = load_tiers(path)["team"]

    assert (tier.transcription.minor_units, tier.at_once, tier.largest_file) == (5400, 50, 10 * 1024**2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (TEAM.replace("[anonymous]", "[guest]"), "anonymous"),
        (TEAM.replace("amount = 90", "amount = -1"), "amount"),
        (TEAM.replace('"minutes", amount = 90', '"credits", amount = 90'), "credits are bought"),
        (TEAM.replace("at_once = 50", "at_onec = 50"), "at_onec"),
        ("[anonymous", "cannot be used"),
        ("anonymous = 3", "cannot be used"),
    ],
)
def test_a_wrong_tiers_file_says_what_is_wrong(tmp_path: Path, wrong: str, said: str) -> None:
    path = tmp_path / "tiers.toml"
    path.write_text(wrong)

    with pytest.raises(ValueError, match=said):
        load_tiers(path)
