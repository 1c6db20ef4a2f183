import random

from benchmarks.chaos.history import Payer
from benchmarks.chaos.sounds import Speaker
from benchmarks.soak import BATCH, growth, operations


def test_growth_is_what_most_pairs_of_samples_show() -> None:
    steady = [(float(second), 100 + second / 3600) for second in range(0, 600, 10)]
    steady[7] = (70.0, 900.0)  # one look at a bad moment

    found = growth(steady)

    assert abs(found.slope - 1) < 0.01
    assert found.low <= found.slope <= found.high


def test_work_has_no_end_and_no_sound_comes_twice() -> None:
    waiting = operations(1, [Payer("rich-0", "key"), Payer("live-0", "other")], Speaker(random.Random(1)))

    planned = [next(waiting) for _ in range(BATCH + 50)]

    lengths = [each.sound.milliseconds for each in planned if each.sound is not None]
    assert [each.number for each in planned] == list(range(BATCH + 50))
    assert len(set(lengths)) == len(lengths)
