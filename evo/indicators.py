"""How good a front is, in one number: hypervolume and IGD+, by moocore. All objectives are minimised."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evo.errors import UsageError


def hypervolume(front: ArrayLike, reference: ArrayLike) -> float:
    """The volume that a front dominates, up to a reference point; larger is better.

    Exact. Two and three objectives take microseconds; from six on it soon takes seconds.

    Parameters
    ----------
    front
        (m, k) objectives; points that are not better than the reference in every objective count for nothing.
    reference
        (k,), worse than what is of interest.

    Raises
    ------
    UsageError
        The shapes do not fit.

    Notes
    -----
    Source: Zitzler and Thiele (1998), DOI 10.1007/BFb0056872.
    """
    from moocore import hypervolume as compute

    points, corner = _points("front", front), np.asarray(reference, dtype=np.float64)
    if corner.shape != points.shape[1:]:
        raise UsageError(f"reference: expected {points.shape[1]} numbers, found an array of shape {corner.shape}")
    return float(compute(points, ref=corner)) if len(points) else 0.0


def igd_plus(front: ArrayLike, optimum: ArrayLike) -> float:
    """Modified inverted generational distance (IGD+) of a front from the Pareto front; smaller is better, 0 perfect.

    Parameters
    ----------
    front
        (m, k) objectives, m >= 1.
    optimum
        (p, k) points of the Pareto front, evenly spread.

    Raises
    ------
    UsageError
        The shapes do not fit.

    Notes
    -----
    Source: Ishibuchi, Masuda, Tanigaki, Nojima (2015), DOI 10.1007/978-3-319-15892-1_8.
    """
    from moocore import igd_plus as compute

    points, best = _points("front", front), _points("optimum", optimum)
    if not len(points) or not len(best) or points.shape[1] != best.shape[1]:
        raise UsageError(f"front, optimum: expected points of one kind, found {points.shape} and {best.shape}")
    return float(compute(points, ref=best))


def _points(name: str, values: ArrayLike) -> np.ndarray:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] < 2:
        raise UsageError(f"{name}: expected an array of shape (m, k) with k >= 2, found {points.shape}")
    return points
