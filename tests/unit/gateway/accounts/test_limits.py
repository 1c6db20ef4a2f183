from datetime import UTC, datetime

from gateway.accounts.limits import no_slot, rate_limit, shortage
from gateway.accounts.tiers import Allowance

NOW = datetime(2026, 11, 30, 23, 59, 0, 500_000, tzinfo=UTC).timestamp()
CREDITS = Allowance(unit="credits")
MINUTES = Allowance(unit="minutes", amount=600, every="month")


def test_an_allowance_shows_limit_rest_and_whole_seconds_until_it_resets() -> None:
    limit = rate_limit(MINUTES, MINUTES.period(NOW), left=90, now=NOW)

    assert limit.headers() == {"RateLimit-Limit": "600", "RateLimit-Remaining": "1", "RateLimit-Reset": "60"}


def test_credits_show_what_remains() -> None:
    assert rate_limit(CREDITS, CREDITS.period(NOW), 7, NOW).headers() == {"X-Credits-Remaining": "7"}


def test_no_credits_is_402() -> None:
    error = shortage(rate_limit(CREDITS, CREDITS.period(NOW), 0, NOW), needed=1)

    assert (error.status, error.message) == (402, "No credits remaining. Upgrade your plan.")
    assert error.headers == {"X-Credits-Remaining": "0"}


def test_too_few_credits_say_how_many_are_needed() -> None:
    error = shortage(rate_limit(CREDITS, CREDITS.period(NOW), 3, NOW), needed=5)

    assert error.status == 402
    assert "5 credits" in error.message and "3 remaining" in error.message


def test_a_used_up_period_is_429_until_it_ends() -> None:
    error = shortage(rate_limit(MINUTES, MINUTES.period(NOW), 0, NOW), needed=60)

    assert error.status == 429
    assert error.headers["Retry-After"] == "60"
    assert error.headers["RateLimit-Remaining"] == "0"


def test_a_full_house_is_429_for_a_moment() -> None:
    error = no_slot(5)

    assert error.status == 429
    assert int(error.headers["Retry-After"]) > 0
    assert error.headers["RateLimit-Limit"] == "5"
