"""`MultiObjective`: what test problems with several objectives and a known Pareto front have in common."""

from __future__ import annotations

import itertools
from abc import abstractmethod

import numpy as np

from evo.errors import ProblemError
from evo.problem import Problem
from evo.stopping import Stop


class MultiObjective(Problem):
    """All objectives are minimised. `front` gives the optimum, `reference` lies a tenth beyond its worst values."""

    block = 256  # an evaluation costs less than a microsecond

    def default_stop(self) -> Stop:
        return Stop(generations=250)

    @abstractmethod
    def front(self, points: int = 200) -> np.ndarray:
        """About `points` points of the Pareto front, (p, k), sorted by the first objective, or spread evenly."""


def at_least(name: str, value: int, least: int) -> int:
    """A whole number, `least` or more. Raises `ProblemError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ProblemError(f"problem.{name}: expected a whole number, at least {least}, found {value!r}")
    return value


def lattice(objectives: int, points: int) -> np.ndarray:
    """Evenly spread non-negative points with sum 1, (p, objectives): the largest simplex lattice of at most `points`.

    Source: Das and Dennis (1998), DOI 10.1137/S1052623496307510.
    """
    steps = 1
    while _lattice_size(objectives, steps + 1) <= points:
        steps += 1
    bars = np.array(list(itertools.combinations(range(steps + objectives - 1), objectives - 1)))
    edges = np.column_stack((np.full(len(bars), -1), bars, np.full(len(bars), steps + objectives - 1)))
    return np.asarray((np.diff(edges, axis=1) - 1) / steps)


def _lattice_size(objectives: int, steps: int) -> int:
    size = 1
    for i in range(1, objectives):
        size = size * (steps + i) // i
    return size


def records(values: np.ndarray, count: int) -> np.ndarray:
    """About `count` evenly chosen places at which a sequence is larger than anywhere before."""
    before = np.maximum.accumulate(values)[:-1]
    places = np.append(0, np.flatnonzero(values[1:] > before) + 1)
    return places[np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(np.int64)]
