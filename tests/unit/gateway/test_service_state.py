from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from gateway.accounts.accounts import AccountStatus
from gateway.service_state import STATES, ServiceStatus, State, StateCollector

WORKS = ServiceStatus(
    draining=False,
    unserved=(),
    never_served=False,
    tritons_away=0,
    full=False,
    accounts=AccountStatus(lease_seconds=60, renewal_age=20, running=0, failures={}),
)


@pytest.mark.parametrize(
    ("state", "changes", "takes_requests"),
    [
        ("ready", {}, True),
        ("starting", {"never_served": True, "unserved": ["base"]}, False),
        ("busy", {"full": True}, True),
        ("degraded", {"unserved": ["base"]}, False),
        ("degraded", {"tritons_away": 1, "full": True}, True),
        ("degraded", {"accounts": replace(WORKS.accounts, renewal_age=61)}, True),
        ("draining", {"draining": True, "never_served": True, "unserved": ["base"]}, False),
    ],
)
def test_the_state_says_what_matters_most(state: State, changes: dict[str, object], takes_requests: bool) -> None:
    status = replace(WORKS, **changes)  # type: ignore[arg-type]

    assert status.state == state
    assert (status.problem == "") == takes_requests


def test_the_state_is_a_metric() -> None:
    registry = CollectorRegistry()
    registry.register(StateCollector(lambda: replace(WORKS, full=True)))

    read = {state: registry.get_sample_value("stt_state", {"state": state}) for state in STATES}

    assert [state for state, value in read.items() if value] == ["busy"]
    assert set(read.values()) == {0, 1}
