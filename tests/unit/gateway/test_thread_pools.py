import threading

import pytest
from prometheus_client import CollectorRegistry

from gateway.thread_pools import ThreadPool, ThreadPoolCollector


def test_working_threads_and_waiting_calls_are_metrics() -> None:
    registry, release, began = CollectorRegistry(), threading.Event(), threading.Event()

    def work() -> str:
        began.set()
        release.wait()
        return "done"

    with ThreadPool("decode", 1) as pool:
        registry.register(ThreadPoolCollector([pool]))
        futures = [pool.submit(work) for _ in range(3)]
        began.wait()
        during = [registry.get_sample_value(name, {"pool": "decode"}) for name in NAMES]
        futures[2].cancel()
        after_one_left = registry.get_sample_value("stt_threads_waited_for", {"pool": "decode"})
        release.set()
        results = [future.result() for future in futures[:2]]

    assert during == [1, 1, 2]
    assert after_one_left == 1
    assert results == ["done", "done"]
    assert [registry.get_sample_value(name, {"pool": "decode"}) for name in NAMES] == [1, 0, 0]


NAMES = ("stt_threads", "stt_threads_busy", "stt_threads_waited_for")


def test_work_that_fails_or_cannot_begin_is_not_counted_for_ever() -> None:
    pool = ThreadPool("write", 1)
    failing = pool.submit(int, "no number")
    assert isinstance(failing.exception(), ValueError)
    pool.shutdown()

    with pytest.raises(RuntimeError):
        pool.submit(int)

    assert (pool.busy, pool.waiting) == (0, 0)
