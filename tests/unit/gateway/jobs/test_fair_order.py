"""The order of jobs: a queue is played through, one job at a time, and what is done when is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.jobs.fair_order import LARGEST_TAG, clock, tag


@dataclass
class PlayedQueue:
    """Jobs as the store knows them: caller, cost and tag."""

    waiting: list[tuple[int, str, int]] = field(default_factory=list)  # tag, caller, cost
    running: tuple[int, str, int] | None = None

    def add(self, caller: str, cost: int) -> None:
        jobs = [*self.waiting, *([self.running] if self.running else [])]
        begins = min((at - each for at, _, each in self.waiting), default=None)
        now = clock(self.running[0] - self.running[2] if self.running else None, begins)
        backlog = sum(each for _, name, each in jobs if name == caller and each <= cost)
        self.waiting.append((tag(now, backlog, cost), caller, cost))

    def next(self) -> tuple[str, int]:
        self.running = min(self.waiting)
        self.waiting.remove(self.running)
        return self.running[1], self.running[2]


def test_callers_are_served_in_turn_however_many_jobs_one_has() -> None:
    queue = PlayedQueue()
    for _ in range(100):
        queue.add("many", 60)
    queue.next()
    for _ in range(3):
        queue.add("few", 60)

    assert [queue.next()[0] for _ in range(6)].count("few") == 3


def test_a_short_job_passes_long_ones_its_own_caller_s_too() -> None:
    queue = PlayedQueue()
    queue.add("a", 10_800)
    queue.add("b", 7200)
    queue.add("a", 30)

    assert queue.next() == ("a", 30)


def test_a_long_job_is_not_passed_for_ever() -> None:
    queue = PlayedQueue()
    queue.add("long", 3600)
    served = []
    for _ in range(100):
        queue.add("short", 60)
        served.append(queue.next()[0])

    assert "long" in served


def test_the_clock_begins_anew_in_an_empty_queue() -> None:
    assert clock(None, None) == 0
    assert tag(clock(None, None), 0, 0) == 1


def test_a_tag_is_never_more_than_the_engine_takes() -> None:
    assert tag(LARGEST_TAG, LARGEST_TAG, 60) == LARGEST_TAG
