from collections.abc import Callable

from gateway.progress import ProgressRegistry, ProgressTracker


def test_each_stage_tells_its_own_share() -> None:
    progress = ProgressTracker()
    told = [(progress.stage, progress.done)]

    steps: list[Callable[[], None]] = [
        lambda: progress.received(300.0, 400.0),
        lambda: progress.received(500.0, 0.0),
        lambda: progress.decoded(0.0, 0.0),
        lambda: progress.decoded(30.0, 60.0),
        lambda: progress.decoded(61.0, 60.0),
        lambda: progress.recognized(15.0, 60.0),
        lambda: progress.diarized(1.0, 2.0),
        progress.diarizing,
        lambda: progress.diarized(2.0, 2.0),
    ]
    for step in steps:
        step()
        told.append((progress.stage, progress.done))

    assert told == [
        ("receiving", 0.0),
        ("receiving", 0.75),
        ("receiving", 0.0),
        ("decoding", 0.0),
        ("decoding", 0.5),
        ("decoding", 1.0),
        ("recognizing", 0.25),
        ("recognizing", 0.25),
        ("diarizing", 0.5),
        ("diarizing", 1.0),
    ]


def test_a_request_is_known_while_it_is_in_flight() -> None:
    registry = ProgressRegistry()

    with registry.follow("order-1") as progress:
        assert registry.find("order-1") is progress

    assert registry.find("order-1") is None


def test_a_second_request_under_the_same_id_does_not_take_the_first_ones_place() -> None:
    registry = ProgressRegistry()

    with registry.follow("order-1") as first:
        with registry.follow("order-1") as second:
            assert second is not first
            assert registry.find("order-1") is first
        assert registry.find("order-1") is first

    assert registry.find("order-1") is None
