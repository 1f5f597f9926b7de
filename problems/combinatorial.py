"""Combinatorial test problems."""

from __future__ import annotations

import numpy as np

from evo.problem import Problem
from evo.spaces import Binary


class OneMax(Problem):
    """The number of ones, maximised."""

    builtin_name = "onemax"
    maximize = True

    def __init__(self, bits: int = 100) -> None:
        self.space = Binary(bits)
        self.best_known = float(bits)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x.sum(axis=1))
