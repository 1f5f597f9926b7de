"""New CVRP instances by the scheme of the X set.

Source: E. Uchoa, D. Pecin, A. Pessoa, M. Poggi, T. Vidal, A. Subramanian, "New benchmark instances for the Capacitated
Vehicle Routing Problem", European Journal of Operational Research 257 (2017), section 4,
DOI 10.1016/j.ejor.2016.08.012.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from evo.errors import UsageError

from .instance import Instance

Depot = Literal["random", "center", "corner"]
Positioning = Literal["random", "clustered", "random-clustered"]
Demand = Literal["unitary", "1-10", "5-10", "1-100", "50-100", "quadrant", "many-small-few-large"]

GRID = 1000  # points are integers from 0 to this, in both directions
SEEDS = (3, 8)  # fewest and most seeds of clusters
DECAY = 40.0  # a point d away from a seed is taken with probability exp(-d / DECAY), added up over the seeds
ROUTE_LENGTH = (3.0, 6.0, 25.0)  # the triangular distribution of the mean route length: least, mode, most
BATCH = (256, 1 << 14)  # fewest and most points proposed at a time


def generate(
    customers: int,
    *,
    depot: Depot = "random",
    customers_positioning: Positioning = "random-clustered",
    demand: Demand = "1-100",
    route_length: float | None = None,
    seed: int,
    name: str | None = None,
) -> Instance:
    """Generate an instance; the same arguments give the same instance.

    Parameters
    ----------
    customers
        Number of customers, from 1 to a tenth of the grid's million points; no two nodes share a point.
    depot
        ``center`` is (500, 500), ``corner`` is (0, 0), the paper's eccentric depot.
    customers_positioning
        ``random``: uniform on the grid. ``clustered``: 3 to 8 seeds drawn uniformly, every other customer near them,
        with a probability that falls exponentially. ``random-clustered``: half the customers clustered, seeds
        included, the others uniform.
    demand
        ``unitary``; uniform in [1, 10], [5, 10], [1, 100] or [50, 100]; ``quadrant``: in [51, 100] where x and y are
        on the same side of the grid's centre, else in [1, 50]; ``many-small-few-large``: 70 to 95 % of the customers in
        [1, 10], the others in [50, 100].
    route_length
        Mean number of customers in a route that the capacity makes room for; None draws it from the paper's triangular
        distribution over 3, 6, 25.
    seed
        Seed of the random numbers, >= 0.
    name
        None makes one of the number of nodes and the seed.

    Raises
    ------
    UsageError
        On an argument out of range.
    """
    most = GRID * GRID // 10
    if not 1 <= customers <= most:
        raise UsageError(f"customers: expected 1 to {most}, found {customers}")
    if route_length is not None and not 1 <= route_length < math.inf:
        raise UsageError(f"route_length: expected a finite number >= 1, found {route_length}")
    if seed < 0:
        raise UsageError(f"seed: expected an integer >= 0, found {seed}")
    for field, value, choices in (
        ("depot", depot, get_args(Depot)),
        ("customers_positioning", customers_positioning, get_args(Positioning)),
        ("demand", demand, get_args(Demand)),
    ):
        if value not in choices:
            raise UsageError(f"{field}: expected one of {', '.join(choices)}, found {value!r}")

    rng = np.random.Generator(np.random.Philox(seed))
    length = float(rng.triangular(*ROUTE_LENGTH)) if route_length is None else float(route_length)
    points = _points(rng, customers, depot, customers_positioning)
    demands = np.concatenate(([0], _demands(rng, points[1:], demand)))
    # No customer's demand is above the capacity: matters for short routes of very different demands alone.
    capacity = max(math.ceil(length * int(demands.sum()) / customers), int(demands.max()))
    call = (
        f"generate({customers}, depot={depot!r}, customers_positioning={customers_positioning!r}, demand={demand!r}, "
        f"route_length={route_length!r}, seed={seed})"
    )
    return Instance(
        name=f"generated-n{customers + 1}-s{seed}" if name is None else name,
        demands=demands,
        capacity=capacity,
        coordinates=points.astype(np.float64),
        comment=f"evo.problems.cvrp.{call}, after Uchoa et al. (2017)",
    )


def _points(rng: np.random.Generator, customers: int, depot: Depot, positioning: Positioning) -> npt.NDArray[np.int64]:
    """Depot first, then the customers: ``(customers + 1, 2)``, no point twice."""
    taken = np.zeros((GRID + 1, GRID + 1), dtype=bool)
    if depot == "random":
        parts = [_uniform(rng, 1, taken)]
    else:
        parts = [np.full((1, 2), GRID // 2 if depot == "center" else 0)]
        taken[tuple(parts[0].T)] = True
    clustered = {"random": 0, "clustered": customers, "random-clustered": customers // 2}[positioning]
    if clustered:
        seeds = _uniform(rng, min(clustered, int(rng.integers(*SEEDS, endpoint=True))), taken)
        parts += [seeds, _near(rng, clustered - len(seeds), seeds, taken)]
    parts.append(_uniform(rng, customers - clustered, taken))
    return np.concatenate(parts)


def _uniform(rng: np.random.Generator, count: int, taken: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Free points anywhere on the grid."""
    found = np.empty((0, 2), dtype=np.int64)
    while len(found) < count:
        proposed = _anywhere(rng, 2 * (count - len(found)))
        found = np.concatenate((found, _free(proposed, count - len(found), taken)))
    return found


def _anywhere(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """About as many points as asked for, within the bounds of a batch."""
    return rng.integers(0, GRID, size=(min(max(count, BATCH[0]), BATCH[1]), 2), endpoint=True)


def _near(
    rng: np.random.Generator, count: int, seeds: npt.NDArray[np.int64], taken: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Free points, each kept with the probability that falls with its distance from the seeds."""
    found = np.empty((0, 2), dtype=np.int64)
    while len(found) < count:
        # a seed lets about 1 % of the grid's points through: 2 pi DECAY^2 of them
        proposed = _anywhere(rng, 40 * (count - len(found)))
        difference = proposed[:, None, :] - seeds
        distance = np.sqrt((difference * difference).sum(axis=2))
        kept = rng.random(len(proposed)) < np.exp(-distance / DECAY).sum(axis=1)
        found = np.concatenate((found, _free(proposed[kept], count - len(found), taken)))
    return found


def _free(proposed: npt.NDArray[np.int64], count: int, taken: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The first ``count`` points that are free, in the order proposed, each once; they are taken from now on."""
    proposed = proposed[~taken[tuple(proposed.T)]]
    _, first = np.unique(proposed[:, 0] * (GRID + 1) + proposed[:, 1], return_index=True)
    chosen: npt.NDArray[np.int64] = proposed[np.sort(first)[:count]]
    taken[tuple(chosen.T)] = True
    return chosen


def _demands(rng: np.random.Generator, points: npt.NDArray[np.int64], demand: Demand) -> npt.NDArray[np.int64]:
    """One demand for each customer's point."""
    n = len(points)
    if demand == "unitary":
        return np.ones(n, dtype=np.int64)
    if demand == "quadrant":
        same_side = (points[:, 0] < GRID / 2) == (points[:, 1] < GRID / 2)
        return rng.integers(1, 50, n, endpoint=True) + np.where(same_side, 50, 0)
    if demand == "many-small-few-large":
        small = rng.permutation(n) < round(rng.uniform(0.70, 0.95) * n)
        return np.where(small, rng.integers(1, 10, n, endpoint=True), rng.integers(50, 100, n, endpoint=True))
    low, high = map(int, demand.split("-"))
    return rng.integers(low, high, n, endpoint=True)
