"""What a gateway says of itself in a word: starting, ready, busy, degraded or draining."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.accounts.accounts import AccountStatus

State = Literal["starting", "ready", "busy", "degraded", "draining"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A look at the parts that a gateway depends on."""

    draining: bool
    unserved: Sequence[str]  # deployed models that no Triton answers for now
    never_served: bool  # one of them has not been answered for since the start
    tritons_away: int  # servers that do not answer for every model
    full: bool  # a bound of the machine is reached
    accounts: AccountStatus

    @property
    def leases_lapse(self) -> bool:
        """The account store has not taken a renewal for so long that running work is no longer held."""
        return self.accounts.renewal_age > self.accounts.lease_seconds

    @property
    def state(self) -> State:
        if self.draining:
            return "draining"
        if self.never_served:
            return "starting"
        if self.unserved or self.tritons_away or self.leases_lapse:
            return "degraded"
        return "busy" if self.full else "ready"

    @property
    def problem(self) -> str:
        """Why no request should be sent here, for people; "" where some may."""
        if self.draining:
            return "The service is stopping; another one takes new requests."
        if self.unserved:
            return f"Triton does not serve {', '.join(self.unserved)} at the moment."
        return ""


class StateCollector(Collector):
    """For Prometheus: 1 for the state that holds, 0 for the others."""

    def __init__(self, status: Callable[[], ServiceStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        now = self._status().state
        states = GaugeMetricFamily("stt_state", "1 for the state of this gateway", labels=["state"])
        for state in STATES:
            states.add_metric([state], float(state == now))
        yield states
