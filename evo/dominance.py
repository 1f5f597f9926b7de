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


def memory(genome: np.ndarray) -> np.ndarray:
    """(n, bytes) uint8: compared so, every dtype is alike to the kernels."""
    return np.ascontiguousarray(genome).view(np.uint8)


def survivors(genome: np.ndarray, objective: np.ndarray, rank: np.ndarray, count: int, *, updated: bool) -> np.ndarray:
    """The `count` best rows by the crowded-comparison operator, best first: by front, then the least crowded.

    The crowding distance is how far a row's neighbours on its front are apart, in shares of the front's width. Exact
    copies (the same genome, with the same objectives) come after all others, whatever their front.

    Source: Deb et al. (2002), DOI 10.1109/4235.996017, section III-B.

    Parameters
    ----------
    rank
        (n,) as of `pareto_ranks`; that of copies is changed.
    updated
        Whether, on the front of which only a part is among the best, the most crowded row is left out again and again,
        its neighbours' distances measured anew each time (Kukkonen and Deb 2006, DOI 10.1109/CEC.2006.1688443).
    """
    from evo.kernels_survival import least_crowded, mark_copies

    objective = np.ascontiguousarray(objective)
    mark_copies(objective, memory(genome), rank)
    order = np.empty(min(count, len(rank)), dtype=np.int64)
    least_crowded(objective, rank, updated, np.empty(len(rank)), order)
    return order
