"""What Prometheus reads of a gateway's accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.accounts.accounts import AccountStatus


class AccountCollector(Collector):
    """Asks at every scrape: the age of a renewal grows while nothing happens."""

    def __init__(self, status: Callable[[], AccountStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        yield GaugeMetricFamily(
            "stt_lease_seconds", "For which a lease lasts unless it is renewed", value=status.lease_seconds
        )
        yield GaugeMetricFamily(
            "stt_lease_renewal_age_seconds",
            "Since the leases of this gateway's running work were renewed last",
            value=status.renewal_age,
        )
        yield GaugeMetricFamily("stt_leases", "Of this gateway's running work", value=status.running)
        yield GaugeMetricFamily(
            "stt_outstanding_charges",
            "Due for what clients have, to be made when the account store is back",
            value=status.outstanding,
        )
        failures = CounterMetricFamily(
            "stt_account_store_failures", "Transactions that the account store did not do, by kind", labels=["kind"]
        )
        for kind, count in dict(status.failures).items():
            failures.add_metric([kind], count)
        yield failures
