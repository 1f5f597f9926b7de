"""Selection: which rows of a population become parents."""

from __future__ import annotations

import numpy as np


def tournament(ranked: int, count: int, rng: np.random.Generator, *, size: int = 2) -> np.ndarray:
    """Winners of `count` tournaments, ``(count,)`` rows, in a population sorted from best to worst.

    In a sorted population the best of a tournament is its smallest row.

    Source: Goldberg and Deb (1991), DOI 10.1016/B978-0-08-050684-5.50008-2.
    """
    return np.asarray(rng.integers(0, ranked, size=(size, count)).min(axis=0))


def truncation(ranked: int, count: int, rng: np.random.Generator, *, share: float = 0.5) -> np.ndarray:
    """`count` rows drawn uniformly from the best `share` of a sorted population, (count,).

    Source: Muehlenbein and Schlierkamp-Voosen (1993), DOI 10.1162/evco.1993.1.1.25.
    """
    return rng.integers(0, max(1, int(share * ranked)), size=count)


def linear_ranking(ranked: int, *, pressure: float = 1.8) -> np.ndarray:
    """Chances by rank, (ranked,) with sum 1: the best gets `pressure` times the mean, 1 <= pressure <= 2.

    Source: Baker (1985), "Adaptive selection methods for genetic algorithms", ICGA 1, 101-111.
    """
    if ranked == 1:
        return np.ones(1)
    slope = np.linspace(pressure, 2.0 - pressure, ranked)
    return np.asarray(slope / slope.sum())


def proportional(objective: np.ndarray, violation: np.ndarray) -> np.ndarray:
    """Chances in proportion to fitness, (n,) with sum 1: the distance from the worst feasible objective.

    Infeasible and unusable individuals have none, unless there are no others; then all have the same. Source of the
    scaling (windowing): Grefenstette (1986), DOI 10.1109/TSMC.1986.289288.
    """
    eligible = np.isfinite(objective) & (violation <= 0.0)
    fitness = np.zeros(len(objective))
    if eligible.any():
        fitness[eligible] = objective[eligible].max() - objective[eligible]
    total = fitness.sum()
    if total > 0.0 and np.isfinite(total):
        return np.asarray(fitness / total)
    chances = eligible if eligible.any() else np.ones(len(objective))
    return np.asarray(chances / chances.sum())


def roulette(chances: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` independent spins of a wheel with slots of these widths, (count,)."""
    return _slots(chances, rng.random(count))


def stochastic_universal(chances: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """One spin of a wheel with `count` equally spaced pointers, (count,), in random order.

    Everybody is chosen as often as expected, rounded up or down. Source: Baker (1987), "Reducing bias and inefficiency
    in the selection algorithm", ICGA 2, 14-21.
    """
    return rng.permutation(_slots(chances, (np.arange(count) + rng.random()) / count))


def _slots(chances: np.ndarray, places: np.ndarray) -> np.ndarray:
    ends = np.cumsum(chances)
    # Places beyond the last end are rounding's; chances of 0 have no slot.
    last = int(np.flatnonzero(chances)[-1])
    return np.minimum(np.searchsorted(ends, places, side="right"), last)
