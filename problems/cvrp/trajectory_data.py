"""An instance as a trajectory's kernels see it: customers numbered along a curve, a metric, near customers, a start."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .instance import Instance
from .search_data import TOLERANCE, check_supported, most_routes, nearest_customers

MATRIX_LIMIT = 2000
"""Nodes up to which a matrix is kept: 16 MB there."""
CURVE_BITS = 16


@dataclass(frozen=True)
class TrajectoryData:
    """Arrays for the kernels, in which customers are numbered along a curve.

    Parameters
    ----------
    order
        ``(n,)`` int32: the instance's number of each node; ``order[0]`` is 0, the depot.
    metric
        A matrix, ``(n, n)`` int32 or float64, or points; see `kernels_distance`.
    demand
        ``(n,)`` int64.
    neighbours, neighbour_distance
        ``(n, near)`` int32, each customer's nearest customers, nearest first, and the distances to them.
    routes
        Routes that a solution may have, some of them empty.
    longest
        No distance is greater.
    tolerance
        A move must gain more than this.
    """

    order: npt.NDArray[np.int32]
    metric: Any
    demand: npt.NDArray[np.int64]
    capacity: int
    neighbours: npt.NDArray[np.int32]
    neighbour_distance: npt.NDArray[Any]
    routes: int
    longest: float
    tolerance: float
    integral: bool

    @property
    def n(self) -> int:
        return len(self.demand)

    @functools.cached_property
    def number(self) -> npt.NDArray[np.int32]:
        """The inverse of `order`."""
        number = np.empty(self.n, np.int32)
        number[self.order] = np.arange(self.n, dtype=np.int32)
        return number

    @classmethod
    def of(cls, instance: Instance, near: int) -> TrajectoryData:
        """The arrays of an instance, with `near` neighbours per customer (fewer where there are not so many)."""
        check_supported(instance)
        order = curve_order(instance)
        metric: Any
        if instance.distances is not None:
            metric = np.ascontiguousarray(instance.distances[np.ix_(order, order)])
            neighbours = nearest_customers(metric, near)
            longest = float(metric.max())
        else:
            assert instance.coordinates is not None  # an instance has one or the other
            xy = np.ascontiguousarray(instance.coordinates[order])
            metric = _metric(instance, xy)
            neighbours = _nearest(xy, near)
            longest = float(np.ceil(np.hypot(*np.ptp(xy, axis=0))))
        return cls(
            order=order,
            metric=metric,
            demand=np.array(instance.demands[order], np.int64),
            capacity=int(instance.capacity),
            neighbours=neighbours,
            neighbour_distance=_distances(metric, neighbours, instance.integral),
            routes=most_routes(instance),
            longest=longest,
            tolerance=TOLERANCE * max(longest, 1e-300),
            integral=instance.integral,
        )

    @functools.cached_property
    def start(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Tour and offsets of a first solution, ``(n - 1,)`` and ``(R + 1,)`` int32, by savings.

        Where they leave more routes than there may be, the smallest are dissolved, whatever the capacity says.
        """
        from .kernels_savings import join_routes, near_savings

        savings = np.empty(self.neighbours.shape)
        near_savings(self.metric, self.neighbours, savings)
        tour = np.zeros(self.n - 1, np.int32)
        offsets = np.zeros(self.n, np.int32)
        order = np.argsort(-savings, axis=None, kind="stable")
        count = join_routes(order, self.neighbours, savings, self.demand, self.capacity, tour, offsets)
        routes = np.split(tour, offsets[1:count])
        if count > self.routes:
            routes.sort(key=len, reverse=True)
            homeless = np.concatenate(routes[self.routes :])
            del routes[self.routes :]
            loads = np.array([self.demand[route].sum() for route in routes])
            for customer in homeless:
                least = int(loads.argmin())
                routes[least] = np.append(routes[least], customer)
                loads[least] += self.demand[customer]
        lengths = [len(route) for route in routes] + [0] * (self.routes - len(routes))
        return np.concatenate(routes).astype(np.int32), np.cumsum([0, *lengths]).astype(np.int32)


def curve_order(instance: Instance) -> npt.NDArray[np.int32]:
    """The depot, then the customers along a Hilbert curve: near ones are near in memory (+15 % iterations a second)."""
    order = np.arange(instance.n, dtype=np.int32)
    if instance.coordinates is not None:
        order[1:] = 1 + np.argsort(hilbert(instance.coordinates[1:]), kind="stable")
    return order


def hilbert(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Where points lie along a Hilbert curve through the square around them, ``(n, 2)`` to ``(n,)``.

    Bit by bit: a quadrant's place in the curve, then the quadrant turned so that it looks like the whole. Source:
    Hilbert (1891), DOI 10.1007/BF01199431.
    """
    low = points.min(axis=0)
    side = max(float(np.ptp(points, axis=0).max()), 1e-300)
    grid = ((points - low) / side * ((1 << CURVE_BITS) - 1)).astype(np.int64)
    x, y = grid[:, 0], grid[:, 1]
    along = np.zeros(len(points), np.int64)
    for bit in range(CURVE_BITS - 1, -1, -1):
        right, upper = (x >> bit) & 1, (y >> bit) & 1
        along = (along << 2) | ((3 * right) ^ upper)
        lower = upper == 0
        turned = lower & (right == 1)
        most = (1 << CURVE_BITS) - 1
        x, y = np.where(turned, most - x, x), np.where(turned, most - y, y)
        x, y = np.where(lower, y, x), np.where(lower, x, y)
    return along


def _metric(instance: Instance, xy: npt.NDArray[np.float64]) -> Any:
    from .kernels_distance import CeilPoints, NearestPoints, RealPoints

    points = {"nearest": NearestPoints, "ceil": CeilPoints, "none": RealPoints}[instance.rounding](xy.ravel())
    if instance.n > MATRIX_LIMIT:
        return points
    from .kernels_distance import fill_matrix

    matrix = np.empty((instance.n, instance.n), np.int32 if instance.integral else np.float64)
    fill_matrix(points, matrix)
    return matrix


def _nearest(xy: npt.NDArray[np.float64], near: int) -> npt.NDArray[np.int32]:
    from .kernels_neighbours import nearest_by_grid

    nearest = np.zeros((len(xy), min(near, len(xy) - 2)), np.int32)
    if nearest.shape[1] > 0:
        nearest_by_grid(xy, nearest)
    return nearest


def _distances(metric: Any, neighbours: npt.NDArray[np.int32], integral: bool) -> npt.NDArray[Any]:
    from .kernels_distance import fill_distances

    distances = np.empty(neighbours.shape, np.int32 if integral else np.float64)
    fill_distances(metric, neighbours, distances)
    return distances
