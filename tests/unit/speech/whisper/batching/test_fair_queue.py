from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speech.whisper.batching.fair_queue import FairQueue


def drain(queue: FairQueue[str]) -> list[str]:
    return [queue.pop() for _ in range(len(queue))]


def test_callers_take_turns_by_work() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(4):
        queue.push(f"long {n}", 30.0, ("a", "film"))
    for n in range(6):
        queue.push(f"short {n}", 10.0, ("b", "clip"))
    order = drain(queue)
    # After 30 s of the one come 30 s of the other.
    assert order[:4] == ["long 0", "short 0", "short 1", "short 2"]


def test_who_comes_late_does_not_wait_for_those_before() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(100):
        queue.push("long", 30.0, ("a", "film"))
    for _ in range(50):
        queue.pop()
    queue.push("short", 5.0, ("b", "clip"))
    assert "short" in [queue.pop(), queue.pop()]


def test_a_caller_saves_no_credit_while_away() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("b", 1.0, ("b", ""))
    queue.pop()
    for _ in range(20):
        queue.push("a", 10.0, ("a", ""))
    for _ in range(10):
        queue.pop()
    for _ in range(20):
        queue.push("b", 10.0, ("b", ""))
    first = [queue.pop() for _ in range(10)]
    assert first.count("a") >= 4


def test_recordings_of_one_caller_share_its_part() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(10):
        queue.push("film", 30.0, ("a", "film"))
        queue.push("other", 30.0, ("b", "other"))
    queue.push("clip", 30.0, ("a", "clip"))
    assert "clip" in [queue.pop() for _ in range(5)]


def test_what_is_not_wanted_any_more_is_dropped() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a", "b", "c", "d"):
        queue.push(item, 1.0, (item, ""))
    queue.keep(lambda item: item in "bd")
    assert (len(queue), sorted(queue)) == (2, ["b", "d"])
    assert sorted(drain(queue)) == ["b", "d"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.floats(0.1, 30.0))))
def test_everything_comes_out_once_and_in_order_within_a_recording(pushes: list[tuple[str, str, float]]) -> None:
    queue: FairQueue[tuple[int, str, str]] = FairQueue()
    for number, (caller, recording, work) in enumerate(pushes):
        queue.push((number, caller, recording), work, (caller, recording))
    out = [queue.pop() for _ in range(len(queue))]
    assert sorted(number for number, _, _ in out) == list(range(len(pushes)))
    for flow in {(caller, recording) for _, caller, recording in out}:
        numbers = [number for number, *path in out if tuple(path) == flow]
        assert numbers == sorted(numbers)


@given(st.lists(st.tuples(st.floats(0.1, 30), st.sampled_from("abc"), st.sampled_from("xy"), st.booleans())))
def test_the_work_of_a_queue_is_that_of_its_items(pushed: list[tuple[float, str, str, bool]]) -> None:
    queue: FairQueue[float] = FairQueue()
    for work, caller, recording, pop in pushed:
        queue.push(work, work, (caller, recording))
        if pop:
            queue.pop()
        assert abs(queue.work - sum(queue)) < 1e-6
    queue.keep(lambda work: work < 15)
    assert abs(queue.work - sum(queue)) < 1e-6
