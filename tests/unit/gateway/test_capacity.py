import math
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.capacity import LEAST_BACKLOG, RETRY_SECONDS, CapacityCollector, CapacityLimits, MachineCapacity
from gateway.errors import Unavailable


def test_what_does_not_fit_is_refused_until_something_ends() -> None:
    capacity = MachineCapacity(CapacityLimits(recordings=2))
    with capacity.recording(0):
        with capacity.recording(0), pytest.raises(Unavailable, match="more recordings"), capacity.recording(0):
            pass
        with capacity.recording(0):
            assert capacity.used["recordings"] == 2

    assert capacity.used["recordings"] == 0
    assert capacity.refused["recordings"] == 1


def test_a_tier_with_a_share_leaves_the_rest_to_the_others() -> None:
    capacity = MachineCapacity(CapacityLimits(live_sessions=4))
    with capacity.live_session(0.5), capacity.live_session(0.5):
        with pytest.raises(Unavailable, match="more live sessions"), capacity.live_session(0.5):
            pass
        with capacity.live_session(), capacity.live_session():
            pass


def test_uploads_are_counted_as_long_as_they_were_declared() -> None:
    capacity = MachineCapacity(CapacityLimits(spool_bytes=1000))
    with capacity.recording(800), pytest.raises(Unavailable, match="room for the upload"), capacity.recording(300):
        pass

    assert (capacity.used["spool_bytes"], capacity.used["recordings"]) == (0, 0)


def test_a_file_of_unknown_length_takes_room_as_it_grows() -> None:
    capacity = MachineCapacity(CapacityLimits(spool_bytes=1000))
    with capacity.growing_spool() as reserve:
        reserve(300)
        reserve(200)
        reserve(800)
        assert capacity.used["spool_bytes"] == 800
        with pytest.raises(Unavailable, match="room for the upload"):
            reserve(1001)

    assert capacity.used["spool_bytes"] == 0


def test_a_part_of_the_disk_stays_free(tmp_path: Path) -> None:
    with pytest.raises(Unavailable), MachineCapacity(CapacityLimits(free_bytes=2**60), tmp_path).recording(1):
        pass
    with MachineCapacity(CapacityLimits(free_bytes=1), tmp_path).recording(1):
        pass
    with pytest.raises(Unavailable), MachineCapacity(CapacityLimits(free_bytes=1), tmp_path).recording(2**60):
        pass


def test_the_more_live_sessions_there_are_the_less_audio_of_each_may_wait() -> None:
    capacity = MachineCapacity(CapacityLimits(backlog_bytes=20 * 60 * 32_000))
    alone = capacity.backlog_seconds()
    with capacity.live_session(), capacity.live_session(), capacity.live_session(), capacity.live_session():
        shared = capacity.backlog_seconds()
    capacity.used["live_sessions"] = 100_000

    assert (alone, shared) == (1200, 300)
    assert capacity.backlog_seconds() == LEAST_BACKLOG
    assert math.isinf(MachineCapacity().backlog_seconds())


def test_every_bound_is_a_metric() -> None:
    capacity, registry = MachineCapacity(CapacityLimits(recordings=3)), CollectorRegistry()
    registry.register(CapacityCollector(capacity))
    with capacity.recording(700), pytest.raises(Unavailable), capacity.recording(0), capacity.recording(0, 0.1):
        pass
    with capacity.recording(700):
        read = {
            name: [registry.get_sample_value(name, {"resource": each}) for each in ("recordings", "spool_bytes")]
            for name in ("stt_capacity_used", "stt_capacity_limit", "stt_capacity_refused_total")
        }

    assert read["stt_capacity_used"] == [1, 700]
    assert read["stt_capacity_limit"] == [3, math.inf]
    assert read["stt_capacity_refused_total"] == [1, 0]


def test_clients_are_not_told_to_come_back_all_at_once() -> None:
    full, times = MachineCapacity(CapacityLimits(recordings=0)), set()
    for _ in range(200):
        with pytest.raises(Unavailable) as refused, full.recording(0):
            pass
        times.add(refused.value.retry_after)

    assert len(times) > 5
    assert all(RETRY_SECONDS[0] <= seconds <= RETRY_SECONDS[1] + 1 for seconds in times)
