"""ZDT1 to ZDT6: two objectives, minimised.

Source: Zitzler, Deb, Thiele (2000), "Comparison of multiobjective evolutionary algorithms: empirical results", DOI
10.1162/106365600568202.
"""

from __future__ import annotations

import numpy as np

from evo.spaces import Binary, Real

from .multi_objective import MultiObjective, at_least, records


class _ZDT(MultiObjective):
    """f1 depends on the first variable alone, f2 = g h(f1, g), and g = 1 on the Pareto front."""

    directions = ("min", "min")
    reference = (1.1, 1.1)


class _Unit(_ZDT):
    """Variables in [0, 1]; g = 1 + 9 times the mean of all but the first; f1 = x1."""

    def __init__(self, dimensions: int = 30) -> None:
        self.space = Real(0.0, 1.0, shape=at_least("dimensions", dimensions, 2))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        first = x[:, 0]
        g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
        return np.column_stack((first, g * self._shape(first, g)))

    def _shape(self, first: np.ndarray, g: np.ndarray | float) -> np.ndarray:
        """h(f1, g)."""
        raise NotImplementedError

    def front(self, points: int = 200) -> np.ndarray:
        first = np.linspace(0.0, 1.0, points)
        return np.column_stack((first, self._shape(first, 1.0)))


class ZDT1(_Unit):
    """A convex front, f2 = 1 - sqrt(f1)."""

    builtin_name = "zdt1"

    def _shape(self, first: np.ndarray, g: np.ndarray | float) -> np.ndarray:
        return np.asarray(1.0 - np.sqrt(first / g))


class ZDT2(_Unit):
    """A concave front, f2 = 1 - f1^2."""

    builtin_name = "zdt2"

    def _shape(self, first: np.ndarray, g: np.ndarray | float) -> np.ndarray:
        return np.asarray(1.0 - (first / g) ** 2)


class ZDT3(_Unit):
    """A front in five parts, on f2 = 1 - sqrt(f1) - f1 sin(10 pi f1)."""

    builtin_name = "zdt3"

    def _shape(self, first: np.ndarray, g: np.ndarray | float) -> np.ndarray:
        return np.asarray(1.0 - np.sqrt(first / g) - first / g * np.sin(10.0 * np.pi * first))

    def front(self, points: int = 200) -> np.ndarray:
        curve = super().front(100_001)
        return np.asarray(curve[records(-curve[:, 1], points)])


class ZDT4(_ZDT):
    """21^9 local fronts, by Rastrigin's function; the front of ZDT1."""

    builtin_name = "zdt4"

    def __init__(self, dimensions: int = 10) -> None:
        rest = at_least("dimensions", dimensions, 2) - 1
        self.space = Real([0.0] + [-5.0] * rest, [1.0] + [5.0] * rest)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        first, rest = x[:, 0], x[:, 1:]
        g = 1.0 + (rest**2 - 10.0 * np.cos(4.0 * np.pi * rest) + 10.0).sum(axis=1)
        return np.column_stack((first, g * (1.0 - np.sqrt(first / g))))

    def front(self, points: int = 200) -> np.ndarray:
        first = np.linspace(0.0, 1.0, points)
        return np.column_stack((first, 1.0 - np.sqrt(first)))


class ZDT5(_ZDT):
    """Bits, deceptive: one word of 30, the others of 5; a front of 31 points, f2 = (words - 1) / f1."""

    builtin_name = "zdt5"

    def __init__(self, words: int = 11) -> None:
        self.words = at_least("words", words, 2)
        self.space = Binary(30 + 5 * (words - 1))
        self.reference = (34.1, 1.1 * (words - 1))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        first = 1.0 + x[:, :30].sum(axis=1)
        ones = x[:, 30:].reshape(len(x), -1, 5).sum(axis=2)
        g = np.where(ones < 5, 2.0 + ones, 1.0).sum(axis=1)
        return np.column_stack((first, g / first))

    def front(self, points: int = 31) -> np.ndarray:
        """All 31 points, however many are asked for."""
        first = np.arange(1.0, 32.0)
        return np.column_stack((first, (self.words - 1) / first))


class ZDT6(_ZDT):
    """A concave front, f2 = 1 - f1^2 from f1 = 0.2808 on, whose points are ever rarer towards f1 = 1 and g = 1."""

    builtin_name = "zdt6"

    def __init__(self, dimensions: int = 10) -> None:
        self.space = Real(0.0, 1.0, shape=at_least("dimensions", dimensions, 2))

    @staticmethod
    def _first(x: np.ndarray) -> np.ndarray:
        return np.asarray(1.0 - np.exp(-4.0 * x) * np.sin(6.0 * np.pi * x) ** 6)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        first = self._first(x[:, 0])
        g = 1.0 + 9.0 * x[:, 1:].mean(axis=1) ** 0.25
        return np.column_stack((first, g * (1.0 - (first / g) ** 2)))

    def front(self, points: int = 200) -> np.ndarray:
        lowest = self._first(np.linspace(0.07, 0.09, 100_001)).min()
        first = np.linspace(lowest, 1.0, points)
        return np.column_stack((first, 1.0 - first**2))
