"""Distances from a matrix, or from coordinates on the fly: one name for both, chosen when a kernel is compiled.

A matrix is a pointer to its first row. Where n x n entries stop paying, `Points` stand in for it: coordinates take no
more than memory in proportion to n, and a distance of theirs is, bit for bit, the matrix's entry.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload

from .compilation import OPTIONS, entry
from .kernels_memory import at, pointer_to

INLINED: Any = {**OPTIONS, "forceinline": True}


class NearestPoints(NamedTuple):
    """Coordinates, ``(2 n,)`` float64 x and y by turns; a distance is rounded to the nearest integer."""

    xy: Any


class CeilPoints(NamedTuple):
    """The same; a distance is rounded up."""

    xy: Any


class RealPoints(NamedTuple):
    """The same; a distance is not rounded."""

    xy: Any


def distance(metric: Any, n: Any, a: Any, b: Any) -> Any:
    """From node a to node b, 0 <= a, b < n: int64, or float64 where distances are real."""
    raise NotImplementedError("for kernels only")


@overload(distance, inline="never", jit_options=INLINED)
def _distance(metric: Any, n: Any, a: Any, b: Any) -> Any:
    if isinstance(metric, types.CPointer):

        def matrix(metric: Any, n: Any, a: Any, b: Any) -> Any:
            return at(metric, a * n + b)

        return matrix
    kind = getattr(metric, "instance_class", None)
    if kind is NearestPoints:

        def nearest(metric: Any, n: Any, a: Any, b: Any) -> Any:
            dx = at(metric.xy, 2 * a) - at(metric.xy, 2 * b)
            dy = at(metric.xy, 2 * a + 1) - at(metric.xy, 2 * b + 1)
            # Not below zero: truncation is floor.
            return np.int64(math.sqrt(dx * dx + dy * dy) + 0.5)

        return nearest
    if kind is CeilPoints:

        def ceil(metric: Any, n: Any, a: Any, b: Any) -> Any:
            dx = at(metric.xy, 2 * a) - at(metric.xy, 2 * b)
            dy = at(metric.xy, 2 * a + 1) - at(metric.xy, 2 * b + 1)
            return np.int64(math.ceil(math.sqrt(dx * dx + dy * dy)))

        return ceil
    if kind is RealPoints:

        def real(metric: Any, n: Any, a: Any, b: Any) -> Any:
            dx = at(metric.xy, 2 * a) - at(metric.xy, 2 * b)
            dy = at(metric.xy, 2 * a + 1) - at(metric.xy, 2 * b + 1)
            return math.sqrt(dx * dx + dy * dy)

        return real
    return None


def pointers(metric: Any) -> Any:
    """A matrix, or points that hold an array, as what `distance` takes. The caller keeps the array alive."""
    raise NotImplementedError("for kernels only")


@overload(pointers, inline="never", jit_options=INLINED)
def _pointers(metric: Any) -> Any:
    if isinstance(metric, types.Array):

        def matrix(metric: Any) -> Any:
            return pointer_to(metric)

        return matrix
    kind = getattr(metric, "instance_class", None)
    if kind is NearestPoints:

        def nearest(metric: Any) -> Any:
            return NearestPoints(pointer_to(metric.xy))

        return nearest
    if kind is CeilPoints:

        def ceil(metric: Any) -> Any:
            return CeilPoints(pointer_to(metric.xy))

        return ceil
    if kind is RealPoints:

        def real(metric: Any) -> Any:
            return RealPoints(pointer_to(metric.xy))

        return real
    return None


@entry
def fill_matrix(metric: Any, matrix: Any) -> None:
    """Fill ``(n, n)`` with all distances."""
    p = pointers(metric)
    n = len(matrix)
    for a in range(n):
        for b in range(n):
            matrix[a, b] = distance(p, n, a, b)


@entry
def fill_distances(metric: Any, neighbours: Any, distances: Any) -> None:
    """Fill ``(n, near)`` with the distance from each node to its neighbours."""
    p = pointers(metric)
    n = len(neighbours)
    for a in range(n):
        for k in range(neighbours.shape[1]):
            distances[a, k] = distance(p, n, a, np.int64(neighbours[a, k]))
