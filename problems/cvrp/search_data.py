"""An instance as the kernels see it: flat arrays of the exact types that they are compiled for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evo.errors import InstanceError

from .instance import Instance

# A move must gain more than this share of the longest distance: far above rounding errors, far below any real gain.
TOLERANCE = 1e-8


@dataclass(frozen=True)
class SearchData:
    """Arrays for the kernels; n nodes with the depot.

    Parameters
    ----------
    matrix
        ``(n, n)`` int32 or float64, C-contiguous.
    demand
        ``(n,)`` int64.
    neighbours
        ``(n, near)`` int32: each customer's nearest customers, nearest first, equal ones by number. Row 0 is unused.
    coordinates
        ``(n, 2)`` float64; zeros where the instance has none.
    routes
        Routes that a solution may have, some of them empty.
    tolerance
        A move must gain more than this.
    """

    matrix: npt.NDArray[Any]
    demand: npt.NDArray[np.int64]
    capacity: int
    neighbours: npt.NDArray[np.int32]
    coordinates: npt.NDArray[np.float64]
    routes: int
    tolerance: float

    @property
    def n(self) -> int:
        return len(self.demand)

    @classmethod
    def of(cls, instance: Instance, near: int) -> SearchData:
        """The arrays of an instance, with `near` neighbours per customer (fewer where there are not so many)."""
        check_supported(instance)
        matrix = np.ascontiguousarray(instance.distance_matrix())
        return cls(
            matrix=matrix,
            demand=np.array(instance.demands, np.int64),
            capacity=int(instance.capacity),
            neighbours=nearest_customers(matrix, near),
            coordinates=(
                np.zeros((instance.n, 2))
                if instance.coordinates is None
                else np.array(instance.coordinates, np.float64)
            ),
            routes=most_routes(instance),
            tolerance=TOLERANCE * max(float(matrix.max()), 1e-300),
        )


def check_supported(instance: Instance) -> None:
    """Refuse a limit that the search does not keep. Raises `InstanceError`."""
    if instance.max_duration is not None:
        raise InstanceError(
            f"instance {instance.name!r}: max_duration: expected none (limits on a route's duration are not "
            f"supported by the search), found {instance.max_duration:g}"
        )


def nearest_customers(matrix: npt.NDArray[Any], near: int) -> npt.NDArray[np.int32]:
    """Each customer's nearest customers, ``(n, min(near, n - 2))``, nearest first; equal ones by number."""
    n = len(matrix)
    count = min(near, n - 2)
    nearest = np.zeros((n, count), np.int32)
    if count == 0:
        return nearest
    for customer in range(1, n):
        row = matrix[customer].astype(np.float64)
        row[0] = row[customer] = np.inf
        # All that are no farther than the count-th, so that a tie never depends on how partition orders it.
        limit = np.partition(row, count - 1)[count - 1]
        within = np.flatnonzero(row <= limit)
        nearest[customer] = within[np.argsort(row[within], kind="stable")][:count]
    return nearest


def most_routes(instance: Instance) -> int:
    """The fleet of the search: the instance's limit, or enough that it binds nobody (Vidal 2022: 1.3 times the bound).

    A packing that exists bounds it from below where demands fill vehicles badly. Never more than customers.
    """
    total = int(instance.demands.sum())
    packed = bins_first_fit_decreasing(instance.demands[1:].tolist(), instance.capacity)
    enough = max(-(-13 * total // (10 * instance.capacity)), packed) + 3
    limit = instance.customers if instance.max_vehicles is None else instance.max_vehicles
    return min(enough, limit, instance.customers)


def bins_first_fit_decreasing(sizes: list[int], capacity: int) -> int:
    """How many bins first-fit decreasing fills: at most 11/9 of the fewest possible, and 6/9 more (Dósa 2007)."""
    free: list[int] = []
    for size in sorted(sizes, reverse=True):
        for i, space in enumerate(free):
            if size <= space:
                free[i] -= size
                break
        else:
            free.append(capacity - size)
    return max(len(free), 1)
