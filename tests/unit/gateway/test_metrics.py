import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import Metrics, expose


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_metrics_are_read_at_a_port_of_their_own(metrics: Metrics) -> None:
    metrics.count_audio("live", 2.5)

    with expose(metrics, "127.0.0.1", 0) as address:
        assert address is not None
        text = httpx.get(address).text

    assert 'stt_audio_seconds_total{kind="live"} 2.5' in text
    assert {family.name for family in text_string_to_metric_families(text)} >= {"stt_requests", "stt_audio_seconds"}


def test_without_a_port_nothing_listens(metrics: Metrics) -> None:
    with expose(metrics, "127.0.0.1", None) as address:
        assert address is None


def test_every_metric_says_what_it_is(metrics: Metrics) -> None:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())

    assert all(family.documentation for family in families)
