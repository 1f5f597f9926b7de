"""Combinatorial test problems."""

from __future__ import annotations

import numpy as np

from evo.errors import ProblemError
from evo.problem import Evaluation, Problem
from evo.rng import Purpose, stream
from evo.spaces import Binary

from .multi_objective import at_least

MAX_ITEMS = 10_000
"""Beyond, finding the knapsack's optimum takes more than seconds."""


class OneMax(Problem):
    """The number of ones, maximised."""

    builtin_name = "onemax"
    maximize = True

    def __init__(self, bits: int = 100) -> None:
        self.space = Binary(bits)
        self.best_known = float(bits)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x.sum(axis=1))


class Knapsack(Problem):
    """The value of the items packed, maximised; the weight is limited to half of that of all items.

    Weights and values are whole numbers from 1 to 100, independent of each other ("uncorrelated" instances, Martello
    and Toth 1990, "Knapsack Problems", section 2.10). The optimum is found by dynamic programming.

    Parameters
    ----------
    items
        How many there are, 1 to 10 000.
    seed
        Of the items.
    """

    builtin_name = "knapsack"
    maximize = True

    def __init__(self, items: int = 100, seed: int = 1) -> None:
        if at_least("items", items, 1) > MAX_ITEMS:
            raise ProblemError(f"problem.items: expected at most {MAX_ITEMS}, found {items!r}")
        rng = stream(at_least("seed", seed, 0), 0, Purpose.SAMPLING)
        self.weights, self.values = rng.integers(1, 101, size=(2, items))
        self.capacity = int(self.weights.sum()) // 2
        self.space = Binary(items)
        self.best_known = float(self._optimum())

    def _optimum(self) -> int:
        """Bellman's recursion over the items: the best value for every weight."""
        best = np.zeros(self.capacity + 1, dtype=np.int64)
        for weight, value in zip(self.weights.tolist(), self.values.tolist(), strict=True):
            if weight <= self.capacity:
                best[weight:] = np.maximum(best[weight:], best[: len(best) - weight] + value)
        return int(best[-1])

    def evaluate(self, x: np.ndarray) -> Evaluation:
        return Evaluation(x @ self.values, x @ self.weights - self.capacity)
