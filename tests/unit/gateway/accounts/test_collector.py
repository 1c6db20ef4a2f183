from prometheus_client import CollectorRegistry

from gateway.accounts.accounts import AccountStatus
from gateway.accounts.collector import AccountCollector


def test_the_age_of_the_renewal_is_read_at_every_scrape() -> None:
    ages = iter([21.0, 41.0])
    registry = CollectorRegistry()
    registry.register(AccountCollector(lambda: AccountStatus(60.0, next(ages), 3, {})))

    read = [registry.get_sample_value("stt_lease_renewal_age_seconds") for _ in range(2)]

    assert read == [21.0, 41.0]


def test_what_runs_and_what_the_store_refused_are_counted() -> None:
    registry = CollectorRegistry()
    registry.register(AccountCollector(lambda: AccountStatus(60.0, 0.0, 3, {"read-only": 2}, 4)))

    assert registry.get_sample_value("stt_leases") == 3
    assert registry.get_sample_value("stt_outstanding_charges") == 4
    assert registry.get_sample_value("stt_lease_seconds") == 60
    assert registry.get_sample_value("stt_account_store_failures_total", {"kind": "read-only"}) == 2
