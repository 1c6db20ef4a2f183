"""The Viterbi path through states whose changes cost something: who speaks, piece by piece or word by word."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_path(gain: NDArray[np.floating[Any]], costs: NDArray[np.float64]) -> NDArray[np.int_]:
    """The state at each step with the largest sum of gains, less the costs of the changes.

    gain: (steps, states), at least one of each
    costs: (steps - 1,) or (steps - 1, states), of a change (to each state) before each step but the first
    returns: (steps,)
    source: Viterbi 1967
    """
    score = gain[0].astype(np.float64)
    back = np.zeros(gain.shape, np.int_)
    for step in range(1, len(gain)):
        best = int(score.argmax())
        moved = score[best] - costs[step - 1]
        stay = score >= moved
        back[step] = np.where(stay, np.arange(len(score)), best)
        score = np.where(stay, score, moved) + gain[step]
    path = np.zeros(len(gain), np.int_)
    path[-1] = score.argmax()
    for step in range(len(gain) - 1, 0, -1):
        path[step - 1] = back[step, path[step]]
    return path
