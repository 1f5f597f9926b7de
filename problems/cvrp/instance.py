"""A CVRP instance: what is known before the search starts, checked once, here, for everything that builds on it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args

import numpy as np
import numpy.typing as npt

from evo.errors import InstanceError

Rounding = Literal["nearest", "ceil", "none"]


class FieldError(InstanceError):
    """A field of an instance that cannot be used; a reader of files adds the line that the field came from."""

    def __init__(self, name: str, field: str, what: str) -> None:
        super().__init__(f"instance {name!r}: {field}: {what}")
        self.field = field
        self.what = what


INT32_MAX = 2**31 - 1
# A load is exact in a double (penalties multiply it by a weight) as long as the sum of all demands is.
LARGEST_TOTAL_DEMAND = 2**53
# Entries of one block of the distance matrix: 2 MB of doubles, so that a block's temporaries stay in the cache.
BLOCK_ENTRIES = 1 << 18


@dataclass(frozen=True, eq=False)
class Instance:
    """A capacitated vehicle routing problem with one depot and equal vehicles.

    Node 0 is the depot, nodes ``1 … n - 1`` are the customers. Arrays that are given are copied, and stay writable
    only because a compiled kernel takes a read-only array for another type: nobody writes to them.

    Parameters
    ----------
    name
        Name of the instance, for reports and files.
    demands
        ``(n,)`` integers, non-negative; the depot's is 0.
    capacity
        Load that a vehicle can carry, in the unit of the demands.
    coordinates
        ``(n, 2)``, finite; None for an explicit matrix without coordinates.
    distances
        ``(n, n)``, symmetric, non-negative, zero on the diagonal; kept as int32 when integer, else as float64. None:
        distances are computed from the coordinates.
    rounding
        How a Euclidean distance becomes an entry: ``nearest`` is ``floor(d + 0.5)`` (the convention of CVRPLIB and
        TSPLIB's EUC_2D), ``ceil`` is TSPLIB's CEIL_2D, ``none`` keeps the real number. Means nothing where
        ``distances`` are given.
    max_vehicles
        Most routes that a solution may have; None for no limit.
    max_duration
        Most that a route's distance and its customers' service times may add up to; None for no limit.
    service_times
        ``(n,)``, non-negative, in the unit of the distances; the depot's is 0.
    best_known
        Cost of the best solution known, for showing a gap.
    comment
        Free text, one line.

    Raises
    ------
    InstanceError
        When anything above does not hold, or no solution can exist; the text names the field or the customer.
    """

    name: str
    demands: npt.NDArray[np.int64]
    capacity: int
    coordinates: npt.NDArray[np.float64] | None = None
    distances: npt.NDArray[np.int32] | npt.NDArray[np.float64] | None = None
    rounding: Rounding = "nearest"
    max_vehicles: int | None = None
    max_duration: float | None = None
    service_times: npt.NDArray[np.float64] | None = None
    best_known: float | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        if self.rounding not in get_args(Rounding):
            self._refuse("rounding", f"expected one of {', '.join(get_args(Rounding))}, found {self.rounding!r}")
        self._set("capacity", self._positive_integer("capacity", self.capacity))
        if self.max_vehicles is not None:
            self._set("max_vehicles", self._positive_integer("max_vehicles", self.max_vehicles))
        self._set("demands", self._checked_demands())
        if self.coordinates is None and self.distances is None:
            self._refuse("coordinates", "expected coordinates or a distance matrix, found neither")
        if self.coordinates is not None:
            self._set("coordinates", self._checked_coordinates(self.coordinates))
        if self.distances is not None:
            self._set("distances", self._checked_distances(self.distances))
        self._check_duration()
        if self.best_known is not None and not (math.isfinite(self.best_known) and self.best_known >= 0):
            self._refuse("best_known", f"expected a finite number >= 0, found {self.best_known}")
        self._check_fleet()

    @property
    def n(self) -> int:
        """Number of nodes, the depot included."""
        return len(self.demands)

    @property
    def customers(self) -> int:
        """Number of customers."""
        return self.n - 1

    @property
    def integral(self) -> bool:
        """Whether every distance, hence every cost, is an integer."""
        if self.distances is not None:
            return self.distances.dtype == np.int32
        return self.rounding != "none"

    def distance_matrix(self) -> npt.NDArray[np.int32] | npt.NDArray[np.float64]:
        """Build the distance matrix, in rows' blocks: it needs little more memory than its result.

        Returns
        -------
        ``(n, n)``, C-contiguous, the caller's own: int32 where `integral`, else float64.
        """
        if self.distances is not None:
            return self.distances.copy()
        assert self.coordinates is not None  # __post_init__ refuses an instance that has neither
        x, y = np.ascontiguousarray(self.coordinates.T)
        matrix: npt.NDArray[Any] = np.empty((self.n, self.n), dtype=np.int32 if self.integral else np.float64)
        rows = max(1, BLOCK_ENTRIES // self.n)
        for start in range(0, self.n, rows):
            block = slice(start, start + rows)
            # sqrt of the sum, not hypot: exactly what TSPLIB's definition and the kernels compute, so that a distance
            # on the edge of two integers is rounded alike everywhere.
            dx = x[block, None] - x
            dy = y[block, None] - y
            d = np.sqrt(dx * dx + dy * dy)
            if self.rounding == "nearest":
                d = np.floor(d + 0.5)
            elif self.rounding == "ceil":
                d = np.ceil(d)
            matrix[block] = d
        return matrix

    def to_spec(self) -> dict[str, Any]:
        """Return the fields by name: plain values and arrays (not copied), enough to build the instance again."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Instance:
        """Build the instance that `to_spec` described.

        Raises
        ------
        InstanceError
            When the description lacks a field, has one too many, or describes no valid instance.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if spec.keys() != names:
            wrong = ", ".join(sorted(names ^ spec.keys()))
            raise InstanceError(f"instance description: missing or unknown fields: {wrong}")
        return cls(**spec)

    # -- checks ---------------------------------------------------------------------------------------------------

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)  # the dataclass is frozen for everyone else

    def _refuse(self, field: str, what: str) -> NoReturn:
        raise FieldError(self.name, field, what)

    def _positive_integer(self, field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
            self._refuse(field, f"expected an integer > 0, found {value!r}")
        return int(value)

    def _numbers(self, field: str, value: object, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Finite real numbers of this shape, contiguous; the callers copy them."""
        try:
            array = np.asarray(value, order="C")
        except ValueError:
            raise FieldError(self.name, field, f"expected shape {shape}, found ragged rows") from None
        if array.dtype.kind not in "iuf":
            self._refuse(field, f"expected numbers, found {array.dtype}")
        if array.shape != shape:
            self._refuse(field, f"expected shape {shape}, found {array.shape}")
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            at = tuple(int(i) for i in np.argwhere(~finite)[0])
            self._refuse(field, f"expected finite numbers, found {array[at]} at node {at[0]}")
        return array

    def _checked_demands(self) -> npt.NDArray[np.int64]:
        count = np.shape(self.demands)[0] if np.ndim(self.demands) else 0
        if count < 2:
            self._refuse("demands", f"expected the depot and at least one customer, found {count} nodes")
        demands = self._numbers("demands", self.demands, (count,))
        if demands.dtype.kind == "f":
            self._refuse("demands", f"expected integers, found {demands.dtype}")
        if demands[0] != 0:
            self._refuse("demands", f"expected 0 at the depot, found {demands[0]}")
        if (negative := demands < 0).any():
            customer = int(np.argmax(negative))
            self._refuse("demands", f"expected >= 0, found {demands[customer]} at customer {customer}")
        if (heavy := demands > self.capacity).any():
            customer = int(np.argmax(heavy))
            self._refuse(
                "demands",
                f"expected at most the capacity {self.capacity}, found {demands[customer]} at customer {customer}",
            )
        if (total := sum(demands.tolist())) > LARGEST_TOTAL_DEMAND:
            self._refuse("demands", f"expected a sum of at most {LARGEST_TOTAL_DEMAND}, found {total}")
        return demands.astype(np.int64)

    def _checked_coordinates(self, value: object) -> npt.NDArray[np.float64]:
        coordinates: npt.NDArray[np.float64] = self._numbers("coordinates", value, (self.n, 2)).astype(np.float64)
        with np.errstate(over="ignore"):
            diagonal = float(np.hypot(*np.ptp(coordinates, axis=0)))
        limit = np.finfo(np.float64).max ** 0.5 if self.rounding == "none" else float(INT32_MAX - 1)
        if self.distances is None and diagonal > limit:
            self._refuse(
                "coordinates",
                f"expected distances of at most {limit:g}, found up to {diagonal:g}; scale the coordinates",
            )
        return coordinates

    def _checked_distances(self, value: object) -> npt.NDArray[np.int32] | npt.NDArray[np.float64]:
        matrix = self._numbers("distances", value, (self.n, self.n))
        for wrong, expected in ((matrix < 0, ">= 0"), (matrix > INT32_MAX, f"at most {INT32_MAX}")):
            if wrong.any():
                i, j = (int(k) for k in np.argwhere(wrong)[0])
                self._refuse("distances", f"expected {expected}, found {matrix[i, j]} between nodes {i} and {j}")
        if (diagonal := np.diagonal(matrix) != 0).any():
            i = int(np.argmax(diagonal))
            self._refuse("distances", f"expected 0 on the diagonal, found {matrix[i, i]} at node {i}")
        if (asymmetric := matrix != matrix.T).any():
            i, j = (int(k) for k in np.argwhere(asymmetric)[0])
            self._refuse(
                "distances",
                f"expected a symmetric matrix, found {matrix[i, j]} from node {i} to {j} but "
                f"{matrix[j, i]} back; asymmetric distances are not supported",
            )
        if matrix.dtype.kind == "f":
            return matrix.astype(np.float64)
        return matrix.astype(np.int32)

    def _check_duration(self) -> None:
        if self.max_duration is not None and not (math.isfinite(self.max_duration) and self.max_duration > 0):
            self._refuse("max_duration", f"expected a finite number > 0, found {self.max_duration}")
        if self.service_times is None:
            return
        times = self._numbers("service_times", self.service_times, (self.n,)).astype(np.float64)
        if (negative := times < 0).any():
            customer = int(np.argmax(negative))
            self._refuse("service_times", f"expected >= 0, found {times[customer]} at node {customer}")
        if times[0] != 0:
            self._refuse("service_times", f"expected 0 at the depot, found {times[0]}")
        self._set("service_times", times)

    def _check_fleet(self) -> None:
        if self.max_vehicles is None:
            return
        total = int(self.demands.sum())
        needed = -(-total // self.capacity)
        if needed > self.max_vehicles:
            self._refuse(
                "max_vehicles",
                f"expected at least {needed} for a total demand of {total} and a capacity of "
                f"{self.capacity}, found {self.max_vehicles}: {total - self.max_vehicles * self.capacity} units short",
            )
