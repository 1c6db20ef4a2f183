import pytest

from gateway.accounts.request_rate import RequestRates
from gateway.errors import TooManyRequests


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_in_and_then_a_steady_rate() -> None:
    clock = Clock()
    rates = RequestRates(clock)
    for _ in range(100):
        rates.take("somebody", 5)

    with pytest.raises(TooManyRequests, match="5 requests a second") as refused:
        rates.take("somebody", 5)
    clock.now += 0.2
    rates.take("somebody", 5)
    with pytest.raises(TooManyRequests):
        rates.take("somebody", 5)

    assert refused.value.retry_after == 1


def test_callers_do_not_pay_for_each_other() -> None:
    rates = RequestRates(Clock())
    with pytest.raises(TooManyRequests):
        for _ in range(10_000):
            rates.take("flood", 5)

    rates.take("somebody", 5)


def test_a_tier_without_a_rate_is_not_counted() -> None:
    rates = RequestRates(Clock())
    for _ in range(10_000):
        rates.take("somebody", None)


def test_a_flood_of_callers_does_not_fill_the_memory() -> None:
    """Whoever asks again and again is not forgotten for them."""
    rates = RequestRates(Clock(), most_callers=3)
    with pytest.raises(TooManyRequests):
        for number in range(1000):
            rates.take("steady", 1)
            rates.take(str(number), 1)
