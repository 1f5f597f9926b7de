"""Who dominates whom with several objectives, all minimised: Pareto ranks, copies, crowding."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


def pareto_ranks(objective: np.ndarray, violation: np.ndarray) -> np.ndarray:
    """The front that each individual belongs to, (n,) int64; 0: no other one dominates it.

    By constrained domination (Deb et al. 2002, DOI 10.1109/4235.996017, definition 1): the feasible are compared by
    their objectives, all others come after them, by their violation alone.

    Parameters
    ----------
    objective
        (n, k) float64, finite where `violation` is.
    violation
        (n,), 0 where feasible.
    """
    feasible = violation <= 0.0
    if feasible.all():
        return np.asarray(_sorter()(objective), dtype=np.int64)
    rank = np.zeros(len(violation), dtype=np.int64)
    fronts = 0
    if feasible.any():
        rank[feasible] = _sorter()(objective[feasible])
        fronts = int(rank.max()) + 1
    rank[~feasible] = fronts + np.unique(violation[~feasible], return_inverse=True)[1]
    return rank


@functools.cache
def _sorter() -> Callable[[np.ndarray], Any]:
    from moocore import pareto_rank

    return pareto_rank  # type: ignore[no-any-return]


def copies(genome: np.ndarray, objective: np.ndarray) -> np.ndarray:
    """Rows that are exact copies of an earlier one, (m,): the same genome, with the same objectives."""
    first = objective[:, 0]
    ordered = np.sort(first)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return np.zeros(0, dtype=np.int64)
    rows = np.flatnonzero(repeated[np.minimum(np.searchsorted(repeated, first), len(repeated) - 1)] == first)
    found = genome[rows]
    # Among equal objectives sorted by a sum with odd weights, equal genomes lie side by side; the sort is stable.
    weights = np.sqrt(np.arange(genome.shape[1]) + 2.0)
    order = np.lexsort(((found * weights).sum(axis=1), *objective[rows].T))
    rows, found = rows[order], found[order]
    same = (found[1:] == found[:-1]).all(axis=1) & (objective[rows[1:]] == objective[rows[:-1]]).all(axis=1)
    return np.asarray(rows[1:][same])


def crowding_distance(objective: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """How far each individual's neighbours on its own front are apart, (n,); inf at a front's ends.

    Source: Deb et al. (2002), DOI 10.1109/4235.996017, section III-B; distances are shares of the front's width.
    """
    count = len(rank)
    distance = np.zeros(count)
    if not count:
        return distance
    ordered_rank = np.sort(rank)
    last = np.flatnonzero(ordered_rank[1:] != ordered_rank[:-1])
    starts, ends = np.append(0, last + 1), np.append(last, count - 1)
    front = np.repeat(np.arange(len(starts)), ends - starts + 1)
    for values in objective.T:
        order = np.lexsort((values, rank))
        ordered = values[order]
        ordered[~np.isfinite(ordered)] = 0.0  # what could not be evaluated is on fronts of its own
        width = ordered[ends] - ordered[starts]
        width[width <= 0.0] = np.inf
        gap = np.zeros(count)
        np.subtract(ordered[2:], ordered[:-2], out=gap[1:-1])
        gap /= width[front]
        gap[starts] = gap[ends] = np.inf
        distance[order] += gap
    return distance
