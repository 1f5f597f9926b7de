"""DTLZ1 to DTLZ7: any number of objectives, minimised.

Source: Deb, Thiele, Laumanns, Zitzler (2005), "Scalable test problems for evolutionary multiobjective optimization",
DOI 10.1007/1-84628-137-7_6.
"""

from __future__ import annotations

import numpy as np

from evo.spaces import Real

from .multi_objective import MultiObjective, at_least, lattice, records

MOST_FOR_HYPERVOLUME = 5
"""With more objectives no reference point is given: an exact hypervolume would take longer than the search."""


class _DTLZ(MultiObjective):
    """The first objectives - 1 variables say where on the front a point lies, the others (g) how far from it."""

    distance_variables = 10
    worst = 1.0
    """The largest value of an objective on the front."""

    def __init__(self, objectives: int = 3, dimensions: int | None = None) -> None:
        self.count = at_least("objectives", objectives, 2)
        size = objectives - 1 + self.distance_variables if dimensions is None else dimensions
        self.space = Real(0.0, 1.0, shape=at_least("dimensions", size, objectives))
        self.directions = ("min",) * objectives
        if objectives <= MOST_FOR_HYPERVOLUME:
            self.reference = self._beyond()

    def _beyond(self) -> tuple[float, ...]:
        return (1.1 * self.worst,) * self.count

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return self._objectives(x[:, : self.count - 1], self._distance(x[:, self.count - 1 :]))

    def _distance(self, rest: np.ndarray) -> np.ndarray:
        """g, (batch,); 0 on the front (DTLZ7: 1)."""
        return np.asarray(((rest - 0.5) ** 2).sum(axis=1))

    def _objectives(self, place: np.ndarray, g: np.ndarray) -> np.ndarray:
        """(batch, k): on a sphere, by angles."""
        angle = 0.5 * np.pi * self._bent(place)
        return np.asarray((1.0 + g)[:, None] * _nested(np.cos(angle), np.sin(angle)))

    def _bent(self, place: np.ndarray) -> np.ndarray:
        return place

    def front(self, points: int = 200) -> np.ndarray:
        spread = lattice(self.count, points)
        return np.asarray(spread / np.linalg.norm(spread, axis=1)[:, None])


def _nested(keep: np.ndarray, leave: np.ndarray) -> np.ndarray:
    """(batch, m + 1): the product of all m `keep`; then of ever fewer, times the `leave` of the first left out."""
    ones = np.ones((len(keep), 1))
    products = np.concatenate((ones, np.cumprod(keep, axis=1)), axis=1)
    return np.asarray(products[:, ::-1] * np.concatenate((ones, leave[:, ::-1]), axis=1))


def _rugged(rest: np.ndarray) -> np.ndarray:
    """100 times Rastrigin's function, rugged with 11^m - 1 local optima."""
    shifted = rest - 0.5
    return np.asarray(100.0 * (rest.shape[1] + (shifted**2 - np.cos(20.0 * np.pi * shifted)).sum(axis=1)))


class DTLZ1(_DTLZ):
    """A plane, sum f = 0.5; rugged."""

    builtin_name = "dtlz1"
    distance_variables = 5
    worst = 0.5

    def _distance(self, rest: np.ndarray) -> np.ndarray:
        return _rugged(rest)

    def _objectives(self, place: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 * (1.0 + g)[:, None] * _nested(place, 1.0 - place))

    def front(self, points: int = 200) -> np.ndarray:
        return np.asarray(0.5 * lattice(self.count, points))


class DTLZ2(_DTLZ):
    """A sphere, sum f^2 = 1."""

    builtin_name = "dtlz2"


class DTLZ3(_DTLZ):
    """The sphere of DTLZ2; rugged as DTLZ1."""

    builtin_name = "dtlz3"

    def _distance(self, rest: np.ndarray) -> np.ndarray:
        return _rugged(rest)


class DTLZ4(_DTLZ):
    """The sphere of DTLZ2, of which most points lie on its edges."""

    builtin_name = "dtlz4"

    def _bent(self, place: np.ndarray) -> np.ndarray:
        return np.asarray(place**100)


class DTLZ5(_DTLZ):
    """An arc of the sphere: f1 … f(k-1) in fixed proportion."""

    builtin_name = "dtlz5"

    def _objectives(self, place: np.ndarray, g: np.ndarray) -> np.ndarray:
        # All angles but the first are drawn to pi / 4 as g falls.
        angle = 0.25 * np.pi * (1.0 + 2.0 * g[:, None] * place) / (1.0 + g[:, None])
        angle[:, 0] = 0.5 * np.pi * place[:, 0]
        return np.asarray((1.0 + g)[:, None] * _nested(np.cos(angle), np.sin(angle)))

    def front(self, points: int = 200) -> np.ndarray:
        place = np.full((points, self.count - 1), 0.5)
        place[:, 0] = np.linspace(0.0, 1.0, points)
        return self._objectives(place, np.zeros(points))


class DTLZ6(DTLZ5):
    """The arc of DTLZ5, which is hard to come near to."""

    builtin_name = "dtlz6"

    def _distance(self, rest: np.ndarray) -> np.ndarray:
        return np.asarray((rest**0.1).sum(axis=1))


class DTLZ7(_DTLZ):
    """A front in 2^(k-1) parts."""

    builtin_name = "dtlz7"
    distance_variables = 20

    def _beyond(self) -> tuple[float, ...]:
        return (1.1,) * (self.count - 1) + (2.2 * self.count,)

    def _distance(self, rest: np.ndarray) -> np.ndarray:
        return np.asarray(1.0 + 9.0 * rest.mean(axis=1))

    def _objectives(self, place: np.ndarray, g: np.ndarray) -> np.ndarray:
        parts = place * (1.0 + np.sin(3.0 * np.pi * place)) / (1.0 + g)[:, None]
        return np.column_stack((place, (1.0 + g) * (self.count - parts.sum(axis=1))))

    def front(self, points: int = 200) -> np.ndarray:
        # On the front each variable is one of those with which no smaller value of it gives as much.
        values = np.linspace(0.0, 1.0, 100_001)
        axis = values[records(values * (1.0 + np.sin(3.0 * np.pi * values)), round(points ** (1.0 / (self.count - 1))))]
        place = np.stack(np.meshgrid(*[axis] * (self.count - 1)), axis=-1).reshape(-1, self.count - 1)
        return self._objectives(place, np.ones(len(place)))
