from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech.viterbi import best_path


def test_a_path_changes_only_where_it_gains_more_than_it_costs() -> None:
    gain = np.array([[1, 0], [0.4, 0.6], [1, 0], [0, 1], [0, 1]], np.float32)

    assert best_path(gain, np.full(4, 0.5)).tolist() == [0, 0, 0, 1, 1]


def test_one_step_is_its_best_state() -> None:
    assert best_path(np.array([[0.1, 0.3]]), np.zeros(0)).tolist() == [1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3))
def test_no_other_path_gains_more(seed: int, steps: int, states: int) -> None:
    random = np.random.default_rng(seed)
    gain, costs = random.normal(size=(steps, states)), random.random(steps - 1)

    def value(path: tuple[int, ...]) -> float:
        return gain[np.arange(steps), path].sum() - costs[np.diff(path) != 0].sum()

    best = value(tuple(best_path(gain, costs).tolist()))
    assert best >= max(map(value, product(range(states), repeat=steps))) - 1e-9
